//! Byte-for-byte comparison that says where the difference is.

use crate::process::Outcome;
use std::fmt::Write;

/// Lines shown before and after the first difference.
const CONTEXT: usize = 3;
/// Lines of a stream shown where the whole of it would be too long.
const TAIL: usize = 30;

/// `Ok` if the two outcomes agree in status, standard output and standard error.
pub fn outcomes(expected: &Outcome, actual: &Outcome) -> Result<(), String> {
    let mut report = String::new();
    if expected.end != actual.end {
        let _ = writeln!(report, "ended with {}, expected {}", actual.end, expected.end);
    }
    for (name, expected, actual) in
        [("stdout", &expected.stdout, &actual.stdout), ("stderr", &expected.stderr, &actual.stderr)]
    {
        if let Some(difference) = first_difference(expected, actual) {
            let _ = write!(report, "{name} differs, {difference}");
        }
    }
    if report.is_empty() { Ok(()) } else { Err(report) }
}

/// Describes the first line in which two texts differ.
pub fn first_difference(expected: &[u8], actual: &[u8]) -> Option<String> {
    if expected == actual {
        return None;
    }
    let expected: Vec<_> = expected.split_inclusive(|&b| b == b'\n').collect();
    let actual: Vec<_> = actual.split_inclusive(|&b| b == b'\n').collect();
    let same = expected.iter().zip(&actual).take_while(|(e, a)| e == a).count();
    let mut text = format!("at line {}:\n", same + 1);
    for line in &expected[same.saturating_sub(CONTEXT)..same] {
        let _ = writeln!(text, "    {}", show(line));
    }
    for (mark, lines) in [('-', &expected), ('+', &actual)] {
        let rest = &lines[same..];
        for line in rest.iter().take(CONTEXT) {
            let _ = writeln!(text, "  {mark} {}", show(line));
        }
        if rest.is_empty() {
            let _ = writeln!(text, "  {mark} (ends here)");
        }
    }
    Some(text)
}

/// Everything there is to know about an outcome, for a message about something else that is wrong with it.
pub fn describe(outcome: &Outcome) -> String {
    let mut text = format!("{}\n", outcome.end);
    for (name, stream) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
        let lines: Vec<_> = stream.split_inclusive(|&b| b == b'\n').collect();
        let hidden = lines.len().saturating_sub(TAIL);
        let _ = match (lines.is_empty(), hidden) {
            (true, _) => writeln!(text, "{name}: empty"),
            (false, 0) => writeln!(text, "{name}:"),
            _ => writeln!(text, "{name}: ({hidden} lines left out)"),
        };
        for line in &lines[hidden..] {
            let _ = writeln!(text, "    {}", show(line));
        }
    }
    text
}

/// A line without its end; bytes that are not printable are escaped, so that nothing is invisible.
fn show(line: &[u8]) -> String {
    let (text, end) = match line.strip_suffix(b"\n") {
        Some(text) => (text, ""),
        None => (line, " (no newline)"),
    };
    let mut shown = String::new();
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() && c != '\t' {
                shown.extend(c.escape_default());
            } else {
                shown.push(c);
            }
        }
        let _ = write!(shown, "{}", chunk.invalid().escape_ascii());
    }
    shown + end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::End;

    #[test]
    fn equal_texts_have_no_difference() {
        assert_eq!(first_difference(b"a\nb\n", b"a\nb\n"), None);
    }

    #[test]
    fn the_first_difference_is_shown_with_context() {
        let text = first_difference(b"1\n2\n3\n4\n5\n6\n", b"1\n2\n3\n4\nfive\n6\n").unwrap();
        assert_eq!(text, "at line 5:\n    2\n    3\n    4\n  - 5\n  - 6\n  + five\n  + 6\n");
    }

    #[test]
    fn missing_newlines_control_characters_and_ends_are_visible() {
        assert_eq!(first_difference(b"a\n", b"a").unwrap(), "at line 1:\n  - a\n  + a (no newline)\n");
        assert_eq!(first_difference(b"a\n", b"a\r\n").unwrap(), "at line 1:\n  - a\n  + a\\r\n");
        assert_eq!(
            first_difference(b"a\nb\n", b"a\n").unwrap(),
            "at line 2:\n    a\n  - b\n  + (ends here)\n"
        );
        assert_eq!(
            first_difference(b"", b"\xff").unwrap(),
            "at line 1:\n  - (ends here)\n  + \\xff (no newline)\n"
        );
    }

    #[test]
    fn every_part_of_an_outcome_counts() {
        let good = Outcome { end: End::Exited(0), stdout: b"o".to_vec(), stderr: vec![] };
        assert!(outcomes(&good, &good).is_ok());
        for bad in [
            Outcome { end: End::Exited(1), ..good.clone() },
            Outcome { stdout: vec![], ..good.clone() },
            Outcome { stderr: b"e".to_vec(), ..good.clone() },
        ] {
            assert!(outcomes(&good, &bad).is_err());
        }
    }
}
