//! A device that is to be.

use crate::config::Config;
use crate::error::Error;
use devices::virtio::Device;
use std::os::fd::OwnedFd;

/// A device, and what it waits for.
pub struct Plan {
    /// For messages and as its thread's name: `block0`.
    pub name: String,
    pub device: Box<dyn Device>,
    /// Files of its backend. When number *n* becomes ready for reading (an edge), the device's `ready(n)` is called.
    pub sources: Vec<OwnedFd>,
}

/// The devices that `config` wants, in the order in which the guest finds them.
pub fn plans(_config: &mut Config) -> Result<Vec<Plan>, Error> {
    Ok(Vec::new())
}
