//! What a server needs to run on the µ-kernel: start, system calls, memory, clock, log.
//!
//! The only place of the servers where `unsafe` is allowed. What it offers is safe: a server that uses it can
//! get itself killed (by a fault, by root) but not break Rust's rules. That rests on one division of the
//! address space: image, heap and stacks are Rust's, and nothing here lets anybody map over them, unmap them
//! or view them as bytes; everything else is handed out in ranges that no two users share ([`space`]).
//!
//! - [`start`]: entry point, [`server!`]; what the thread is told
//! - [`gate`]: the system call itself; [`ipc`], [`thread`], [`task`], [`irq`]: the seven calls with types
//! - [`utcb`]: the page that a thread shares with the kernel; [`strings`]: bytes in messages
//! - [`space`], [`window`], [`arena`]: addresses, memory that is no Rust object, memory that grows
//! - [`heap`]: the global allocator
//! - [`sigma0`], [`root`], [`console`]: clients of these servers
//! - [`drivers`]: what root does for drivers and their clients; [`beat`]: a server says that it is alive
//! - [`ranges`]: a set of addresses, for servers that hand out memory
//! - [`names`], [`debug`], [`report`]: what servers tell a debugger
//! - [`trace`]: records for a profile
//! - [`kip`], [`clock`], [`cpu`], [`io`], [`log`]
//!
//! The target is soft-float: the kernel saves no FPU state for servers.

#![cfg_attr(not(test), no_std)]

pub mod arena;
pub mod beat;
pub mod clock;
pub mod console;
pub mod cpu;
pub mod debug;
pub mod drivers;
pub mod gate;
mod heap;
pub mod io;
pub mod ipc;
pub mod irq;
pub mod kip;
pub mod lock;
pub mod log;
pub mod names;
pub mod ranges;
pub mod report;
pub mod root;
pub mod sigma0;
pub mod space;
pub mod start;
pub mod strings;
pub mod task;
pub mod thread;
pub mod trace;
pub mod utcb;
pub mod window;

pub use proto::Message;
pub use start::Me;
pub use ukernel_abi::{Fpage, MapItem, Rights, Status, ThreadId};
