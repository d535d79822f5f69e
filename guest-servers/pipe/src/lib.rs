//! A pipe between two tasks, without a server: a ring of bytes in memory that both have, and a message only when one of them has to wait.
//!
//! It is what the paper calls an L4 pipe: bytes in order, buffered, a writer waits while the ring is full and a reader while it is empty, as with POSIX' pipes. Who of
//! the two does not wait needs no system call at all.
//!
//! - [`ring`]: the memory, its two ends and who waits for whom
//! - [`copy`]: bytes from and to memory that another task writes to
//! - [`partner`]: waiting for a thread and waking it, by IPC

#![cfg_attr(not(test), no_std)]

mod copy;
mod partner;
mod ring;

pub use partner::{Partner, Peer};
pub use ring::{CAPACITY, Error, Reader, Ring, Writer};
