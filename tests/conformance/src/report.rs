//! Failures, and the report on the log.
//!
//! Lines begin with `TAP `, whatever the log puts before them: `TAP ok N NAME`, `TAP not ok N NAME # DETAIL`, `TAP 1..N`.

use crate::cases::{CASES, SMP};
use crate::options::Options;
use crate::puppet::place_on;
use core::panic::Location;
use proto::Refusal;
use userlib::kip::kip;
use userlib::{Me, Status, ThreadId, log};

/// What was not as it has to be.
pub struct Failure {
    at: &'static Location<'static>,
    what: &'static str,
    got: u64,
    want: u64,
}

pub type Check<T = ()> = Result<T, Failure>;
pub type Case = (&'static str, fn(Me) -> Check);

impl Failure {
    #[track_caller]
    pub fn new(what: &'static str, got: u64, want: u64) -> Self {
        Self { at: Location::caller(), what, got, want }
    }
}

impl From<Status> for Failure {
    #[track_caller]
    fn from(status: Status) -> Self {
        Self::new("status", status as u64, Status::Ok as u64)
    }
}

impl From<Refusal> for Failure {
    #[track_caller]
    fn from(refusal: Refusal) -> Self {
        Self::new("refused by root", refusal as u64, 0)
    }
}

/// What can be compared and logged.
pub trait Word {
    fn word(self) -> u64;
}

macro_rules! words {
    ($($type:ty),+) => { $(impl Word for $type { fn word(self) -> u64 { self as u64 } })+ };
}
words!(u64, u32, u16, u8, usize, i32, bool, Status);

impl Word for ThreadId {
    fn word(self) -> u64 {
        self.0
    }
}

/// A result whose status alone counts.
impl<T> Word for Result<T, Status> {
    fn word(self) -> u64 {
        match self {
            Ok(_) => Status::Ok as u64,
            Err(status) => status as u64,
        }
    }
}

/// Fails unless both are the same.
#[track_caller]
pub fn same(what: &'static str, got: impl Word, want: impl Word) -> Check {
    let (got, want) = (got.word(), want.word());
    if got == want { Ok(()) } else { Err(Failure::new(what, got, want)) }
}

/// Fails unless it holds.
#[track_caller]
pub fn holds(what: &'static str, it: bool) -> Check {
    same(what, it, true)
}

/// Runs the cases that `options` select: with the puppets on this server's CPU; if there are several, then with the puppets on the last one,
/// and those that are about several. The number of those that failed.
pub fn run(me: Me, options: &Options) -> usize {
    let mut report = Report { me, options, number: 0, failed: 0 };
    report.cases(CASES, "");
    let last = kip().cpus - 1;
    if last > 0 {
        place_on(last);
        report.cases(CASES, "other-cpu/");
        place_on(0);
        report.cases(SMP, "");
    }
    log!("TAP 1..{}", report.number);
    report.failed
}

struct Report<'a> {
    me: Me,
    options: &'a Options,
    /// Cases that have been run.
    number: usize,
    failed: usize,
}

impl Report<'_> {
    fn cases(&mut self, cases: &[Case], prefix: &str) {
        for (name, case) in cases.iter().filter(|(name, _)| self.options.select(prefix, name)) {
            self.number += 1;
            let number = self.number;
            match case(self.me) {
                Ok(()) => log!("TAP ok {number} {prefix}{name}"),
                Err(Failure { at, what, got, want }) => {
                    self.failed += 1;
                    let (file, line) = (at.file(), at.line());
                    log!(
                        "TAP not ok {number} {prefix}{name} # {file}:{line}: {what}: {got:#x}, not {want:#x}"
                    );
                }
            }
        }
    }
}
