//! The 9P device (number 9): a transport of messages of the file protocol 9P.
//!
//! The specification reserves the number and says no more; the reference is Linux's driver (`net/9p/trans_virtio.c`). There is one
//! queue. The buffers to read of a request are one message of the client's, those to write are room for the server's reply.
//!
//! Requests are answered one after another, in the device's thread: the server is not asked for more than one at a time. Messages are
//! copied into memory that the guest does not have, so what was checked of them stays as it was.
//!
//! - [`request`]: what the driver wrote → a message, and room for the reply
//! - [`backend`]: the server behind the device
//! - [`config`]: the configuration: the name by which a guest knows the share
//! - [`mock`]: a server for tests

pub mod backend;
pub mod config;
pub mod mock;
pub mod request;

pub use backend::{Backend, NoAnswer};
pub use config::{BadTag, Tag};

use crate::virtio::{Broken, Device, Io, chain};
use request::Request;
use virtio_bindings::virtio_ids::VIRTIO_ID_9P;

const QUEUE: usize = 0;

/// A 9P device with the server `B`.
pub struct P9<B> {
    backend: B,
    /// The configuration space.
    space: Vec<u8>,
    message: Vec<u8>,
    reply: Vec<u8>,
}

impl<B: Backend> P9<B> {
    /// A device whose share the guest knows as `tag`.
    pub fn new(tag: &Tag, backend: B) -> Self {
        Self { backend, space: config::space(tag), message: Vec::new(), reply: Vec::new() }
    }

    fn answer(&mut self, request: &Request, io: &mut Io<'_>) -> Result<(), Broken> {
        let message = grown(&mut self.message, request.message_len);
        chain::read(io.memory, &request.message, message)?;
        let reply = grown(&mut self.reply, request.room_len);
        let len = self.backend.answer(message, reply)?;
        let written = chain::write(io.memory, &request.room, reply.get(..len).unwrap_or_default())?;
        io.push(QUEUE, request.head, written as u32)
    }
}

/// The first `len` bytes of `buffer`, which keeps what it has grown to.
fn grown(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    &mut buffer[..len]
}

impl<B: Backend> Device for P9<B> {
    fn id(&self) -> u32 {
        VIRTIO_ID_9P
    }

    fn features(&self) -> u64 {
        config::MOUNT_TAG
    }

    fn queue_sizes(&self) -> &[u16] {
        &[config::QUEUE_SIZE]
    }

    fn read_config(&self, offset: usize, data: &mut [u8]) {
        let rest = self.space.get(offset..).unwrap_or_default();
        let len = rest.len().min(data.len());
        data[..len].copy_from_slice(&rest[..len]);
    }

    fn activate(&mut self, _features: u64, _io: &mut Io<'_>) -> Result<(), Broken> {
        Ok(())
    }

    fn process(&mut self, _queue: usize, io: &mut Io<'_>) -> Result<(), Broken> {
        while let Some(chain) = io.pop(QUEUE)? {
            let request = Request::parse(chain, self.backend.largest())?;
            self.answer(&request, io)?;
            // The next one may take long.
            io.flush()?;
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.backend.reset();
    }
}

#[cfg(test)]
mod tests;
