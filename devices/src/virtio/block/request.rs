//! Bytes → meaning: what a request wants (5.2.6).
//!
//! A request is a header of 16 bytes, data, and a byte for the status, cut into buffers at the driver's pleasure (2.7.4). As long
//! as that byte is there, whatever is wrong with the rest is said in it.

use super::backend::{Disk, Operation, SECTOR};
use super::config::{DATA, DISCARD_SECTORS, RANGES, ZERO_SECTORS};
use crate::virtio::chain::{self, total};
use crate::virtio::{Broken, Chain, Memory, Range};
use std::mem::take;
use std::ops::Deref;
use virtio_bindings::virtio_blk;
use vm_memory::GuestAddress;

const HEADER: u64 = 16;
/// Bytes of `struct virtio_blk_discard_write_zeroes`.
const RANGE: u64 = 16;
/// Its only flag, `unmap`.
const UNMAP: u32 = 1;
/// Bytes of an answer to `GET_ID`.
pub const SERIAL: usize = 20;

/// What is said in the last byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    Ok = virtio_blk::VIRTIO_BLK_S_OK as isize,
    IoError = virtio_blk::VIRTIO_BLK_S_IOERR as isize,
    Unsupported = virtio_blk::VIRTIO_BLK_S_UNSUPP as isize,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// All of these. It may be none.
    Operations(Operations),
    /// Say who the disk is.
    Identify(Vec<Range>),
}

/// Any number of operations: mostly one, which is no reason to allocate memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operations {
    One(Operation),
    Several(Vec<Operation>),
}

impl Deref for Operations {
    type Target = [Operation];

    fn deref(&self) -> &[Operation] {
        match self {
            Self::One(operation) => std::slice::from_ref(operation),
            Self::Several(operations) => operations,
        }
    }
}

/// A request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// What the used ring calls it.
    pub head: u16,
    /// Where the status goes.
    pub status: GuestAddress,
    /// Bytes that the device will have written if all goes well, with the status.
    pub written: u32,
    pub action: Result<Action, Status>,
}

impl Request {
    /// Reads the request in `chain`, and takes from it the list of the data's buffers. `write_through`: the driver will never ask to flush.
    pub fn parse(
        memory: &Memory,
        chain: &mut Chain,
        disk: &Disk,
        write_through: bool,
    ) -> Result<Self, Broken> {
        let last = chain.writable.last().ok_or(Broken("a block request without room for its status"))?;
        let status = GuestAddress(last.addr.0 + u64::from(last.len) - 1);
        let head = chain.head;
        let mut header = [0; HEADER as usize];
        if chain::read(memory, &chain.readable, &mut header)? < header.len()
            || chain.writable_len() > DATA + 1
            || chain.readable_len() > HEADER + DATA
        {
            return Ok(Self { head, status, written: 1, action: Err(Status::IoError) });
        }
        let written = chain.writable_len() as u32;
        chain::keep(&mut chain.writable, u64::from(written) - 1);
        chain::skip(&mut chain.readable, HEADER);
        let (into, from) = (&mut chain.writable, &mut chain.readable);
        let [a, b, c, d, _, _, _, _, sector @ ..] = header;
        let kind = u32::from_le_bytes([a, b, c, d]);
        let place = Place { disk, sector: u64::from_le_bytes(sector) };
        let action = match kind {
            virtio_blk::VIRTIO_BLK_T_IN => place.read(into),
            virtio_blk::VIRTIO_BLK_T_OUT => place.write(from, write_through),
            virtio_blk::VIRTIO_BLK_T_FLUSH => Ok(Action::Operations(Operations::One(Operation::Flush))),
            virtio_blk::VIRTIO_BLK_T_GET_ID if total(into) < SERIAL as u64 => Err(Status::IoError),
            virtio_blk::VIRTIO_BLK_T_GET_ID => Ok(Action::Identify(take(into))),
            virtio_blk::VIRTIO_BLK_T_DISCARD => ranges(memory, disk, from, discard)?,
            virtio_blk::VIRTIO_BLK_T_WRITE_ZEROES => ranges(memory, disk, from, write_zeroes(write_through))?,
            _ => Err(Status::Unsupported),
        };
        Ok(Self { head, status, written, action })
    }

