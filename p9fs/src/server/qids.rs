//! Which file a file is, for the client.
//!
//! Clients tell files apart by 64 bits; here it is a device and an inode. So the device of the folder shared stands for itself, and those of other
//! file systems below it (mount points) change the upper bits of their inodes, which few file systems use. Two files of different file systems
//! may still have the same qid, if their inodes are so odd; then a client that caches would mix up what they contain.

use crate::share::node::Identity;
use crate::share::{Kind, Share};
use crate::wire::{Qid, qid};
use rustix::fs::{FileType, Statx};

/// The qid of a file.
pub fn of(share: &Share, stat: &Statx) -> Qid {
    let kind = kind(FileType::from_raw_mode(stat.stx_mode.into()).into());
    Qid { kind, version: version(stat), path: path(share, Identity::of(stat)) }
}

/// The qid in an entry of a folder, where there is no version, and not always a kind: then it is a file's. Linux takes only the path of it.
pub fn of_entry(share: &Share, device: (u32, u32), inode: u64, of: Kind) -> Qid {
    Qid { kind: kind(of), version: 1, path: path(share, Identity { device, inode }) }
}

fn kind(kind: Kind) -> u8 {
    match kind {
        Kind::Folder => qid::DIRECTORY,
        Kind::Symlink => qid::SYMLINK,
        Kind::Regular | Kind::Special => qid::FILE,
    }
}

/// Changes when the file does: the time of its last change, by all its bits.
fn version(stat: &Statx) -> u32 {
    let changed = &stat.stx_ctime;
    let mixed = (changed.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(changed.tv_nsec.into());
    ((mixed ^ (mixed >> 32)) as u32).max(1)
}

fn path(share: &Share, file: Identity) -> u64 {
    if file.device == share.root().identity().device {
        return file.inode;
    }
    let (major, minor) = file.device;
    // Fibonacci hashing; the lowest of the upper bits makes sure that it is not the folder's own device.
    let tag = (u64::from(major) << 32 | u64::from(minor)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    file.inode ^ (tag & 0xfffe_0000_0000_0000 | 1 << 48)
}
