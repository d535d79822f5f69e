//! rng: random numbers of the host's, through a virtio entropy device (virtio 1.2, 5.4).
//!
//! - [`device`]: the driver
//! - [`pool`]: bytes that are kept for those who want only a few
//! - [`client`]: what a client asks for
//!
//! A restart loses nothing: bytes that were under way are asked for again.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod client;
pub mod device;
pub mod pool;

pub use client::Random;
pub use device::Rng;
