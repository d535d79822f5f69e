//! What a run came to: the tests, and the machine that made them.
//!
//! A failed test is never a success. So the machine's own end is a case too: one that died, or said with its status that something is wrong, has failed whatever the
//! lines say; and so has one that printed no results.

use super::report::Report;
use super::suite::{Case, Outcome, Suite};
use crate::ending::{Kind, Status};
use std::path::Path;
use std::time::Duration;

/// The status of a run whose tests failed, if the guest's own is 0.
pub const FAILED: u8 = 1;

/// How the machine ended, for the report.
pub struct End<'a> {
    pub kind: Kind,
    pub status: Status,
    pub message: Option<&'a str>,
}

/// What the tests came to.
pub struct Verdict {
    pub suites: Vec<Suite>,
    /// The machine itself.
    pub machine: Case,
}

impl Verdict {
    /// Of tests that left `suites` in a machine that ran for so long and ended so.
    pub fn new(suites: Vec<Suite>, end: &End<'_>, time: Duration) -> Self {
        let outcome = match (end.kind, end.status) {
            (Kind::Exited | Kind::Quit, Status::Exit(0)) if suites.is_empty() => {
                broken("the guest printed no results of tests (no lines of KTAP or TAP)".into())
            }
            (Kind::Exited | Kind::Quit, Status::Exit(0)) => Outcome::Passed,
            (Kind::Exited, Status::Exit(status)) => Outcome::Failed {
                message: format!("the guest ended with status {status}"),
                text: String::new(),
            },
            (kind, _) => {
                let message = end.message.map_or(String::new(), |message| format!(": {message}"));
                broken(format!("{}{message}", kind.name()))
            }
        };
        Self { suites, machine: Case { name: "machine".into(), time, outcome } }
    }

    /// Whether nothing is wrong.
    pub fn passed(&self) -> bool {
        self.machine.outcome.is_good() && self.suites.iter().all(Suite::passed)
    }

    /// The exit status of the whole, if the machine's own is `status`.
    pub fn status(&self, status: Status) -> Status {
        if status == Status::Exit(0) && !self.passed() { Status::Exit(FAILED) } else { status }
    }

    /// Tells the user, if something failed.
    pub fn announce(&self, file: &Path) {
        let mut cases = Vec::new();
        self.suites.iter().for_each(|suite| suite.each(&mut |case| cases.push(case)));
        let failed = cases.iter().filter(|case| !case.outcome.is_good()).count();
        let (all, file) = (cases.len(), file.display());
        match self.passed() {
            true => tracing::info!("{all} tests passed or were skipped: {file}"),
            false if all == 0 => tracing::warn!("there are no results of tests: {file}"),
            false => tracing::warn!("{failed} of {all} tests failed: {file}"),
        }
    }

    /// As JUnit XML. `out` and `err` are what was printed.
    pub fn to_xml(&self, name: &str, timestamp: &str, out: &str, err: &str) -> String {
        let (suites, machine) = (&self.suites, &self.machine);
        Report { name, timestamp, time: machine.time, suites, machine, out, err }.to_xml()
    }
}

fn broken(message: String) -> Outcome {
    Outcome::Broken { message, text: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite(outcome: Outcome) -> Vec<Suite> {
        let case = Case { name: "a".into(), time: Duration::ZERO, outcome };
        vec![Suite { cases: vec![case], ..Suite::default() }]
    }

    fn verdict(suites: Vec<Suite>, kind: Kind, status: u8) -> (bool, Status) {
        let end = End { kind, status: Status::Exit(status), message: Some("words") };
        let verdict = Verdict::new(suites, &end, Duration::from_secs(1));
        (verdict.passed(), verdict.status(end.status))
    }

    #[test]
    fn a_failed_test_never_looks_like_success() {
        let good = || suite(Outcome::Passed);
        let bad = || suite(Outcome::Failed { message: String::new(), text: String::new() });
        assert_eq!(verdict(good(), Kind::Exited, 0), (true, Status::Exit(0)));
        assert_eq!(verdict(suite(Outcome::Skipped(String::new())), Kind::Exited, 0), (true, Status::Exit(0)));
        assert_eq!(verdict(bad(), Kind::Exited, 0), (false, Status::Exit(1)));
        assert_eq!(verdict(bad(), Kind::Exited, 7), (false, Status::Exit(7)), "the guest's own stays");
        assert_eq!(verdict(good(), Kind::Exited, 7), (false, Status::Exit(7)));
        assert_eq!(verdict(good(), Kind::Panic, 120), (false, Status::Exit(120)));
        assert_eq!(verdict(Vec::new(), Kind::Exited, 0), (false, Status::Exit(1)), "no results");
    }
}
