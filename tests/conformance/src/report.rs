//! Failures, and the report on the log.
//!
//! Lines begin with `TAP `, whatever the log puts before them: `TAP ok N NAME`, `TAP not ok N NAME # DETAIL`, `TAP 1..N`.

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

/// Runs the cases: with the puppets on this server's CPU, and then on the last one, if there are several. The number of those that failed.
pub fn run(me: Me, cases: &[Case]) -> usize {
    let cpus = kip().cpus;
    let mut failed = 0;
    let mut number = 0;
    for (cpu, prefix) in [(0, ""), (cpus - 1, "other-cpu/")].into_iter().take(cpus.min(2) as usize) {
        place_on(cpu);
        for (name, case) in cases {
            number += 1;
            match case(me) {
                Ok(()) => log!("TAP ok {number} {prefix}{name}"),
                Err(Failure { at, what, got, want }) => {
                    failed += 1;
                    log!(
                        "TAP not ok {number} {prefix}{name} # {}:{}: {what}: {got:#x}, not {want:#x}",
                        at.file(),
                        at.line()
                    );
                }
            }
        }
    }
    log!("TAP 1..{number}");
    failed
}
