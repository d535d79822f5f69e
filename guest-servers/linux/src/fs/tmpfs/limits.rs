//! What a file system in memory may use, and does.

use core::cell::Cell;

use crate::errno::{Errno, Result};
use crate::frames::{Frame, FramePool};
use crate::fs::statfs::StatFs;

/// Counts the frames and inodes of one file system.
pub struct Limits {
    pool: FramePool,
    max_frames: usize,
    max_inodes: usize,
    frames: Cell<usize>,
    inodes: Cell<usize>,
}

/// Share of all frames that files leave to programs whatever their own limit says.
const LEFT_TO_PROGRAMS: usize = 16;

impl Limits {
    /// Half of the pool's frames, and one inode for every second frame.
    pub fn new(pool: FramePool) -> Self {
        let half = pool.total() / 2;
        Self { pool, max_frames: half, max_inodes: half, frames: Cell::new(0), inodes: Cell::new(0) }
    }

    pub fn take_inode(&self) -> Result<()> {
        if self.inodes.get() >= self.max_inodes {
            return Err(Errno::ENOSPC);
        }
        self.inodes.set(self.inodes.get() + 1);
        Ok(())
    }

    pub fn give_inode(&self) {
        self.inodes.set(self.inodes.get() - 1);
    }

    /// A frame of zeros for a file. ENOSPC.
    pub fn take_frame(&self) -> Result<Frame> {
        self.check(1)?;
        self.charge(self.pool.alloc_zeroed(), 1)
    }

    /// As [`take_frame`](Self::take_frame), for a caller who overwrites it all.
    pub fn take_frame_to_overwrite(&self) -> Result<Frame> {
        self.check(1)?;
        self.charge(self.pool.alloc_to_overwrite(), 1)
    }

    /// `n` frames in a row that the caller overwrites. ENOSPC.
    pub fn take_run_to_overwrite(&self, n: usize, align: usize) -> Result<alloc::vec::Vec<Frame>> {
        self.check(n)?;
        self.charge(self.pool.alloc_run_to_overwrite(n, align), n)
    }

    pub fn give_frames(&self, n: usize) {
        self.frames.set(self.frames.get() - n);
    }

    pub fn statfs(&self) -> StatFs {
        StatFs {
            magic: StatFs::TMPFS,
            blocks: self.max_frames as u64,
            free_blocks: self.max_frames.saturating_sub(self.frames.get()).min(self.spare()) as u64,
            files: self.max_inodes as u64,
            free_files: (self.max_inodes - self.inodes.get()) as u64,
            id: 0,
        }
    }

    /// Frames of the pool that files could still take.
    fn spare(&self) -> usize {
        self.pool.free_frames().saturating_sub(self.pool.total() / LEFT_TO_PROGRAMS)
    }

    fn check(&self, n: usize) -> Result<()> {
        let within = self.frames.get().checked_add(n).is_some_and(|frames| frames <= self.max_frames);
        if within && n <= self.spare() { Ok(()) } else { Err(Errno::ENOSPC) }
    }

    fn charge<T>(&self, frames: Result<T>, n: usize) -> Result<T> {
        let frames = frames.map_err(|_| Errno::ENOSPC)?;
        self.frames.set(self.frames.get() + n);
        Ok(frames)
    }
}
