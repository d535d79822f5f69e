//! Blocked system calls as futures: a small executor for one thread.
//!
//! A handler that must wait is an `async fn`; the server's event loop polls those that were woken between two
//! messages. Nothing here knows of L4 or of processes, and time is a parameter.
//!
//! - [`executor`]: tasks and which of them are ready
//! - [`wait_queue`]: waiting for something to change
//! - [`timer`]: waiting for a point in time
//! - [`interrupt`]: ending a wait because a signal came
//! - [`select`]: waiting for whichever of several comes first
//!
//! The wakers are `Arc`s because that is what the standard library makes wakers of without `unsafe`; there is one a
//! task, made when the task is, so polling allocates nothing.

pub mod executor;
pub mod interrupt;
mod ready_set;
pub mod select;
pub mod timer;
pub mod wait_queue;

pub use executor::{Executor, First, TaskId};
pub use interrupt::{Interrupt, Interrupted};
pub use select::{Either, select};
pub use timer::Timers;
pub use wait_queue::WaitQueue;

#[cfg(test)]
mod tests;
