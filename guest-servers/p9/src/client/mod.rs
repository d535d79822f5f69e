//! A client of a 9P2000.L file server: its requests as functions, its answers as values.
//!
//! The messages lie in memory that is shared with the driver, and bulk data is copied once, between there and the
//! caller's buffer. Everything that the server says is checked; a server that talks nonsense is [`Error::Garbled`].
//!
//! The server forgets all open files when the device is reset, which a restarted driver does. So a session remembers
//! what is open, by path, and when its channel says that it was lost, opens everything again and repeats the request:
//! all of them name the place in the file that they mean, and can be repeated.
//!
//! The protocol: the manual pages of section 5 of Plan 9, and for the part that is Linux's (`.L`) the file
//! `protocol.md` of the server `diod`. All numbers are little-endian.
//!
//! - [`channel`]: the way to the server; tests have a mock
//! - [`wire`]: fields in messages
//! - [`kind`]: types of messages, and other numbers
//! - [`session`]: version, attach, and the loop that repeats what was lost
//! - [`files`]: what is open
//! - [`calls`]: open, read, write, list and so on
//! - [`entries`]: names in a folder
//! - [`error`]: what can go wrong

pub mod calls;
pub mod channel;
pub mod entries;
pub mod error;
pub mod files;
pub mod kind;
pub mod session;
pub mod wire;

pub use calls::Attributes;
pub use channel::{Channel, Lost};
pub use entries::Entry;
pub use error::Error;
pub use files::File;
pub use session::Session;

#[cfg(test)]
mod tests;
