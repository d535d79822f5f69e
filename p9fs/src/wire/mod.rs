//! Bytes to messages and back.
//!
//! Everything is little-endian. A message is `size[4] type[1] tag[2] …`, where the size counts itself; a reply has the type of
//! its request and one more. Strings are bytes with a length of 16 bits in front: 9P wants them to be UTF-8, but names of Linux
//! are any bytes, and Linux passes them on as they are.
//!
//! - [`reader`]: numbers and strings out of a message
//! - [`writer`]: numbers and strings into a reply that has only so much room
//! - [`kind`]: the types of messages
//! - [`request`]: what a client may ask
//! - [`flags`]: bits and numbers in the fields
//! - [`qid`]: which file a file is

pub mod flags;
pub mod kind;
pub mod qid;
pub mod reader;
pub mod request;
pub mod writer;

pub use qid::Qid;
pub use request::Request;
pub use writer::Writer;

/// Bytes of the header: size, type, tag.
pub const HEADER: usize = 7;
/// The least room for a reply: that of an error.
pub const LEAST_REPLY: usize = HEADER + 4;
/// A fid that is none.
pub const NO_FID: u32 = u32::MAX;
/// Most names in one walk.
pub const MOST_NAMES: usize = 16;
