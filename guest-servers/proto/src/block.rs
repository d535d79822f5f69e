//! Disks: what the requests of a session ([`crate::session`]) with the block driver are.
//!
//! A request that has been completed with `Done` is done; what was written is durable when a [`Operation::Flush`] that was
//! submitted after the write's completion has been completed. Requests that are under way at the same time are done in any order.

use crate::message::Malformed;
use crate::session::{Opened, Submission};

/// Bytes of a sector: the unit of all places and lengths.
pub const SECTOR: u64 = 512;

/// What a client may ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// The buffer is filled with the sectors from `sector` on.
    Read { sector: u64 },
    /// The sectors from `sector` on become what the buffer holds.
    Write { sector: u64 },
    /// What has been written is made durable.
    Flush,
    /// What is in `count` sectors is not needed any more.
    Discard { sector: u64, count: u32 },
    /// `count` sectors become zero.
    WriteZeroes { sector: u64, count: u32 },
}

const READ: u32 = 1;
const WRITE: u32 = 2;
const FLUSH: u32 = 3;
const DISCARD: u32 = 4;
const WRITE_ZEROES: u32 = 5;

impl Operation {
    /// Whether it has a buffer.
    pub const fn has_buffer(self) -> bool {
        matches!(self, Self::Read { .. } | Self::Write { .. })
    }
}

impl From<Operation> for Submission {
    fn from(operation: Operation) -> Self {
        let (operation, sector, count) = match operation {
            Operation::Read { sector } => (READ, sector, 0),
            Operation::Write { sector } => (WRITE, sector, 0),
            Operation::Flush => (FLUSH, 0, 0),
            Operation::Discard { sector, count } => (DISCARD, sector, count),
            Operation::WriteZeroes { sector, count } => (WRITE_ZEROES, sector, count),
        };
        Self { operation, arguments: [sector, count.into()], ..Self::default() }
    }
}

impl TryFrom<&Submission> for Operation {
    type Error = Malformed;

    fn try_from(s: &Submission) -> Result<Self, Malformed> {
        let [sector, count] = s.arguments;
        let count = u32::try_from(count).map_err(|_| Malformed)?;
        let operation = match s.operation {
            READ => Self::Read { sector },
            WRITE => Self::Write { sector },
            FLUSH => Self::Flush,
            DISCARD => Self::Discard { sector, count },
            WRITE_ZEROES => Self::WriteZeroes { sector, count },
            _ => return Err(Malformed),
        };
        if operation.has_buffer() == (s.len != 0) { Ok(operation) } else { Err(Malformed) }
    }
}

/// What a disk is: in the answer to [`crate::session::Request::Open`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Disk {
    /// Sectors that it has.
    pub sectors: u64,
    /// Most bytes of one read or write.
    pub transfer_max: u32,
    /// Most sectors of one discard; 0 if it has none.
    pub discard_max: u32,
    /// Most sectors that one request makes zero; 0 if there are no such requests.
    pub zeroes_max: u32,
    pub read_only: bool,
    /// Bytes that it writes at once: a power of two, at least [`SECTOR`].
    pub block_size: u32,
}

const READ_ONLY: u64 = 1;

impl From<Disk> for Opened {
    fn from(disk: Disk) -> Self {
        let flags = if disk.read_only { READ_ONLY } else { 0 };
        let limits = [disk.transfer_max, disk.discard_max, disk.zeroes_max, disk.block_size].map(u64::from);
        let [transfer, discard, zeroes, block] = limits;
        Self { info: [disk.sectors, transfer, discard, zeroes, flags, block] }
    }
}

impl TryFrom<&Opened> for Disk {
    type Error = Malformed;

    fn try_from(opened: &Opened) -> Result<Self, Malformed> {
        let [sectors, transfer, discard, zeroes, flags, block] = opened.info;
        let limit = |word: u64| u32::try_from(word).map_err(|_| Malformed);
        if transfer == 0 || !block.is_power_of_two() || block < SECTOR {
            return Err(Malformed);
        }
        Ok(Self {
            sectors,
            transfer_max: limit(transfer)?,
            discard_max: limit(discard)?,
            zeroes_max: limit(zeroes)?,
            read_only: flags & READ_ONLY != 0,
            block_size: limit(block)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_round_trip() {
        for operation in [
            Operation::Read { sector: u64::MAX },
            Operation::Write { sector: 1 },
            Operation::Flush,
            Operation::Discard { sector: 3, count: u32::MAX },
            Operation::WriteZeroes { sector: 4, count: 5 },
        ] {
            let len = if operation.has_buffer() { 512 } else { 0 };
            let submission = Submission { len, ..operation.into() };
            assert_eq!(Operation::try_from(&submission), Ok(operation));
            let wrong = Submission { len: 512 - len, ..submission };
            assert_eq!(Operation::try_from(&wrong), Err(Malformed), "buffer or not: {operation:?}");
        }
    }

    #[test]
    fn nonsense() {
        for operation in [0, 6, u32::MAX] {
            assert_eq!(
                Operation::try_from(&Submission { operation, ..Submission::default() }),
                Err(Malformed)
            );
        }
        let wide = Submission { operation: DISCARD, arguments: [0, 1 << 32], ..Submission::default() };
        assert_eq!(Operation::try_from(&wide), Err(Malformed));
    }

    #[test]
    fn disks_round_trip() {
        let disk = Disk {
            sectors: 1 << 40,
            transfer_max: 1 << 20,
            discard_max: 7,
            zeroes_max: 0,
            read_only: true,
            block_size: 4096,
        };
        assert_eq!(Disk::try_from(&disk.into()), Ok(disk));
        for (at, word) in [(1, 0), (1, 1 << 32), (2, 1 << 32), (5, 0), (5, 256), (5, 768)] {
            let mut opened = Opened::from(disk);
            opened.info[at] = word;
            assert_eq!(Disk::try_from(&opened), Err(Malformed), "{at} {word}");
        }
    }
}
