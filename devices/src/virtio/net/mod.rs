//! The network device (virtio 1.2, 5.1).
//!
//! Two queues: buffers for frames that come, and frames that go. A frame that goes is copied once, so that its driver cannot change it any more
//! while it is looked at; one that comes is written from where it lies.
//!
//! With the offloads that are offered, what crosses are not frames of 1.5 KB but pieces of TCP streams of up to 64 KiB, without checksums. That
//! is where the speed of a virtual network comes from.
//!
//! - [`request`]: the header of a frame
//! - `room`: buffers for frames that come
//! - [`backend`]: the network behind the device
//! - [`config`]: the configuration, and the features that follow from the network
//! - [`mock`]: a network for tests

pub mod backend;
pub mod config;
pub mod mock;
pub mod request;
mod room;

pub use backend::{Backend, Driver, Offloads, Sink};
pub use request::{Checksum, Header, Protocol, Segments};

use crate::virtio::{Broken, Device, Io};
use config::Agreed;
use request::{FRAME_MAX, HEADER};
use room::Room;
use virtio_bindings::virtio_ids::VIRTIO_ID_NET;

const RECEIVE: usize = 0;
const SEND: usize = 1;

/// A network device before the network `B`.
pub struct Net<B> {
    backend: B,
    mac: [u8; 6],
    agreed: Agreed,
    room: Room,
    /// A frame that goes, with its header.
    frame: Box<[u8]>,
}

impl<B: Backend> Net<B> {
    /// `mac` is the hardware address that the guest is told to have.
    pub fn new(backend: B, mac: [u8; 6]) -> Self {
        let frame = vec![0; HEADER + FRAME_MAX].into_boxed_slice();
        Self { backend, mac, agreed: Agreed::default(), room: Room::default(), frame }
    }

    /// Gives the network what the driver has put into its queue.
    fn send(&mut self, io: &mut Io<'_>) -> Result<(), Broken> {
        while let Some(chain) = io.pop(SEND)? {
            let (header, frame) = request::parse(io.memory, &chain, &self.agreed, &mut self.frame)?;
            self.backend.send(&header, &self.frame[frame]);
            io.push(SEND, chain.head, 0)?;
        }
        Ok(())
    }

    /// Gives the driver what the network has, as long as there is room.
    fn receive(&mut self, io: &mut Io<'_>) -> Result<(), Broken> {
        loop {
            let limit = self.room.limit(RECEIVE, io)?;
            if limit == 0 {
                return Ok(());
            }
            let mut result = Ok(());
            let room = &mut self.room;
            let mut sink = |header: &Header, frame: &[&[u8]]| result = room.write(RECEIVE, header, frame, io);
            let received = self.backend.receive(limit, &mut sink);
            result?;
            if !received {
                return Ok(());
            }
        }
    }
}

impl<B: Backend> Device for Net<B> {
    fn id(&self) -> u32 {
        VIRTIO_ID_NET
    }

    fn features(&self) -> u64 {
        config::features(self.backend.offloads(), self.backend.mtu())
    }

    fn queue_sizes(&self) -> &[u16] {
        &[config::QUEUE_SIZE; 2]
    }

    fn read_config(&self, offset: usize, data: &mut [u8]) {
        let space = config::space(self.mac, self.backend.mtu());
        let rest = space.get(offset..).unwrap_or_default();
        let len = rest.len().min(data.len());
        data[..len].copy_from_slice(&rest[..len]);
    }

    fn activate(&mut self, features: u64, _: &mut Io<'_>) -> Result<(), Broken> {
        self.agreed = Agreed::new(features);
        self.room = Room::new(self.agreed.merge);
        self.backend.start(self.agreed.takes);
        // What has happened while nobody was here has been told to nobody.
        self.backend.poll();
        Ok(())
    }

    fn process(&mut self, queue: usize, io: &mut Io<'_>) -> Result<(), Broken> {
        if queue == SEND {
            self.send(io)?;
        }
        // There may be answers.
        self.receive(io)
    }

    fn ready(&mut self, _: usize, io: &mut Io<'_>) -> Result<(), Broken> {
        self.backend.poll();
        self.receive(io)
    }

    fn reset(&mut self) {
        self.backend.stop();
        self.agreed = Agreed::default();
        self.room = Room::default();
    }
}

#[cfg(test)]
mod tests;
