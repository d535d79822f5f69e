//! ioctl of a disk: what `blockdev` and programs that make file systems ask for.

use crate::disk::Disk;
use crate::disk::drive::SECTOR;
use crate::errno::Errno;
use crate::syscall::{Ctx, SysResult};
use linux_raw_sys::ioctl::*;

/// Largest block that Linux would use of a disk: a page.
const BLOCK_MAX: u64 = 4096;

pub(super) fn disk_ioctl(c: &Ctx, disk: &Disk, request: u32, arg: u64) -> SysResult {
    let (user, facts) = (c.user(), disk.facts());
    match request {
        BLKGETSIZE64 => user.write_u64(arg, disk.size())?,
        BLKGETSIZE => user.write_u64(arg, disk.size() / SECTOR as u64)?,
        BLKSSZGET | BLKPBSZGET => user.write_u32(arg, facts.block_size)?,
        BLKBSZGET => user.write_u32(arg, block_size(disk))?,
        BLKROGET => user.write_u32(arg, facts.read_only.into())?,
        // There is nothing in memory that would have to be written, or forgotten.
        BLKFLSBUF if c.proc.credentials.borrow().is_root() => {}
        BLKFLSBUF => return Err(Errno::EACCES),
        _ => return Err(Errno::ENOTTY),
    }
    Ok(0)
}

/// The largest block of which the disk has a whole number, but not less than it writes at once.
fn block_size(disk: &Disk) -> u32 {
    let fits = 1 << disk.size().trailing_zeros().min(BLOCK_MAX.trailing_zeros());
    disk.facts().block_size.max(fits)
}
