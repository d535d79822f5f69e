//! A TCP/IP host that checks a network: gets an address, pings the gateway, and sends and receives data that both ends know.
//!
//! The library knows no µ-kernel: frames and time come through [`Wire`].
//!
//! - [`wire`]: what frames go through
//! - [`device`]: a wire as smoltcp's device
//! - [`host`]: an interface and its sockets, and waiting for something to happen on it
//! - [`address`], [`ping`], [`transfer`]: what is checked
//! - [`pattern`]: the data, which both ends can compute
//! - [`failure`]: what can go wrong

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod address;
pub mod device;
pub mod failure;
pub mod host;
pub mod pattern;
pub mod ping;
pub mod transfer;
pub mod wire;

pub use failure::Failure;
pub use host::Host;
pub use wire::Wire;
