//! What goes wrong.

use core::fmt;
use userlib::{Status, ThreadId};

pub enum Failure {
    /// A victim found something that is not as it has to be: number of the check, what it found, what it should be.
    Disturbed { victim: &'static str, check: u64, got: u64, want: u64 },
    /// A victim needed memory that it had already.
    LostMemory { victim: &'static str, address: u64, ip: u64 },
    /// A victim raised an exception of its own.
    Exception { victim: &'static str, vector: u64, ip: u64 },
    /// A victim does nothing any more.
    Starved { victim: &'static str, rounds: u64 },
    /// The fuzzer does nothing any more.
    Stuck { calls: u64 },
    /// A call of the supervisor's was refused.
    Refused { what: &'static str, thread: ThreadId, status: Status },
    /// Kernel memory has not come back.
    Leak { before: u64, after: u64 },
}

pub type Outcome<T = ()> = Result<T, Failure>;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Disturbed { victim, check, got, want } => {
                write!(f, "{victim} was disturbed: check {check} found {got:#x}, not {want:#x}")
            }
            Self::LostMemory { victim, address, ip } => {
                write!(f, "{victim} has lost its memory at {address:#x} (ip {ip:#x})")
            }
            Self::Exception { victim, vector, ip } => {
                write!(f, "{victim} raised exception {vector} at {ip:#x}")
            }
            Self::Starved { victim, rounds } => write!(f, "{victim} stands still after {rounds} rounds"),
            Self::Stuck { calls } => write!(f, "the fuzzer stands still after {calls} calls"),
            Self::Refused { what, thread, status } => write!(f, "{what} of {thread:?}: {status:?}"),
            Self::Leak { before, after } => {
                write!(f, "kernel memory: {before} frames could be used before the run, {after} after it")
            }
        }
    }
}

/// Says what a call of the supervisor's was for, should it be refused.
pub trait Expect<T> {
    fn expect_of(self, what: &'static str, thread: ThreadId) -> Outcome<T>;
}

impl<T> Expect<T> for Result<T, Status> {
    fn expect_of(self, what: &'static str, thread: ThreadId) -> Outcome<T> {
        self.map_err(|status| Failure::Refused { what, thread, status })
    }
}
