//! net: Ethernet frames in and out, through a virtio network device (virtio 1.2, 5.1).
//!
//! - [`device`]: the driver
//! - [`client`]: an interface, as a client has it
//!
//! Frames go from the client's memory to the device and from there to the client's memory; the driver does not touch them. A restart
//! loses those that the device has, as networks do.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod client;
pub mod device;

pub use client::Interface;
pub use device::Net;
