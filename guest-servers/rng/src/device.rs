//! The driver of the entropy device: one queue, of buffers that the device fills.

use crate::pool::Pool;
use driver::engine::{Driver, Finished, Start};
use driver::pipe::Pipe;
use driver::session::Buffer;
use driver::transport::feature;
use driver::{Broken, Memory, Part, Registers, Transport};
use proto::rng::{Answer, Fill, Request};
use proto::session::{Opened, Outcome, Submission};
use proto::{Message, Refusal};
use vmm_abi::set::DeviceKind;

/// The ticket of the pool's own request: no client's.
const POOL: u16 = u16::MAX;
/// A host has random numbers at once, but may ration them. Nanoseconds.
const PATIENCE: u64 = 30_000_000_000;

/// An entropy device.
pub struct Rng<R, M> {
    transport: Transport<R>,
    queue: Pipe<M>,
    pool: Pool<M>,
    /// The device has been asked to fill the pool.
    is_filling: bool,
}

impl<R: Registers, M: Memory> Rng<R, M> {
    /// Sets the device up. The memory is for the queue, and for the pool.
    pub fn new(registers: R, queue: M, pool: M) -> Result<Self, Broken> {
        let transport = Transport::claim(registers, DeviceKind::Rng.id())?;
        let (queue, pool) = (Pipe::new(0, queue), Pool::new(pool));
        let mut rng = Self { transport, queue, pool, is_filling: false };
        rng.begin()?;
        Ok(rng)
    }

    fn begin(&mut self) -> Result<(), Broken> {
        self.transport.negotiate(feature::EVENT_INDEX)?;
        self.queue.begin(&self.transport)?;
        self.transport.start();
        self.is_filling = false;
        self.fill_pool();
        Ok(())
    }

    fn fill_pool(&mut self) {
        if self.pool.is_low() && !self.is_filling {
            self.is_filling = self.queue.add(POOL, &[self.pool.empty()]).is_ok();
            self.queue.kick(&self.transport);
        }
    }
}

impl<R: Registers, M: Memory> Driver for Rng<R, M> {
    fn info(&self) -> Opened {
        Opened { info: [0; 6] }
    }

    fn start(&mut self, ticket: u16, request: &Submission, buffer: Buffer) -> Start {
        if Fill::try_from(request).is_err() {
            return Start::Over(Outcome::BadRequest);
        }
        match self.queue.add(ticket, &[Part::writable(buffer.phys, buffer.len)]) {
            Ok(()) => Start::Started,
            Err(_) => Start::Full,
        }
    }

    fn kick(&mut self) {
        self.queue.kick(&self.transport);
    }

    fn interrupt(&mut self) -> Result<(), Broken> {
        self.transport.acknowledge().map(drop)
    }

    fn finished(&mut self) -> Result<Option<Finished>, Broken> {
        while let Some(used) = self.queue.take()? {
            if used.written == 0 {
                return Err(Broken("it has no random numbers"));
            }
            if used.ticket == POOL {
                self.is_filling = false;
                self.pool.filled(used.written);
                continue;
            }
            let value = used.written.into();
            return Ok(Some(Finished { ticket: used.ticket, outcome: Outcome::Done, value }));
        }
        Ok(None)
    }

    fn reset(&mut self) -> Result<(), Broken> {
        self.transport.reset()?;
        self.begin()
    }

    fn patience(&self, _request: &Submission) -> Option<u64> {
        Some(PATIENCE)
    }

    fn is_repeatable(&self, _request: &Submission) -> bool {
        true
    }

    fn message(&mut self, message: &Message) -> Option<Message> {
        let request = Request::try_from(message).ok()?;
        let bytes = self.pool.take(request.count);
        self.fill_pool();
        Some(bytes.map_or(Message::refused(Refusal::Again), |bytes| Answer { bytes }.into()))
    }
}

#[cfg(test)]
mod tests;
