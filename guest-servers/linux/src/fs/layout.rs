//! The bytes of the structures that programs get: `struct stat`, `statx`, `statfs`.
//!
//! Written field by field at the offsets that the kernel's headers give (checked against them below), because
//! these structures have holes and a hole must not carry the server's memory to a program.

use core::mem::{offset_of, size_of};

use super::metadata::{Metadata, Time};
use super::statfs::StatFs;
use linux_raw_sys::general as raw;

pub const STAT_SIZE: usize = size_of::<raw::stat>();
pub const STATX_SIZE: usize = size_of::<raw::statx>();
pub const STATFS_SIZE: usize = size_of::<raw::statfs>();
const _: () = assert!(STAT_SIZE == 144 && STATX_SIZE == 256 && STATFS_SIZE == 120);

const BLOCK_SIZE: u64 = 4096;
const NAME_MAX: u64 = 255;

struct Record<const N: usize>([u8; N]);

impl<const N: usize> Record<N> {
    fn u64(&mut self, at: usize, value: u64) {
        self.0[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    fn u32(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    fn u16(&mut self, at: usize, value: u16) {
        self.0[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    fn statx_time(&mut self, at: usize, time: Time) {
        self.u64(at, time.seconds as u64);
        self.u32(at + 8, time.nanos);
    }
}

/// `struct stat`.
pub fn stat(m: &Metadata) -> [u8; STAT_SIZE] {
    let mut r = Record([0; STAT_SIZE]);
    r.u64(offset_of!(raw::stat, st_dev), m.device.0);
    r.u64(offset_of!(raw::stat, st_ino), m.inode);
    r.u64(offset_of!(raw::stat, st_nlink), m.links.into());
    r.u32(offset_of!(raw::stat, st_mode), m.mode());
    r.u32(offset_of!(raw::stat, st_uid), m.uid);
    r.u32(offset_of!(raw::stat, st_gid), m.gid);
    r.u64(offset_of!(raw::stat, st_rdev), m.rdev.0);
    r.u64(offset_of!(raw::stat, st_size), m.size);
    r.u64(offset_of!(raw::stat, st_blksize), BLOCK_SIZE);
    r.u64(offset_of!(raw::stat, st_blocks), m.blocks);
    for (seconds, time) in [
        (offset_of!(raw::stat, st_atime), m.accessed),
        (offset_of!(raw::stat, st_mtime), m.modified),
        (offset_of!(raw::stat, st_ctime), m.changed),
    ] {
        r.u64(seconds, time.seconds as u64);
        r.u64(seconds + 8, time.nanos.into());
    }
    r.0
}

/// `struct statx`, with all basic fields and the time of creation.
pub fn statx(m: &Metadata, is_mount_root: bool) -> [u8; STATX_SIZE] {
    let mut r = Record([0; STATX_SIZE]);
    r.u32(offset_of!(raw::statx, stx_mask), raw::STATX_BASIC_STATS | raw::STATX_BTIME);
    r.u32(offset_of!(raw::statx, stx_blksize), BLOCK_SIZE as u32);
    let root = u64::from(raw::STATX_ATTR_MOUNT_ROOT);
    r.u64(offset_of!(raw::statx, stx_attributes), if is_mount_root { root } else { 0 });
    r.u64(offset_of!(raw::statx, stx_attributes_mask), root);
    r.u32(offset_of!(raw::statx, stx_nlink), m.links);
    r.u32(offset_of!(raw::statx, stx_uid), m.uid);
    r.u32(offset_of!(raw::statx, stx_gid), m.gid);
    r.u16(offset_of!(raw::statx, stx_mode), m.mode() as u16);
    r.u64(offset_of!(raw::statx, stx_ino), m.inode);
    r.u64(offset_of!(raw::statx, stx_size), m.size);
    r.u64(offset_of!(raw::statx, stx_blocks), m.blocks);
    r.statx_time(offset_of!(raw::statx, stx_atime), m.accessed);
    r.statx_time(offset_of!(raw::statx, stx_btime), m.created);
    r.statx_time(offset_of!(raw::statx, stx_ctime), m.changed);
    r.statx_time(offset_of!(raw::statx, stx_mtime), m.modified);
    r.u32(offset_of!(raw::statx, stx_rdev_major), m.rdev.major());
    r.u32(offset_of!(raw::statx, stx_rdev_minor), m.rdev.minor());
    r.u32(offset_of!(raw::statx, stx_dev_major), m.device.major());
    r.u32(offset_of!(raw::statx, stx_dev_minor), m.device.minor());
    r.0
}

/// `struct statfs`.
pub fn statfs(s: &StatFs) -> [u8; STATFS_SIZE] {
    let mut r = Record([0; STATFS_SIZE]);
    r.u64(offset_of!(raw::statfs, f_type), s.magic.into());
    r.u64(offset_of!(raw::statfs, f_bsize), BLOCK_SIZE);
    r.u64(offset_of!(raw::statfs, f_blocks), s.blocks);
    r.u64(offset_of!(raw::statfs, f_bfree), s.free_blocks);
    r.u64(offset_of!(raw::statfs, f_bavail), s.free_blocks);
    r.u64(offset_of!(raw::statfs, f_files), s.files);
    r.u64(offset_of!(raw::statfs, f_ffree), s.free_files);
    r.u64(offset_of!(raw::statfs, f_fsid), s.id);
    r.u64(offset_of!(raw::statfs, f_namelen), NAME_MAX);
    r.u64(offset_of!(raw::statfs, f_frsize), BLOCK_SIZE);
    // ST_VALID (statfs(2)): the flags are meant.
    r.u64(offset_of!(raw::statfs, f_flags), 0x20);
    r.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::metadata::{DeviceId, FileKind};

    fn word(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    }

    const FILE: Metadata = Metadata {
        device: DeviceId::new(0, 5),
        inode: 77,
        kind: FileKind::Regular,
        permissions: 0o644,
        links: 2,
        uid: 3,
        gid: 4,
        rdev: DeviceId::NONE,
        size: 5000,
        blocks: 16,
        accessed: Time { seconds: 10, nanos: 11 },
        modified: Time { seconds: 20, nanos: 21 },
        changed: Time { seconds: 30, nanos: 31 },
        created: Time { seconds: 40, nanos: 41 },
    };

    /// The offsets here are those of the x86-64 psABI's `struct stat`, written down independently.
    #[test]
    fn stat_has_linux_layout() {
        let b = stat(&FILE);
        assert_eq!((word(&b, 0), word(&b, 8), word(&b, 16)), (5, 77, 2));
        assert_eq!(word(&b, 24), 0o100_644 | 3 << 32);
        assert_eq!((b[32], word(&b, 48), word(&b, 56), word(&b, 64)), (4, 5000, 4096, 16));
        assert_eq!((word(&b, 72), word(&b, 80), word(&b, 88), word(&b, 104)), (10, 11, 20, 30));
    }

    #[test]
    fn statx_has_linux_layout() {
        let b = statx(&FILE, true);
        assert_eq!(word(&b, 0), 0xfff | 4096 << 32);
        assert_eq!((word(&b, 8), word(&b, 0x20), word(&b, 0x28)), (0x2000, 77, 5000));
        assert_eq!(u16::from_le_bytes([b[0x1c], b[0x1d]]), 0o100_644);
        assert_eq!((word(&b, 0x40), word(&b, 0x50), word(&b, 0x60), word(&b, 0x70)), (10, 40, 30, 20));
        assert_eq!(word(&b, 0x88), 5 << 32);
    }

    #[test]
    fn statfs_has_linux_layout() {
        let b = statfs(&StatFs {
            magic: StatFs::TMPFS,
            blocks: 8,
            free_blocks: 3,
            files: 9,
            free_files: 4,
            id: 0,
        });
        assert_eq!((word(&b, 0), word(&b, 8), word(&b, 16)), (0x0102_1994, 4096, 8));
        assert_eq!((word(&b, 24), word(&b, 32), word(&b, 40), word(&b, 48)), (3, 3, 9, 4));
        assert_eq!((word(&b, 64), word(&b, 72)), (255, 4096));
    }
}
