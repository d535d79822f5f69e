//! A request as the device reads it, and its answer (virtio 1.2, 5.2.6): a header of 16 bytes, data, a status byte.

use proto::block::{Disk, Operation, SECTOR};
use proto::session::Outcome;

pub const HEADER: usize = 16;
/// A range of sectors, which is the data of the requests that have no buffer.
pub const RANGE: usize = 16;

const IN: u32 = 0;
const OUT: u32 = 1;
const FLUSH: u32 = 4;
const DISCARD: u32 = 11;
const WRITE_ZEROES: u32 = 13;

/// The header.
pub fn header(operation: Operation) -> [u8; HEADER] {
    let (kind, sector) = match operation {
        Operation::Read { sector } => (IN, sector),
        Operation::Write { sector } => (OUT, sector),
        Operation::Flush => (FLUSH, 0),
        Operation::Discard { .. } => (DISCARD, 0),
        Operation::WriteZeroes { .. } => (WRITE_ZEROES, 0),
    };
    let mut bytes = [0; HEADER];
    bytes[..4].copy_from_slice(&kind.to_le_bytes());
    bytes[8..].copy_from_slice(&sector.to_le_bytes());
    bytes
}

/// The range of a request that has one. No flags: what is made zero stays allocated.
pub fn range(operation: Operation) -> Option<[u8; RANGE]> {
    let (Operation::Discard { sector, count } | Operation::WriteZeroes { sector, count }) = operation else {
        return None;
    };
    let mut bytes = [0; RANGE];
    bytes[..8].copy_from_slice(&sector.to_le_bytes());
    bytes[8..12].copy_from_slice(&count.to_le_bytes());
    Some(bytes)
}

/// What the status byte says.
pub const fn outcome(status: u8) -> Outcome {
    match status {
        0 => Outcome::Done,
        2 => Outcome::Unsupported,
        _ => Outcome::Failed,
    }
}

/// What is wrong with an operation on `len` bytes, if this disk need not be asked.
pub fn check(disk: &Disk, operation: Operation, len: u32) -> Result<(), Outcome> {
    let (sector, count, most) = match operation {
        Operation::Read { sector } | Operation::Write { sector } => {
            if !u64::from(len).is_multiple_of(SECTOR) {
                return Err(Outcome::BadRequest);
            }
            let sector_max = disk.transfer_max / SECTOR as u32;
            (sector, len / SECTOR as u32, sector_max)
        }
        Operation::Flush => return Ok(()),
        Operation::Discard { sector, count } => (sector, count, disk.discard_max),
        Operation::WriteZeroes { sector, count } => (sector, count, disk.zeroes_max),
    };
    if most == 0 || disk.read_only && !matches!(operation, Operation::Read { .. }) {
        return Err(Outcome::Unsupported);
    }
    let inside = sector.checked_add(count.into()).is_some_and(|end| end <= disk.sectors);
    if count == 0 || count > most || !inside { Err(Outcome::BadRequest) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: Disk = Disk {
        sectors: 100,
        transfer_max: 4096,
        discard_max: 50,
        zeroes_max: 0,
        read_only: false,
        block_size: 512,
    };

    #[test]
    fn what_a_disk_takes() {
        for (operation, len) in [
            (Operation::Read { sector: 0 }, 512),
            (Operation::Write { sector: 92 }, 4096),
            (Operation::Flush, 0),
            (Operation::Discard { sector: 50, count: 50 }, 0),
        ] {
            assert_eq!(check(&DISK, operation, len), Ok(()), "{operation:?}");
        }
    }

    #[test]
    fn what_a_disk_does_not_take() {
        use Outcome::{BadRequest, Unsupported};
        for (operation, len, why) in [
            (Operation::Read { sector: 100 }, 512, BadRequest),
            (Operation::Read { sector: 93 }, 4096, BadRequest),
            (Operation::Read { sector: u64::MAX }, 512, BadRequest),
            (Operation::Read { sector: 0 }, 511, BadRequest),
            (Operation::Write { sector: 0 }, 4608, BadRequest),
            (Operation::Write { sector: 0 }, 0, BadRequest),
            (Operation::Discard { sector: 0, count: 51 }, 0, BadRequest),
            (Operation::Discard { sector: 0, count: 0 }, 0, BadRequest),
            (Operation::Discard { sector: u64::MAX, count: 1 }, 0, BadRequest),
            (Operation::WriteZeroes { sector: 0, count: 1 }, 0, Unsupported),
        ] {
            assert_eq!(check(&DISK, operation, len), Err(why), "{operation:?} {len}");
        }
        let read_only = Disk { read_only: true, ..DISK };
        assert_eq!(check(&read_only, Operation::Write { sector: 0 }, 512), Err(Unsupported));
        assert_eq!(check(&read_only, Operation::Read { sector: 0 }, 512), Ok(()));
    }

    #[test]
    fn requests_as_the_device_reads_them() {
        let bytes = header(Operation::Write { sector: 0x1234 });
        assert_eq!((&bytes[..9], bytes[9]), (&[1, 0, 0, 0, 0, 0, 0, 0, 0x34][..], 0x12));
        assert_eq!(range(Operation::Flush), None);
        let bytes = range(Operation::Discard { sector: 7, count: 9 }).unwrap();
        assert_eq!((bytes[0], bytes[8], bytes[12]), (7, 9, 0));
        assert_eq!(
            [0, 1, 2, 3, 255].map(outcome)[..3],
            [Outcome::Done, Outcome::Failed, Outcome::Unsupported]
        );
    }
}
