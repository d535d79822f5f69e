//! root: starts the servers of a set and looks after them: pager, bookkeeper, name service.
//!
//! It asks σ0 for all memory, and all that it has it can see (`proto::place::PHYSICAL`). It keeps its books
//! in fixed tables: root has no heap, because nobody could give it one.
//!
//! - [`machine`]: what root asks of the µ-kernel and of σ0; tests have a mock
//! - [`module`]: the boot modules
//! - [`image`]: a server's ELF, mapped in place
//! - [`memory`]: free memory
//! - [`devices`]: ports and interrupt lines as flexpages
//! - [`transports`]: virtio devices
//! - [`rings`]: rings of the TSC channel
//! - [`server`]: one server: its memory, budget and faults; [`blocks`]: its memory, block by block
//! - [`life`], [`watchdog`]: when a server is started again
//! - [`lines`]: log output put together to lines
//! - [`boot`]: from the set to running servers
//! - [`service`]: requests and faults, answered; [`supervision`]: ends of servers
//!
//! A server that faults outside of what it has, or raises an exception, is at its end, with a message that says who, where and
//! why. Its set says what follows: it is started again, or the machine ends too.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod blocks;
pub mod boot;
pub mod devices;
pub mod image;
pub mod life;
pub mod lines;
pub mod machine;
pub mod memory;
pub mod module;
pub mod rings;
pub mod server;
pub mod service;
pub mod supervision;
pub mod transports;
pub mod watchdog;

pub use boot::{BootError, start};
pub use machine::Machine;
pub use service::{Outcome, Root};
