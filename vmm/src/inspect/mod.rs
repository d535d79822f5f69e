//! Understands the µ-kernel of a machine that stands still, through [`View`](crate::debug::view::View) alone.
//!
//! Where the kernel has its data it says itself ([`ukernel_abi::debug`]). All else is read and nothing is believed: in a machine that has crashed, or under
//! a program that attacks, any word may have any value. So every list has an end here, and a walk that finds nonsense ends with what it has.
//!
//! - [`paging`]: page tables
//! - [`record`]: fields of a structure
//! - [`kernel`]: the kernel: found, its memory read
//! - [`task`]: tasks and which threads they have
//! - [`thread`]: what a thread is, what it does ([`state`]) and its [`registers`]
//! - [`cpu`]: what runs on which vCPU
//! - [`names`]: what tasks are called
//! - [`space`]: what a task has mapped, and from whom ([`mapping`])
//! - [`events`], [`lines`]: what has happened, interrupts
//! - [`mock`]: a machine that is only thought up, for tests and fuzzers

pub mod cpu;
pub mod events;
pub mod kernel;
pub mod lines;
pub mod mapping;
pub mod mock;
pub mod names;
pub mod paging;
pub mod record;
pub mod registers;
pub mod space;
pub mod state;
pub mod task;
pub mod thread;

pub use kernel::Kernel;

#[cfg(test)]
mod tests;
