//! What is in a folder.

use super::node::Kind;
use rustix::fs::{FileType, RawDir, SeekFrom};
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

/// An entry of a folder.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub name: &'a [u8],
    pub inode: u64,
    pub kind: Kind,
    /// Linux's number for the type (`DT_REG` and so on, 0 if the file system does not say).
    pub number: u8,
    /// Where the entry after this one is.
    pub next: u64,
}

/// What is given to the kernel to put entries into: at least, for the longest entry, and at most, bytes.
const LEAST: usize = 512;
const MOST: usize = 64 << 10;

/// Calls `each` for the entries of an open folder from the place `offset` on, which is 0 or an entry's `next`, until it returns
/// `false`. About `enough` bytes of names are looked at in one go.
pub fn list(
    folder: impl AsFd,
    offset: u64,
    enough: usize,
    scratch: &mut Vec<MaybeUninit<u8>>,
    mut each: impl FnMut(Entry<'_>) -> bool,
) -> Result<(), Errno> {
    rustix::fs::seek(&folder, SeekFrom::Start(offset))?;
    let size = enough.clamp(LEAST, MOST);
    if scratch.len() < size {
        scratch.resize(size, MaybeUninit::uninit());
    }
    let mut entries = RawDir::new(&folder, &mut scratch[..size]);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let kind = entry.file_type();
        let more = each(Entry {
            name: entry.file_name().to_bytes(),
            inode: entry.ino(),
            kind: kind.into(),
            number: number(kind),
            next: entry.next_entry_cookie(),
        });
        if !more {
            break;
        }
    }
    Ok(())
}

/// The type as it is in a directory entry of Linux: bits 12 to 15 of a mode.
fn number(kind: FileType) -> u8 {
    match kind {
        FileType::Unknown => 0,
        known => (known.as_raw_mode() >> 12) as u8,
    }
}
