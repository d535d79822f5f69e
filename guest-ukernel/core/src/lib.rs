//! The algorithms of the µ-kernel, apart from any machine: safe, and tested on the host.
//!
//! Kernel objects are shared by reference and changed through cells: the kernel runs with interrupts off and every
//! thread belongs to one CPU, so nothing is ever changed from two sides at once, and the compiler checks that nobody
//! holds on to what may change.
//!
//! - [`thread`]: the thread control block and the register frame in it
//! - [`mem`]: page tables, address spaces and the mapping database
//! - [`queue`]: intrusive lists of threads
//! - [`regions`]: ranges of physical memory at boot
//! - [`sched`]: ready queues, hand-over, time slices
//! - [`timeout`]: threads that wait for a time
//! - [`ipc`]: the message-passing state machine
//! - [`irq`]: interrupts as messages
//! - [`clan`]: who may send to whom
//! - [`smp`]: the kernel's lock on several CPUs
//! - [`debug`]: what debuggers have to know of all this

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod clan;
pub mod debug;
pub mod ipc;
pub mod irq;
pub mod mem;
pub mod queue;
pub mod regions;
pub mod sched;
pub mod smp;
pub mod thread;
pub mod timeout;
