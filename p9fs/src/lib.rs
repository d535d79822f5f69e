//! Serves a folder of the host to a guest, by 9P2000.L: the dialect of 9P that Linux speaks.
//!
//! The client is not trusted. Whatever it sends, it reaches what is below the folder and nothing else, it is answered
//! with an error or not at all, and it can hold only so many files open. No transport here: one request goes in as bytes and
//! one reply comes out, so that a device, a test and a fuzzer all use [`Server::answer`].
//!
//! - [`wire`]: bytes to messages and back; knows no files
//! - [`share`]: the folder, and how to stay in it; knows no messages
//! - [`server`]: what each message does
//!
//! The protocol has no standard. What is here follows the manual of Plan 9 (section 5, `intro` and the pages after it), the
//! description of the dialect in diod's `protocol.md`, and what Linux sends (`net/9p/client.c`, `fs/9p`).

#![forbid(unsafe_code)]

pub mod server;
pub mod share;
pub mod wire;

pub use server::{Limits, Server, Unframed};
pub use share::{OpenError, Share};