    /// Gives `chain` back what was taken from it: it can be used again.
    pub fn give_back(self, chain: &mut Chain) {
        match self.action {
            Ok(Action::Operations(Operations::One(Operation::Read { into, .. }))) => chain.writable = into,
            Ok(Action::Operations(Operations::One(Operation::Write { from, .. }))) => chain.readable = from,
            _ => {}
        }
    }
}

/// Where on the disk something is to be done.
struct Place<'a> {
    disk: &'a Disk,
    sector: u64,
}

impl Place<'_> {
    /// The offset of `len` bytes from here, if they are whole sectors of the disk.
    fn offset(&self, len: u64) -> Result<u64, Status> {
        let offset = self.sector.checked_mul(SECTOR);
        let fits = |&offset: &u64| offset.checked_add(len).is_some_and(|end| end <= self.disk.size);
        offset.filter(fits).filter(|_| len.is_multiple_of(SECTOR)).ok_or(Status::IoError)
    }

    fn read(&self, into: &mut Vec<Range>) -> Result<Action, Status> {
        let offset = self.offset(total(into))?;
        Ok(Action::Operations(some(into, |into| Operation::Read { offset, into })))
    }

    fn write(&self, from: &mut Vec<Range>, durable: bool) -> Result<Action, Status> {
        let offset = self.offset(total(from))?;
        if self.disk.read_only {
            return Err(Status::IoError);
        }
        Ok(Action::Operations(some(from, |from| Operation::Write { offset, from, durable })))
    }
}

/// With these data. No bytes are nothing to do.
fn some(data: &mut Vec<Range>, operation: impl Fn(Vec<Range>) -> Operation) -> Operations {
    if data.is_empty() { Operations::Several(Vec::new()) } else { Operations::One(operation(take(data))) }
}

/// What is to be done with each of the ranges in `data` (5.2.6, `struct virtio_blk_discard_write_zeroes`).
fn ranges(
    memory: &Memory,
    disk: &Disk,
    data: &[Range],
    operation: impl Fn(u32, u64, u32) -> Result<Operation, Status>,
) -> Result<Result<Action, Status>, Broken> {
    let len = total(data);
    if disk.read_only || !len.is_multiple_of(RANGE) || len > RANGE * u64::from(RANGES) {
        return Ok(Err(Status::IoError));
    }
    let mut bytes = vec![0; len as usize];
    chain::read(memory, data, &mut bytes)?;
    let each = bytes.as_chunks().0.iter().map(|&range: &[u8; RANGE as usize]| {
        let [a, b, c, d, e, f, g, h, count @ .., p, q, r, s] = range;
        let (sector, sectors) = (u64::from_le_bytes([a, b, c, d, e, f, g, h]), u32::from_le_bytes(count));
        let offset = Place { disk, sector }.offset(u64::from(sectors) * SECTOR)?;
        Ok((sectors, operation(u32::from_le_bytes([p, q, r, s]), offset, sectors)?))
    });
    // Of no sectors there is nothing to do.
    let some = each.filter(|operation| !matches!(operation, Ok((0, _))));
    let operations = some.map(|operation| Ok(operation?.1)).collect::<Result<_, _>>();
    Ok(operations.map(|operations| Action::Operations(Operations::Several(operations))))
}

fn discard(flags: u32, offset: u64, sectors: u32) -> Result<Operation, Status> {
    match flags {
        0 if sectors > DISCARD_SECTORS => Err(Status::IoError),
        0 => Ok(Operation::Discard { offset, len: u64::from(sectors) * SECTOR }),
        // To unmap means nothing here, and the others nothing anywhere (5.2.6.2).
        _ => Err(Status::Unsupported),
    }
}

fn write_zeroes(durable: bool) -> impl Fn(u32, u64, u32) -> Result<Operation, Status> {
    move |flags, offset, sectors| match flags {
        0 | UNMAP if sectors > ZERO_SECTORS => Err(Status::IoError),
        0 | UNMAP => {
            let (len, unmap) = (u64::from(sectors) * SECTOR, flags == UNMAP);
            Ok(Operation::WriteZeroes { offset, len, unmap, durable })
        }
        _ => Err(Status::Unsupported),
    }
}
