//! The block driver: a virtio disk for those who may use it.
//!
//! What is the same for all drivers is in the crate `driver`; what clients may ask for in `proto::block`.
//!
//! - [`config`]: what the device says of itself
//! - [`wire`]: a request as the device reads it
//! - [`disk`]: requests to the device and back
//!
//! The binary gives it the registers and memory of the machine.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod config;
pub mod disk;
pub mod wire;

pub use disk::VirtioDisk;

#[cfg(test)]
mod model;

/// The virtio device ID (virtio 1.2, 5.2.1).
pub const DEVICE_ID: u32 = 2;
