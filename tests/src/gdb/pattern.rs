//! Expected text, in which `...` stands for what is different every time: anything in a line, or, alone in a line, any lines.

/// Stands for any text.
const ANY: &str = "...";

/// Where `lines` stop being as `expected`: the number of the first expected line that is not there. `None` if all is as expected.
pub fn first_mismatch(expected: &[&str], lines: &[&str]) -> Option<usize> {
    // Which numbers of lines the expected lines so far can account for.
    let mut ends = vec![false; lines.len() + 1];
    ends[0] = true;
    for (number, expected) in expected.iter().enumerate() {
        let mut next = vec![false; lines.len() + 1];
        for at in (0..=lines.len()).filter(|&at| ends[at]) {
            if *expected == ANY {
                next[at..].fill(true);
                break;
            }
            if lines.get(at).is_some_and(|line| line_matches(expected, line)) {
                next[at + 1] = true;
            }
        }
        if !next.contains(&true) {
            return Some(number);
        }
        ends = next;
    }
    if ends[lines.len()] { None } else { Some(expected.len()) }
}

fn line_matches(expected: &str, line: &str) -> bool {
    let mut parts = expected.split(ANY);
    let first = parts.next().expect("there is always a part");
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_stand_for_anything_in_a_line() {
        for (expected, line) in [
            ("abc", "abc"),
            ("a...c", "abc"),
            ("a...c", "ac"),
            ("...", ""),
            ("a...b...c", "a1b2b3c"),
            ("a...", "a"),
        ] {
            assert!(line_matches(expected, line), "{expected} {line}");
        }
        for (expected, line) in [("abc", "abcd"), ("a...c", "abcd"), ("a...a", "a"), ("...x...", "abc")] {
            assert!(!line_matches(expected, line), "{expected} {line}");
        }
    }

    #[test]
    fn dots_alone_stand_for_any_lines() {
        assert_eq!(first_mismatch(&["a", "...", "d"], &["a", "b", "c", "d"]), None);
        assert_eq!(first_mismatch(&["a", "...", "b"], &["a", "b"]), None);
        assert_eq!(first_mismatch(&["...", "b", "..."], &["a", "b", "b", "c"]), None);
        assert_eq!(first_mismatch(&[], &[]), None);
    }

    #[test]
    fn the_first_line_that_is_not_there_is_told() {
        assert_eq!(first_mismatch(&["a", "x", "c"], &["a", "b", "c"]), Some(1));
        assert_eq!(first_mismatch(&["a", "...", "x"], &["a", "b"]), Some(2));
        assert_eq!(first_mismatch(&["a"], &["a", "b"]), Some(1), "there is more than expected");
        assert_eq!(first_mismatch(&["a"], &[]), Some(0));
    }
}
