//! What the driver is told about the disk (5.2.3, 5.2.4, 5.2.5).
//!
//! Writing zeros may have to be done by writing them: 64 MiB at once are enough for the driver, and not too long a wait for whoever resets
//! the device. Not offered: CONFIG_WCE (who takes FLUSH has a write-back disk, who does not has a write-through one), MQ (see [`super`]),
//! SECURE_ERASE and ZONED (files have neither), LIFETIME (nor that).

use super::backend::{Disk, SECTOR};
use virtio_bindings::virtio_blk;

/// Entries of the queue.
pub const QUEUE_SIZE: u16 = 256;
/// Buffers of a request that hold data: all but the header's and the status's.
pub const SEGMENTS: u32 = QUEUE_SIZE as u32 - 2;
/// Bytes that one of them has at most.
pub const SEGMENT_SIZE: u32 = 1 << 20;
/// Bytes of data that a request has at most.
pub const DATA: u64 = SEGMENTS as u64 * SEGMENT_SIZE as u64;
/// Ranges that one request discards or zeroes at most.
pub const RANGES: u32 = 16;
/// Sectors of one range that is discarded, at most: 2 GiB.
pub const DISCARD_SECTORS: u32 = 1 << 22;
/// Sectors of one range that is zeroed, at most: 64 MiB.
pub const ZERO_SECTORS: u32 = 1 << 17;

pub const FLUSH: u64 = 1 << virtio_blk::VIRTIO_BLK_F_FLUSH;
pub const READ_ONLY: u64 = 1 << virtio_blk::VIRTIO_BLK_F_RO;

/// Size of `struct virtio_blk_config` up to what we have of it.
const LEN: usize = 60;

/// The features of a device with this disk.
pub fn features(disk: &Disk) -> u64 {
    let always = [
        virtio_blk::VIRTIO_BLK_F_SIZE_MAX,
        virtio_blk::VIRTIO_BLK_F_SEG_MAX,
        virtio_blk::VIRTIO_BLK_F_BLK_SIZE,
        virtio_blk::VIRTIO_BLK_F_TOPOLOGY,
        virtio_blk::VIRTIO_BLK_F_FLUSH,
    ];
    let writable = [virtio_blk::VIRTIO_BLK_F_DISCARD, virtio_blk::VIRTIO_BLK_F_WRITE_ZEROES];
    let others = if disk.read_only { &[virtio_blk::VIRTIO_BLK_F_RO][..] } else { &writable };
    always.iter().chain(others).fold(0, |features, bit| features | 1 << bit)
}

/// The configuration space of a device with this disk.
pub fn space(disk: &Disk) -> [u8; LEN] {
    let mut space = [0; LEN];
    let mut put = |at: usize, bytes: &[u8]| space[at..at + bytes.len()].copy_from_slice(bytes);
    let sectors = |bytes: u32| (bytes / SECTOR as u32).to_le_bytes();
    put(0, &(disk.size / SECTOR).to_le_bytes());
    put(8, &SEGMENT_SIZE.to_le_bytes());
    put(12, &SEGMENTS.to_le_bytes());
    put(20, &disk.block.to_le_bytes());
    let blocks = disk.physical_block.max(disk.block) / disk.block;
    // physical_block_exp, alignment_offset, min_io_size
    put(24, &[blocks.ilog2() as u8, 0]);
    put(26, &(blocks.min(u16::MAX.into()) as u16).to_le_bytes());
    put(34, &1u16.to_le_bytes());
    if !disk.read_only {
        put(36, &DISCARD_SECTORS.to_le_bytes());
        put(40, &RANGES.to_le_bytes());
        put(44, &sectors(disk.physical_block));
        put(48, &ZERO_SECTORS.to_le_bytes());
        put(52, &RANGES.to_le_bytes());
        put(56, &[1]);
    }
    space
}
