//! console: drives the terminal, through a virtio console, ukvmm's console device or a 16550 UART.
//!
//! Two threads, because a client that does not take its input must not keep its output from being printed:
//! one answers the client's calls and prints, the other waits for the interrupt and sends what has been
//! typed. Each has its half of the device; the halves share nothing but the hardware.
//!
//! - [`device`]: what the two threads want of a device
//! - [`hardware`]: ports and memory, as the drivers see them; tests have a mock
//! - [`shared`]: the driver of ukvmm's device
//! - [`uart`]: the driver of the 16550
//! - [`virtio`]: the driver of the virtio console
//! - [`service`]: requests and answers of the first thread

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod device;
pub mod hardware;
#[cfg(feature = "guest")]
pub mod real;
pub mod service;
pub mod shared;
pub mod uart;
pub mod virtio;

pub use device::{Output, Source};
pub use service::Service;
