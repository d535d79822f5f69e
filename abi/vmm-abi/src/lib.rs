//! What `ukvmm` and its guests agree on: ports, interrupt lines, the console device, boot modules.
//!
//! A leaf: constants and layouts. `ukvmm` and its devices import it, and so do the guest's kernel and drivers.
//!
//! - [`ports`]: I/O ports and interrupt lines
//! - [`console`]: the shared-memory console device
//! - [`boot`]: boot information beyond `hvm_start_info`
//! - [`set`]: the server set, as text
//! - [`transports`]: virtio devices, as words on the command line
//! - [`exit`]: exit statuses
//! - [`linux`]: what Linux's system calls are called
//! - [`report`]: what a debugger asks the Linux server
//! - [`trace`]: the TSC channel
//! - [`virtio`]: where virtio devices are

#![no_std]
#![forbid(unsafe_code)]

pub mod boot;
pub mod console;
pub mod exit;
pub mod linux;
pub mod ports;
pub mod report;
pub mod set;
pub mod trace;
pub mod transports;
pub mod virtio;
