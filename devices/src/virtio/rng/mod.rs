//! The entropy device (virtio 1.2, 5.4): random bytes for the guest.
//!
//! It has no configuration, no features and one queue. A request is answered at once, with as many bytes as there is room for, up to a
//! limit: nobody needs more, and a driver that asks for gigabytes must not keep the host busy. It may ask again.
//!
//! - [`request`]: what the driver wants
//! - [`backend`]: where the bytes come from

pub mod backend;
pub mod request;

pub use backend::Entropy;

use crate::virtio::{Broken, Device, Io, chain};
use request::Request;
use virtio_bindings::virtio_ids::VIRTIO_ID_RNG;

/// Entries of the queue.
const QUEUE_SIZE: u16 = 64;

/// An entropy device with the source `E`.
pub struct Rng<E> {
    entropy: E,
    /// So that not every request needs a new one.
    bytes: Vec<u8>,
}

impl<E: Entropy> Rng<E> {
    pub fn new(entropy: E) -> Self {
        Self { entropy, bytes: Vec::new() }
    }
}

impl<E: Entropy> Device for Rng<E> {
    fn id(&self) -> u32 {
        VIRTIO_ID_RNG
    }

    fn features(&self) -> u64 {
        0
    }

    fn queue_sizes(&self) -> &[u16] {
        &[QUEUE_SIZE]
    }

    fn read_config(&self, _offset: usize, _data: &mut [u8]) {}

    fn activate(&mut self, _features: u64, _io: &mut Io<'_>) -> Result<(), Broken> {
        Ok(())
    }

    fn process(&mut self, queue: usize, io: &mut Io<'_>) -> Result<(), Broken> {
        while let Some(chain) = io.pop(queue)? {
            let request = Request::parse(chain)?;
            self.bytes.resize(request.len, 0);
            let filled = self.entropy.fill(&mut self.bytes).min(request.len);
            chain::write(io.memory, &request.into, &self.bytes[..filled])?;
            io.push(queue, request.head, filled as u32)?;
        }
        Ok(())
    }

    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests;
