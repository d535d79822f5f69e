//! Virtio devices over MMIO (virtio 1.2).
//!
//! A device is in two parts: what every device has, the registers and the queues ([`mmio`]), and what makes it the device that it is,
//! behind the trait [`Device`]. Everything that the driver wrote is looked at in two places only: [`queue`] and [`chain`] check where
//! buffers are, each device's `request` what is in them. A driver that breaks the rules ([`Broken`]) stops its own device and nothing else.
//!
//! - [`device`]: the trait, and what a device may do with its queues
//! - [`queue`]: taking chains off the available ring, putting them onto the used ring
//! - [`chain`]: the buffers of one request, checked
//! - [`mmio`]: the registers
//! - [`interrupt`]: the interrupt status and line
//! - [`traffic`]: what has gone through the queues
//! - [`mock`]: the driver's side, for tests and fuzzers
//! - [`block`]: the device with a disk
//! - [`console`]: the device with terminals and other ports
//! - [`net`]: the device with a network
//! - [`rng`]: the device with random bytes
//! - [`p9`]: the device with shared files
//! - [`vsock`]: the device with connections to the host

pub mod block;
pub mod chain;
pub mod console;
pub mod device;
pub mod interrupt;
pub mod mmio;
pub mod mock;
pub mod net;
pub mod p9;
pub mod queue;
pub mod rng;
pub mod traffic;
pub mod vsock;

pub use chain::{Chain, Range};
pub use device::{Broken, Device, Io};
pub use interrupt::{Interrupt, Line};
pub use mmio::Mmio;

/// The guest's memory.
pub type Memory = vm_memory::GuestMemoryMmap<()>;
