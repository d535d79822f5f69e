//! The host's side of the virtio console: port 0 is our standard streams, further ports are what the user names.
//!
//! - [`options`]: `--virtio-console name=…,path=…` → what is wanted
//! - [`standard`]: standard streams
//! - [`descriptor`]: a file, a device, a pipe, a socket, a pseudo-terminal: anything with a file descriptor
//! - [`listener`]: a socket that others connect to
//! - [`endpoint`]: any of these as a port
//! - [`readiness`]: one descriptor to wait for, for all that a port waits for

pub mod descriptor;
pub mod endpoint;
pub mod listener;
pub mod options;
pub mod readiness;
pub mod standard;

pub use endpoint::{Endpoint, EndpointError};
pub use options::PortOptions;
pub use standard::Standard;

#[cfg(test)]
mod tests;
