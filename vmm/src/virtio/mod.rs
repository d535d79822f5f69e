//! Virtio devices in the machine: their models are in the crate `devices`; what connects them with KVM and with the host is here.
//!
//! A device has a thread of its own: a slow disk must not make a network device wait, nor either of them a vCPU.
//!
//! - [`plan`]: a device that is to be, and what it waits for
//! - [`attach`]: puts devices into the machine
//! - [`worker`]: the thread of a device
//! - [`entropy`]: random bytes for the entropy device

pub mod attach;
pub mod entropy;
pub mod plan;
pub mod worker;

pub use attach::{Attached, attach};
pub use plan::Plan;
