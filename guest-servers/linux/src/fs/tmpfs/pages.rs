//! The content of a file: its size and those of its pages that were ever written.

use crate::buf;
use crate::errno::{Errno, Result};
use crate::frames::{FRAME_SIZE, Frame};
use crate::sparse::Sparse;

/// The largest size of a file (Linux: `MAX_LFS_FILESIZE`, as offsets are signed).
pub const MAX_SIZE: u64 = i64::MAX as u64;

const PAGE: u64 = FRAME_SIZE as u64;

/// Pages that are missing read as zeros. Bytes of the last page beyond the size are zero.
#[derive(Default)]
pub struct Pages {
    size: u64,
    frames: Sparse<Frame>,
}

impl Pages {
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Frames in use.
    pub fn frames(&self) -> usize {
        self.frames.count()
    }

    pub fn get(&self, index: u64) -> Option<Frame> {
        self.frames.get(index).cloned()
    }

    /// Adds a page that was missing.
    pub fn insert(&mut self, index: u64, frame: Frame) {
        debug_assert!(!self.frames.contains(index), "page {index} is there");
        self.frames.insert(index, frame);
    }

    /// Makes the file reach at least to `end`.
    pub fn extend(&mut self, end: u64) {
        self.size = self.size.max(end);
    }

    /// Sets the size. Returns the number of frames that were given up. EFBIG.
    pub fn resize(&mut self, size: u64) -> Result<usize> {
        if size > MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        let mut given = 0;
        if size < self.size {
            given = self.frames.remove_range(size.div_ceil(PAGE)..u64::MAX);
            self.clear_within(size, size.next_multiple_of(PAGE));
        }
        self.size = size;
        Ok(given)
    }

    /// Makes a range read as zeros. Returns the number of frames that were given up.
    pub fn punch(&mut self, start: u64, end: u64) -> usize {
        let (first, last) = (start.div_ceil(PAGE), end / PAGE);
        if first > last {
            self.clear_within(start, end);
            return 0;
        }
        self.clear_within(start, first * PAGE);
        self.clear_within(last * PAGE, end);
        self.frames.remove_range(first..last)
    }

    /// Clears bytes that lie in one page.
    fn clear_within(&self, start: u64, end: u64) {
        if start < end
            && let Some(frame) = self.frames.get(start / PAGE)
        {
            let from = (start % PAGE) as usize;
            buf::fill_cells(&frame.cells()[from..from + (end - start) as usize], 0);
        }
    }

    /// The first offset from `from` on that has a page (`data`) or has none; the end of the file counts as a hole. ENXIO.
    pub fn seek(&self, from: u64, data: bool) -> Result<u64> {
        let page = from / PAGE;
        if data {
            let next = self.frames.range(page..u64::MAX).next().ok_or(Errno::ENXIO)?;
            return Ok((next.0 * PAGE).max(from));
        }
        let mut hole = page;
        for (index, _) in self.frames.range(page..u64::MAX) {
            if index != hole {
                break;
            }
            hole += 1;
        }
        Ok((hole * PAGE).max(from).min(self.size))
    }
}
