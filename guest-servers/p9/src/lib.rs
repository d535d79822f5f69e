//! p9: the host's files, through a virtio 9P device, by 9P2000.L.
//!
//! - [`device`]: the driver, which carries messages that it does not look into
//! - [`client`]: what a client says to the file server on the host, and how it goes on when the driver was restarted
//! - [`wire`]: the client's way to the driver
//!
//! The server is named `9p`; a crate cannot be.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod client;
pub mod device;
pub mod wire;

pub use client::Session;
pub use device::P9;
pub use wire::Wire;
