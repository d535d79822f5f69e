//! A client of the block driver.
//!
//! Requests can be submitted many at a time ([`Disk::submit`]); [`Disk::read`], [`Disk::write`] and [`Disk::flush`] are for those who wait
//! for each.

use crate::client::{Client, Full, Link, Repeat};
use proto::Refusal;
use proto::block::{self, Operation, SECTOR};
use proto::session::{Completion, DATA, Outcome, Submission};

/// A disk.
pub struct Disk<L> {
    client: Client<L>,
    facts: block::Disk,
    /// Bytes of the region that are for data.
    room: usize,
}

/// Why a request was not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskError {
    /// The driver cannot be reached any more.
    Driver(Refusal),
    /// What the driver says of the request.
    Request(Outcome),
    /// The buffer is not in the region.
    Buffer,
}

impl From<Refusal> for DiskError {
    fn from(why: Refusal) -> Self {
        Self::Driver(why)
    }
}

impl<L: Link> Disk<L> {
    /// Opens a session through `link`, whose region has `size` bytes.
    pub fn open(link: L, size: usize) -> Result<Self, Refusal> {
        let client = Client::open(link)?;
        let facts = block::Disk::try_from(&client.opened())?;
        Ok(Self { client, facts, room: size.saturating_sub(DATA) })
    }

    pub fn facts(&self) -> &block::Disk {
        &self.facts
    }
    pub fn client(&self) -> &Client<L> {
        &self.client
    }
    pub fn client_mut(&mut self) -> &mut Client<L> {
        &mut self.client
    }
    /// Bytes for data that client and device share. Places in it are counted from 0.
    pub fn room(&self) -> usize {
        self.room
    }

    /// Copies to or from the shared data.
    pub fn fill(&self, at: usize, from: &[u8]) {
        self.client.link().write(DATA + at, from);
    }
    pub fn look(&self, at: usize, into: &mut [u8]) {
        self.client.link().read(DATA + at, into);
    }

    /// Submits a request whose buffer, if it has one, is `len` bytes at `at` of the shared data.
    pub fn submit(&mut self, operation: Operation, at: usize, len: usize) -> Result<u32, Full> {
        let (offset, len) = if operation.has_buffer() { (DATA + at, len) } else { (0, 0) };
        let submission = Submission { offset: offset as u32, len: len as u32, ..operation.into() };
        self.client.submit(submission, Repeat::Allowed)
    }

    /// Waits for `wait` completions; see [`Client::wait`].
    pub fn wait(&mut self, wait: u32) -> Result<(), DiskError> {
        Ok(self.client.wait(wait)?)
    }

    pub fn take(&mut self) -> Option<Completion> {
        self.client.take()
    }

    /// Fills `len` bytes at `at` of the shared data with the sectors from `sector` on.
    pub fn read(&mut self, sector: u64, at: usize, len: usize) -> Result<(), DiskError> {
        self.transfer(sector, at, len, |sector| Operation::Read { sector })
    }

    /// Writes `len` bytes at `at` of the shared data to the sectors from `sector` on.
    pub fn write(&mut self, sector: u64, at: usize, len: usize) -> Result<(), DiskError> {
        self.transfer(sector, at, len, |sector| Operation::Write { sector })
    }

    pub fn flush(&mut self) -> Result<(), DiskError> {
        self.one(Operation::Flush, 0, 0)
    }
    pub fn discard(&mut self, sector: u64, count: u32) -> Result<(), DiskError> {
        self.one(Operation::Discard { sector, count }, 0, 0)
    }
    pub fn write_zeroes(&mut self, sector: u64, count: u32) -> Result<(), DiskError> {
        self.one(Operation::WriteZeroes { sector, count }, 0, 0)
    }

    fn transfer(
        &mut self,
        sector: u64,
        at: usize,
        len: usize,
        operation: impl Fn(u64) -> Operation,
    ) -> Result<(), DiskError> {
        if at.checked_add(len).is_none_or(|end| end > self.room) {
            return Err(DiskError::Buffer);
        }
        let part = (self.facts.transfer_max as usize / SECTOR as usize).max(1) * SECTOR as usize;
        for done in (0..len).step_by(part) {
            self.one(operation(sector + done as u64 / SECTOR), at + done, part.min(len - done))?;
        }
        Ok(())
    }

    /// One request, with nothing else under way.
    fn one(&mut self, operation: Operation, at: usize, len: usize) -> Result<(), DiskError> {
        let tag = self.submit(operation, at, len).map_err(|_| DiskError::Driver(Refusal::Again))?;
        loop {
            // Who is told that it was not done may use the buffer for something else: it must not be done later.
            self.client.wait(1).inspect_err(|_| self.client.give_up())?;
            while let Some(completion) = self.client.take() {
                if completion.tag == tag {
                    return match completion.outcome {
                        Outcome::Done => Ok(()),
                        other => Err(DiskError::Request(other)),
                    };
                }
            }
        }
    }
}
