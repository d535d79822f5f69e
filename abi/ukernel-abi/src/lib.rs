//! The interface between the µ-kernel and everything that runs on it.
//!
//! A leaf: types, constants and layout assertions, no code that runs anywhere in particular. The
//! kernel and every server import it; `docs/abi.md` is its manual.
//!
//! - [`id`]: thread identifiers
//! - [`fpage`]: flexpages and access rights
//! - [`call`]: the seven system calls, their registers, flags and status codes
//! - [`msg`]: message tags, typed items and the messages that the kernel itself sends
//! - [`utcb`]: the user thread control block and the register state in it
//! - [`kip`]: the kernel interface page
//! - [`layout`]: the parts of the address space that the kernel gives a meaning
//! - [`names`]: names of tasks, for a debugger
//! - [`debug`]: where debuggers find things in the kernel's memory
//! - [`sites`]: where the host finds the kernel's trace points

#![no_std]
#![forbid(unsafe_code)]

pub mod call;
pub mod debug;
pub mod fpage;
pub mod id;
pub mod kip;
pub mod layout;
pub mod msg;
pub mod names;
pub mod sites;
pub mod utcb;

pub use call::{Call, Status};
pub use fpage::{Fpage, FpageKind, Rights};
pub use id::ThreadId;
pub use msg::{Label, MapItem, Tag};
