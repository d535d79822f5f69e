//! What can go wrong.

use core::fmt;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// What was waited for did not happen in time.
    TimedOut(&'static str),
    /// The other end closed or refused the connection.
    Closed(&'static str),
    /// Byte number so many was not the one that had to come.
    WrongData { at: u64, found: u8, expected: u8 },
    /// The other end got something else than was sent.
    WrongSum { found: u64, expected: u64 },
    /// There is no gateway to ping.
    NoGateway,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(what) => write!(f, "timed out: {what}"),
            Self::Closed(what) => write!(f, "the other end closed the connection: {what}"),
            Self::WrongData { at, found, expected } => {
                write!(f, "byte {at} is {found:#04x}, not {expected:#04x}")
            }
            Self::WrongSum { found, expected } => {
                write!(f, "the other end got data with sum {found:#x}, not {expected:#x}")
            }
            Self::NoGateway => f.write_str("the network has no gateway"),
        }
    }
}
