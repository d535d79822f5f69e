//! What has been read ahead.
//!
//! Most programs read in order and in small pieces; `tar` 512 bytes at a time. So a read that begins where the last one has ended reads more than is
//! asked, and what the buffer holds of the disk serves reads until it is used for something else. It is never old: nobody but this server
//! writes to the disk, and each write goes through the buffer.

use core::cell::Cell;

/// Bytes that are read where a program reads in order.
const AHEAD: usize = 64 << 10;

/// What the buffer holds.
#[derive(Default)]
pub(super) struct Ahead {
    /// The byte of the disk that is at the buffer's beginning, and how many are there from it on.
    held: Cell<(u64, usize)>,
    /// The byte behind the last one that was read.
    next: Cell<u64>,
}

impl Ahead {
    /// The buffer is about to hold something else.
    pub fn forget(&self) {
        self.held.set((0, 0));
    }

    /// The buffer begins with `len` bytes from byte `offset` of the disk on.
    pub fn hold(&self, offset: u64, len: usize) {
        self.held.set((offset, len));
    }

    /// Where in the buffer `len` bytes from byte `offset` of the disk on are, if they are.
    pub fn find(&self, offset: u64, len: usize) -> Option<usize> {
        let (first, held) = self.held.get();
        let at = usize::try_from(offset.checked_sub(first)?).ok()?;
        (at.checked_add(len)? <= held).then_some(at)
    }

    /// Bytes to be read when `len` are asked for from byte `offset` on.
    pub fn wanted(&self, offset: u64, len: usize) -> usize {
        if offset == self.next.get() { len.max(AHEAD) } else { len }
    }

    /// A read has ended before byte `offset`.
    pub fn read_to(&self, offset: u64) {
        self.next.set(offset);
    }
}
