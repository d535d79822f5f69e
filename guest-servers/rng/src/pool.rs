//! Bytes that are kept for those who want only a few: they come at once, without the device.

use driver::{Memory, Part};
use proto::text::{Bytes, MAX};

/// Bytes that the device is asked for at once.
pub const BYTES: usize = 1024;

/// A supply of random bytes. No byte is handed out twice.
pub struct Pool<M> {
    memory: M,
    /// Bytes in the memory that have not been handed out: those before `left`.
    left: usize,
}

impl<M: Memory> Pool<M> {
    /// Empty; of its memory the first [`BYTES`] are used.
    pub const fn new(memory: M) -> Self {
        Self { memory, left: 0 }
    }

    /// Whether there are too few bytes for the longest answer.
    pub const fn is_low(&self) -> bool {
        self.left < MAX
    }

    /// Where the device is to write. What was left is lost: the device may be changing it.
    pub fn empty(&mut self) -> Part {
        self.left = 0;
        Part::writable(self.memory.phys(), BYTES.min(self.memory.size()) as u32)
    }

    /// The device has written so many.
    pub fn filled(&mut self, written: u32) {
        self.left = (written as usize).min(BYTES).min(self.memory.size());
    }

    /// `count` bytes, at most [`MAX`]; `None` if there are too few.
    pub fn take(&mut self, count: usize) -> Option<Bytes> {
        let mut bytes = [0; MAX];
        let bytes = bytes.get_mut(..count)?;
        let at = self.left.checked_sub(count)?;
        self.memory.read(at, bytes);
        // Whoever reads the memory later does not learn what others got.
        self.memory.write(at, &[0; MAX][..count]);
        self.left = at;
        Some(Bytes::split(bytes).0)
    }
}
