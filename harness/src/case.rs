//! A test: how its machine is started, and what is expected of it.

use crate::machine::{End, Outcome};
use std::time::Duration;
use vmm_abi::exit;

/// How long a guest may run, unless its test says otherwise: far longer than any takes, also on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(30);
/// Lines of output that a failure shows.
const LAST_LINES: usize = 15;

/// How a machine is to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expected {
    Exit(u8),
    Panic,
    Timeout,
}

/// A test.
#[derive(Clone, Debug)]
pub struct Test {
    pub(crate) name: String,
    /// What stands behind `--`: the guest finds it in the module `argv`.
    pub(crate) words: Vec<String>,
    pub(crate) options: Vec<String>,
    pub(crate) limit: Duration,
    pub(crate) is_ignored: bool,
    expected: Expected,
    says: Vec<String>,
}

impl Test {
    /// A test that passes if the guest ends with status 0.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            words: Vec::new(),
            options: Vec::new(),
            limit: LIMIT,
            is_ignored: false,
            expected: Expected::Exit(0),
            says: Vec::new(),
        }
    }

    /// Words for the guest.
    pub fn words(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(ToString::to_string));
        self
    }

    /// Options for `ukvmm`, such as `--memory` or `--disk`.
    pub fn options(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(ToString::to_string));
        self
    }

    /// How long the guest may run.
    pub fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// What the guest has to have printed; may be said often.
    pub fn says(mut self, text: &str) -> Self {
        self.says.push(text.to_owned());
        self
    }

    /// The guest has to end with this status.
    pub fn exits(self, status: u8) -> Self {
        Self { expected: Expected::Exit(status), ..self }
    }

    /// A server or the kernel has to panic, and say this.
    pub fn panics(self, text: &str) -> Self {
        Self { expected: Expected::Panic, ..self }.says(text)
    }

    /// The guest must not come to an end by itself.
    pub fn times_out(self) -> Self {
        Self { expected: Expected::Timeout, ..self }
    }

    /// It is run only if it is asked for, by `--ignored` or `--include-ignored`.
    pub fn ignored(self) -> Self {
        Self { is_ignored: true, ..self }
    }

    /// Whether a machine has done what is expected; if not, in which way.
    pub(crate) fn check(&self, outcome: &Outcome) -> Result<(), String> {
        let is_right = match self.expected {
            Expected::Exit(status) => outcome.end == End::Exited(status),
            Expected::Panic => outcome.end == End::Exited(exit::KERNEL_PANIC),
            Expected::Timeout => outcome.end == End::Exited(exit::TIMEOUT),
        };
        let said = |text: &&String| !outcome.output.contains(text.as_str());
        match self.says.iter().find(said) {
            _ if !is_right => Err(format!(
                "expected {}, found {}\n{}",
                self.expected,
                outcome.end,
                last_lines(&outcome.output)
            )),
            Some(missing) => Err(format!("it has not said {missing:?}\n{}", last_lines(&outcome.output))),
            None => Ok(()),
        }
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exit(status) => write!(f, "exit status {status}"),
            Self::Panic => write!(f, "a panic (exit status {})", exit::KERNEL_PANIC),
            Self::Timeout => write!(f, "no end in time (exit status {})", exit::TIMEOUT),
        }
    }
}

fn last_lines(output: &str) -> String {
    let lines: Vec<_> = output.lines().collect();
    match &lines[lines.len().saturating_sub(LAST_LINES)..] {
        [] => "it has printed nothing".into(),
        last => format!("it has printed, last:\n    {}", last.join("\n    ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u8, output: &str) -> Outcome {
        Outcome { end: End::Exited(status), output: output.to_owned() }
    }

    #[test]
    fn a_machine_has_to_end_as_expected() {
        let test = Test::new("t");
        assert_eq!(test.check(&outcome(0, "")), Ok(()));
        let error = test.check(&outcome(3, "one\ntwo\n")).unwrap_err();
        assert!(error.contains("expected exit status 0, found exit status 3") && error.contains("    two"));
        assert!(test.clone().exits(3).check(&outcome(3, "")).is_ok());
        assert!(test.clone().times_out().check(&outcome(exit::TIMEOUT, "")).is_ok());
        assert!(test.times_out().check(&outcome(0, "")).is_err(), "it has ended");
    }

    #[test]
    fn a_panic_has_to_be_the_right_one() {
        let test = Test::new("t").panics("divide");
        assert!(test.check(&outcome(exit::KERNEL_PANIC, "attempt to divide by zero")).is_ok());
        assert!(test.check(&outcome(exit::KERNEL_PANIC, "index out of range")).is_err());
        assert!(test.check(&outcome(0, "attempt to divide by zero")).is_err());
    }

    #[test]
    fn all_that_it_has_to_say_counts() {
        let test = Test::new("t").says("a").says("b");
        assert!(test.check(&outcome(0, "b a")).is_ok());
        assert!(test.check(&outcome(0, "a")).unwrap_err().contains("\"b\""));
    }
}
