//! Requests to the device and back.
//!
//! Header and status of each request are in memory of the driver's own, a place for each ticket; the buffer is the client's, and the
//! device gets its address. So a client cannot make a request something else once it has been checked.

use crate::DEVICE_ID;
use crate::config::{self, feature};
use crate::wire::{self, HEADER, RANGE};
use driver::engine::{Driver, Finished, Start, TICKETS};
use driver::pipe::Pipe;
use driver::session::Buffer;
use driver::transport::feature::EVENT_INDEX;
use driver::{Broken, Memory, Part, Registers, Transport, queue};
use proto::block::{Disk, Operation};
use proto::session::{Opened, Outcome, Submission};

/// Bytes of a ticket's place: header, range, status.
const PLACE: usize = 64;
const STATUS: usize = HEADER + RANGE;
/// What the status is before the device has written one.
const NO_STATUS: u8 = 0xff;
/// Longest time that a device may take for a request: some disks spin up. Nanoseconds.
const PATIENCE: u64 = 10_000_000_000;
const QUEUE: u16 = 0;

const _: () = assert!(STATUS < PLACE);

/// log2 of the memory that a driver needs.
pub const MEMORY_LOG2: u32 =
    (queue::bytes(queue::SIZE_MAX) + TICKETS * PLACE).next_power_of_two().trailing_zeros();

/// A virtio disk.
pub struct VirtioDisk<R, M> {
    transport: Transport<R>,
    pipe: Pipe<M>,
    places: M,
    disk: Disk,
}

impl<R: Registers, M: Memory> VirtioDisk<R, M> {
    /// The disk behind these registers, ready. `memory` has 2^[`MEMORY_LOG2`] bytes.
    pub fn new(registers: R, memory: M) -> Result<Self, Broken> {
        let mut transport = Transport::claim(registers, DEVICE_ID)?;
        let (places, rest) = memory.split(TICKETS * PLACE).ok_or(Broken("it got too little memory"))?;
        let mut pipe = Pipe::new(QUEUE, rest);
        let disk = begin(&mut transport, &mut pipe)?;
        Ok(Self { transport, pipe, places, disk })
    }

    fn add(&mut self, ticket: u16, operation: Operation, buffer: Buffer) -> Result<(), queue::Full> {
        let place = usize::from(ticket) * PLACE;
        self.places.write(place, &wire::header(operation));
        self.places.write(place + STATUS, &[NO_STATUS]);
        let at = |offset: usize| self.places.phys() + (place + offset) as u64;
        let header = Part::readable(at(0), HEADER as u32);
        let status = Part::writable(at(STATUS), 1);
        let data = match (operation, wire::range(operation)) {
            (Operation::Read { .. }, _) => Some(Part::writable(buffer.phys, buffer.len)),
            (Operation::Write { .. }, _) => Some(Part::readable(buffer.phys, buffer.len)),
            (_, Some(range)) => {
                self.places.write(place + HEADER, &range);
                Some(Part::readable(at(HEADER), RANGE as u32))
            }
            (_, None) => None,
        };
        match data {
            Some(data) => self.pipe.add(ticket, &[header, data, status]),
            None => self.pipe.add(ticket, &[header, status]),
        }
    }
}

impl<R: Registers, M: Memory> Driver for VirtioDisk<R, M> {
    fn info(&self) -> Opened {
        self.disk.into()
    }

    fn start(&mut self, ticket: u16, request: &Submission, buffer: Buffer) -> Start {
        let Ok(operation) = Operation::try_from(request) else { return Start::Over(Outcome::BadRequest) };
        if let Err(why) = wire::check(&self.disk, operation, buffer.len) {
            return Start::Over(why);
        }
        if operation == Operation::Flush && self.transport.features() & feature::FLUSH == 0 {
            // A disk that cannot be told to has nothing that is not durable.
            return Start::Over(Outcome::Done);
        }
        match self.add(ticket, operation, buffer) {
            Ok(()) => Start::Started,
            Err(queue::Full) => Start::Full,
        }
    }

    fn kick(&mut self) {
        self.pipe.kick(&self.transport);
    }

    fn interrupt(&mut self) -> Result<(), Broken> {
        self.transport.acknowledge().map(|_| ())
    }

    fn finished(&mut self) -> Result<Option<Finished>, Broken> {
        let Some(used) = self.pipe.take()? else { return Ok(None) };
        let mut status = [NO_STATUS];
        self.places.read(usize::from(used.ticket) * PLACE + STATUS, &mut status);
        let value = used.written.saturating_sub(1).into();
        Ok(Some(Finished { ticket: used.ticket, outcome: wire::outcome(status[0]), value }))
    }

    fn reset(&mut self) -> Result<(), Broken> {
        self.transport.reset()?;
        self.disk = begin(&mut self.transport, &mut self.pipe)?;
        Ok(())
    }

    fn patience(&self, _request: &Submission) -> Option<u64> {
        Some(PATIENCE)
    }

    fn is_repeatable(&self, _request: &Submission) -> bool {
        true
    }
}

/// Sets a device going that has been reset.
fn begin<R: Registers, M: Memory>(transport: &mut Transport<R>, pipe: &mut Pipe<M>) -> Result<Disk, Broken> {
    let features = transport.negotiate(feature::WANTED | EVENT_INDEX)?;
    let disk = transport.config(|config| config::disk(&config, features))?;
    pipe.begin(transport)?;
    transport.start();
    Ok(disk)
}

#[cfg(test)]
mod tests;
