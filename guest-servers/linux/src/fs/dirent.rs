//! Reading directories.

use alloc::rc::Rc;
use core::cell::Cell;

use super::context::FsContext;
use super::dentry::Dentry;
use super::inode::{DirEntry, FIRST_ENTRY};
use super::metadata::FileKind;
use crate::errno::{Errno, Result};

/// Reports the entries of `dir` from position `offset` on until `each` returns false, and moves the position behind the
/// last one that it took.
pub(crate) fn read_dir(
    dir: &Rc<Dentry>,
    offset: &Cell<u64>,
    ctx: &FsContext<'_>,
    each: &mut dyn FnMut(DirEntry<'_>) -> bool,
) -> Result<()> {
    let directory = dir.inode().as_dir().ok_or(Errno::ENOTDIR)?;
    let parent = dir.parent().unwrap_or_else(|| dir.clone());
    // A directory that was removed has not even these two.
    if dir.is_deleted() {
        return Err(Errno::ENOENT);
    }
    let mut wanted = true;
    let mut report = |entry: DirEntry<'_>| {
        let next = entry.next;
        wanted = each(entry);
        if wanted {
            offset.set(next);
        }
        wanted
    };
    for (position, name, dentry) in [(0, &b"."[..], dir), (1, b"..", &parent)] {
        if offset.get() == position {
            let inode = dentry.inode().metadata().inode;
            if !report(DirEntry { inode, kind: FileKind::Directory, name, next: position + 1 }) {
                return Ok(());
            }
        }
    }
    directory.read(offset.get().max(FIRST_ENTRY), ctx, &mut report)
}

/// Bytes that an entry with a name of `len` bytes takes in `struct linux_dirent64`: 19 before the name, its NUL, and padding to a multiple of 8.
pub const fn record_size(len: usize) -> usize {
    (DIRENT_NAME + len + 1).next_multiple_of(8)
}

/// Offset of `d_name` in `struct linux_dirent64`.
const DIRENT_NAME: usize = 19;

/// Writes an entry as `struct linux_dirent64` (getdents64(2)) to the front of `out`, if it fits. Returns its size.
pub fn encode(entry: &DirEntry<'_>, out: &mut [u8]) -> Option<usize> {
    let size = record_size(entry.name.len());
    let record = out.get_mut(..size)?;
    record[0..8].copy_from_slice(&entry.inode.to_le_bytes());
    record[8..16].copy_from_slice(&entry.next.to_le_bytes());
    record[16..18].copy_from_slice(&(size as u16).to_le_bytes());
    record[18] = entry.kind.dirent_type();
    record[DIRENT_NAME..DIRENT_NAME + entry.name.len()].copy_from_slice(entry.name);
    record[DIRENT_NAME + entry.name.len()..].fill(0);
    Some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_linux_layout() {
        let mut out = [0xff; 64];
        let entry = DirEntry { inode: 7, kind: FileKind::Regular, name: b"hello", next: 9 };
        assert_eq!(encode(&entry, &mut out), Some(32));
        assert_eq!(&out[..8], &7u64.to_le_bytes());
        assert_eq!(&out[8..16], &9u64.to_le_bytes());
        assert_eq!(&out[16..19], &[32, 0, 8]);
        assert_eq!(&out[19..32], b"hello\0\0\0\0\0\0\0\0");
        assert_eq!(encode(&entry, &mut out[..31]), None);
        assert_eq!(record_size(4), 24);
        assert_eq!(record_size(5), 32);
    }
}
