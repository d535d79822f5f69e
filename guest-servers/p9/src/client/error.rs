//! What can go wrong.

use core::fmt;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// The server refused; a number of Linux's (`errno`).
    Refused(u32),
    /// The server's answer is none.
    Garbled,
    /// The server speaks no 9P2000.L, or only in messages that are too short to be of use.
    Dialect,
    /// There is no driver, or it has no device; or it was restarted again and again.
    Gone,
    /// The file was open when the driver was restarted, and could not be opened again (`errno`).
    Stale(u32),
    /// A name or path that the protocol cannot say: empty, too long, or with a NUL or `/` in it.
    BadName,
    NoMemory,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(errno) => write!(f, "the file server refused: error {errno}"),
            Self::Garbled => f.write_str("the file server's answer makes no sense"),
            Self::Dialect => f.write_str("the file server does not speak 9P2000.L"),
            Self::Gone => f.write_str("there is no 9p driver with a device"),
            Self::Stale(errno) => write!(f, "the file could not be opened again: error {errno}"),
            Self::BadName => f.write_str("not a name of a file"),
            Self::NoMemory => f.write_str("no memory"),
        }
    }
}

impl core::error::Error for Error {}
