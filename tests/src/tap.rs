//! The output of programs that judge themselves.
//!
//! A line a check, `ok N NAME` or `not ok N NAME # DETAIL`, and `1..N` at the end, so that a program that
//! stopped half-way does not pass. `# differs [PLATFORM] …` says that a check passed by an exception that is
//! made for one platform.

use crate::process::{End, Outcome};

/// Exceptions that a program made, as in `# differs [emulated] …`.
pub mod platform {
    /// A KVM that emulates guest kernel mode.
    pub const EMULATED: &str = "emulated";
    /// QEMU's TCG, which does not model everything.
    pub const TCG: &str = "tcg";
}

/// The names of the checks, all passed, or what is wrong. `allowed` are the platforms whose exceptions may be used.
pub fn passed(outcome: &Outcome, allowed: &[&str]) -> Result<Vec<String>, String> {
    let names = parse(&String::from_utf8_lossy(&outcome.stdout), allowed)?;
    match outcome.end {
        End::Exited(0) => Ok(names),
        end => Err(format!("all checks passed, but the program ended with {end}")),
    }
}

/// Whether the check of this name was made and passed.
pub fn check(text: &str, name: &str) -> Result<(), String> {
    let of = |line: &str, word: &str| {
        let (_, rest) = line.strip_prefix(word)?.split_once(' ')?;
        let found = rest.split(" # ").next()?;
        (found == name).then(|| rest.to_owned())
    };
    if text.lines().any(|line| of(line, "ok ").is_some()) {
        return Ok(());
    }
    let mut lines = text.lines().skip_while(|line| of(line, "not ok ").is_none());
    match lines.next() {
        // What a check printed may be several lines.
        Some(line) => {
            let more =
                lines.take_while(|line| !["ok ", "not ok ", "1.."].iter().any(|w| line.starts_with(w)));
            Err([line].into_iter().chain(more).collect::<Vec<_>>().join("\n"))
        }
        None => Err(format!("check {name} was not made")),
    }
}

fn parse(text: &str, allowed: &[&str]) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    let mut plan = None;
    let mut reported = 0;
    let mut wrong = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# differs [") {
            if !allowed.iter().any(|a| rest.strip_prefix(a).is_some_and(|r| r.starts_with(']'))) {
                wrong.push(format!("not the architecture's behaviour: {line}"));
            }
        } else if line.starts_with("not ok ") {
            reported += 1;
            wrong.push(line.to_owned());
        } else if let Some(rest) = line.strip_prefix("ok ") {
            let (number, name) = rest.split_once(' ').unwrap_or((rest, ""));
            reported += 1;
            if number.parse() != Ok(reported) {
                wrong.push(format!("check out of order: {line}"));
            }
            names.push(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("1..") {
            plan = rest.parse::<usize>().ok();
        }
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    match plan {
        None => Err(format!(
            "stopped after {} checks, the last was `{}`",
            names.len(),
            names.last().map_or("", |n| n)
        )),
        Some(0) => Err("made no checks".to_owned()),
        Some(n) if n != names.len() => Err(format!("{n} checks were planned, {} made", names.len())),
        Some(_) => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_passed() {
        assert_eq!(parse("# hello\nok 1 a\nok 2 b c\n1..2\n", &[]).unwrap(), ["a", "b c"]);
    }

    #[test]
    fn a_failed_missing_or_unplanned_check_is_a_failure() {
        assert!(parse("ok 1 a\nnot ok 2 b # 3\n1..2\n", &[]).unwrap_err().contains("not ok 2 b # 3"));
        assert!(!parse("not ok 1 a\nok 2 b\n1..2\n", &[]).unwrap_err().contains("out of order"));
        assert!(parse("ok 1 a\n", &[]).unwrap_err().contains("stopped after 1"));
        assert!(parse("ok 1 a\nok 3 c\n1..2\n", &[]).is_err());
        assert!(parse("ok 1 a\n1..2\n", &[]).is_err());
        assert!(parse("1..0\n", &[]).is_err());
        assert!(parse("", &[]).is_err());
    }

    #[test]
    fn one_check_of_many() {
        let text = "noise\nok 1 a\r\nnot ok 2 b # why\nand how\nok 3 c d\n";
        assert_eq!((check(text, "a"), check(text, "c d")), (Ok(()), Ok(())));
        assert_eq!(check(text, "b").unwrap_err(), "not ok 2 b # why\nand how");
        assert!(check(text, "c").unwrap_err().contains("not made"));
    }

    #[test]
    fn exceptions_are_for_their_platform() {
        let text = "# differs [emulated] int n: SIGILL\nok 1 int n\n1..1\n";
        assert!(parse(text, &[]).is_err());
        assert!(parse(text, &[platform::TCG]).is_err());
        assert!(parse(text, &[platform::EMULATED]).is_ok());
    }
}
