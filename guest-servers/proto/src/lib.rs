//! The protocols that servers speak with each other: labels, and requests and replies as types.
//!
//! Pure data: nothing here sends anything. A request or event is an enum or a struct with two conversions:
//! `From` it into a [`Message`], and `TryFrom<&Message>` back. Decoding checks the label, the number of words
//! and every field, so a server's dispatch is a `match` on an enum, and what a hostile client sends is a
//! [`Malformed`] value.
//!
//! - [`message`]: a message in registers, replies, refusals
//! - [`name`]: names of servers and modules in message words
//! - [`text`]: bytes in message words
//! - [`items`]: many map items
//! - [`kernel`]: what the kernel itself sends (faults, exceptions, interrupts, foreign system calls)
//! - [`sigma0`], [`root`], [`console`]: one module a server
//! - [`drivers`]: what root does for drivers and their clients
//! - [`session`]: requests to a driver through shared memory; [`block`], [`net`], [`p9`], [`rng`]: those of one kind of device
//! - [`place`]: where things lie in a server's address space
//!
//! `docs/servers.md` has the tables.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod block;
pub mod console;
pub mod drivers;
pub mod items;
pub mod kernel;
pub mod message;
pub mod name;
pub mod net;
pub mod p9;
pub mod place;
pub mod rng;
pub mod root;
pub mod session;
pub mod sigma0;
pub mod text;

pub use message::{Malformed, Message, Refusal};
pub use name::Name;
