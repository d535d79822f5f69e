//! The block device (virtio 1.2, 5.2).
//!
//! Requests are asynchronous: each is looked at as soon as the driver has put it into the queue, handed to the [`Backend`] with the number
//! of a slot, and answered when the backend says that the slot is done, in whatever order that is. There are as many slots as the
//! queue has entries. A driver that does not wait for answers may well put more into the queue; what has no slot stays there.
//!
//! One queue: all requests of a device go through one thread, which more queues would not make faster.
//!
//! - [`request`]: what the driver wrote → what is to be done
//! - [`backend`]: the disk behind the device
//! - [`config`]: the configuration, and the features that follow from the disk
//! - `slots`: requests that have been begun
//! - [`mock`]: a disk for tests

pub mod backend;
pub mod config;
pub mod mock;
pub mod request;
mod slots;

pub use backend::{Backend, Disk, Failure, Finished, Operation};

use crate::virtio::{Broken, Device, Io, Memory, chain};
use request::{Action, Request, SERIAL, Status};
use slots::{Begun, Slots};
use virtio_bindings::virtio_ids::VIRTIO_ID_BLOCK;
use vm_memory::{Bytes, GuestAddress};

const QUEUE: usize = 0;

/// A block device with the disk `B`.
pub struct Block<B> {
    backend: B,
    slots: Slots,
    /// The driver cannot flush, so a write has to be on the medium before it is answered (5.2.6.2).
    write_through: bool,
}

impl<B: Backend> Block<B> {
    pub fn new(backend: B) -> Self {
        Self { backend, slots: Slots::new(config::QUEUE_SIZE), write_through: true }
    }

    /// Takes what is in the queue as long as there are slots, and answers what has finished. That makes room for more.
    fn serve(&mut self, io: &mut Io<'_>) -> Result<(), Broken> {
        loop {
            while !self.slots.is_full() {
                let Some(mut chain) = io.pop(QUEUE)? else { break };
                let disk = self.backend.disk();
                let request = Request::parse(io.memory, &mut chain, disk, self.write_through)?;
                self.begin(&request, io)?;
                request.give_back(&mut chain);
                io.recycle(chain);
            }
            let was_full = self.slots.is_full();
            self.backend.start();
            self.answer(io)?;
            if !was_full || self.slots.is_full() {
                return Ok(());
            }
        }
    }

    fn begin(&mut self, request: &Request, io: &mut Io<'_>) -> Result<(), Broken> {
        let &Request { head, status, written, ref action } = request;
        let (now, written) = match action {
            Ok(Action::Operations(operations)) if !operations.is_empty() => {
                let begun = Begun { head, status, written, left: operations.len() as u32, failed: false };
                if let Some(slot) = self.slots.begin(begun) {
                    operations.iter().for_each(|operation| self.backend.submit(slot, operation));
                    return Ok(());
                }
                (Status::IoError, 1)
            }
            Ok(Action::Operations(_)) => (Status::Ok, written),
            Ok(Action::Identify(into)) => {
                let mut serial = [0; SERIAL];
                let known = &self.backend.disk().serial;
                let len = known.len().min(SERIAL);
                serial[..len].copy_from_slice(&known[..len]);
                chain::write(io.memory, into, &serial)?;
                (Status::Ok, written)
            }
            &Err(status) => (status, 1),
        };
        say(io.memory, status, now)?;
        io.push(QUEUE, head, written)
    }

    fn answer(&mut self, io: &mut Io<'_>) -> Result<(), Broken> {
        while let Some(finished) = self.backend.finished() {
            let Some(request) = self.slots.finish(finished.slot, finished.result.is_err()) else { continue };
            // Nothing is promised about the data of a request that failed.
            let (status, written) =
                if request.failed { (Status::IoError, 1) } else { (Status::Ok, request.written) };
            say(io.memory, request.status, status)?;
            io.push(QUEUE, request.head, written)?;
        }
        Ok(())
    }
}

fn say(memory: &Memory, at: GuestAddress, status: Status) -> Result<(), Broken> {
    memory.write_obj(status as u8, at).map_err(|_| Broken("a buffer outside of RAM"))
}

impl<B: Backend> Device for Block<B> {
    fn id(&self) -> u32 {
        VIRTIO_ID_BLOCK
    }

    fn features(&self) -> u64 {
        config::features(self.backend.disk())
    }

    fn queue_sizes(&self) -> &[u16] {
        &[config::QUEUE_SIZE]
    }

    fn read_config(&self, offset: usize, data: &mut [u8]) {
        let space = config::space(self.backend.disk());
        let rest = space.get(offset..).unwrap_or_default();
        let len = rest.len().min(data.len());
        data[..len].copy_from_slice(&rest[..len]);
    }

    fn activate(&mut self, features: u64, _io: &mut Io<'_>) -> Result<(), Broken> {
        self.write_through = features & config::FLUSH == 0;
        Ok(())
    }

    fn process(&mut self, _queue: usize, io: &mut Io<'_>) -> Result<(), Broken> {
        self.serve(io)
    }

    fn ready(&mut self, _source: usize, io: &mut Io<'_>) -> Result<(), Broken> {
        self.answer(io)?;
        self.serve(io)
    }

    fn reset(&mut self) {
        self.backend.drain();
        self.slots.clear();
        self.write_through = true;
    }
}

#[cfg(test)]
mod tests;
