//! Reading and writing regular files.
//!
//! No borrow of the pages is held while bytes are copied: the program's memory may be a mapping of the same file, and a
//! fault on it comes back here.

use alloc::rc::Rc;
use alloc::vec::Vec;

use super::limits::Limits;
use super::node::Node;
use super::pages::MAX_SIZE;
use crate::buf::{self, Sink, Source};
use crate::errno::{Errno, Result};
use crate::frames::{FRAME_SIZE, Frame, SUPERPAGE_FRAMES};
use crate::fs::file::{FileOps, Io};
use crate::fs::metadata::Time;

const PAGE: u64 = FRAME_SIZE as u64;
/// With fewer pages than this a run of contiguous frames is not worth looking for.
const WORTH_A_RUN: usize = 4;

pub(super) struct RegularFile(pub(super) Rc<Node>);

/// New frames for a large write: contiguous and aligned where that can be had, because they can then be mapped
/// with large pages.
#[derive(Default)]
struct Run {
    /// The last one comes first.
    frames: Vec<Frame>,
    failed: bool,
}

impl Run {
    /// A frame to overwrite, for a write that still covers `left` whole pages.
    fn next(&mut self, limits: &Limits, left: usize) -> Result<Frame> {
        if self.frames.is_empty() && !self.failed && left >= WORTH_A_RUN {
            let n = left.min(SUPERPAGE_FRAMES);
            self.frames =
                limits.take_run_to_overwrite(n, n.next_power_of_two() * FRAME_SIZE).unwrap_or_default();
            self.frames.reverse();
            self.failed = self.frames.is_empty();
        }
        self.frames.pop().map_or_else(|| limits.take_frame_to_overwrite(), Ok)
    }

    fn give_back(self, limits: &Limits) {
        limits.give_frames(self.frames.len());
    }
}

impl Node {
    /// Page `index`, made if it is missing.
    pub(super) fn frame_for_write(&self, index: u64) -> Result<Frame> {
        let pages = self.pages()?;
        if let Some(frame) = pages.borrow().get(index) {
            return Ok(frame);
        }
        let frame = self.fs.limits.take_frame()?;
        pages.borrow_mut().insert(index, frame.clone());
        Ok(frame)
    }

    /// A missing page that a write covers as a whole: filled before anybody can see it.
    fn fill_new_page(&self, index: u64, frame: Frame, source: &mut dyn Source) -> Result<usize> {
        let n = source.take_cells(frame.cells()).inspect_err(|_| self.fs.limits.give_frames(1))?;
        buf::fill_cells(&frame.cells()[n..], 0);
        let mut pages = self.pages()?.borrow_mut();
        // The copy may have faulted this very page in.
        if let Some(there) = pages.get(index) {
            there.copy_from(&frame);
            self.fs.limits.give_frames(1);
        } else {
            pages.insert(index, frame);
        }
        Ok(n)
    }

    /// Writes what lies in one page.
    fn write_page(&self, offset: u64, source: &mut dyn Source, run: &mut Run) -> Result<usize> {
        let (index, start) = (offset / PAGE, (offset % PAGE) as usize);
        let len = (FRAME_SIZE - start).min(source.remaining()).min((MAX_SIZE - offset) as usize);
        let missing = self.pages()?.borrow().get(index).is_none();
        if missing && len == FRAME_SIZE {
            let frame = run.next(&self.fs.limits, source.remaining() / FRAME_SIZE)?;
            return self.fill_new_page(index, frame, source);
        }
        let frame = self.frame_for_write(index)?;
        source.take_cells(&frame.cells()[start..start + len])
    }

    fn write_at(&self, offset: u64, source: &mut dyn Source, now: Time) -> Result<usize> {
        if source.remaining() == 0 {
            return Ok(0);
        }
        if offset >= MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        let mut run = Run::default();
        let mut done = 0;
        while source.remaining() > 0 && offset + (done as u64) < MAX_SIZE {
            match self.write_page(offset + done as u64, source, &mut run) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if done == 0 => {
                    run.give_back(&self.fs.limits);
                    return Err(e);
                }
                Err(_) => break,
            }
            self.pages()?.borrow_mut().extend(offset + done as u64);
        }
        run.give_back(&self.fs.limits);
        self.touch_modified(now);
        Ok(done)
    }

    fn read_at(&self, offset: u64, sink: &mut dyn Sink, now: Time) -> Result<usize> {
        let mut done = 0;
        loop {
            let at = offset + done as u64;
            let pages = self.pages()?.borrow();
            let left = pages.size().saturating_sub(at);
            let start = (at % PAGE) as usize;
            let len =
                (FRAME_SIZE - start).min(usize::try_from(left).unwrap_or(usize::MAX)).min(sink.remaining());
            if len == 0 {
                break;
            }
            let frame = pages.get(at / PAGE);
            drop(pages);
            let copied = match frame {
                Some(frame) => sink.put_cells(&frame.cells()[start..start + len]),
                None => sink.put_zeros(len),
            };
            match copied {
                Ok(n) => {
                    done += n;
                    if n < len {
                        break;
                    }
                }
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            }
        }
        self.touch(|o| {
            // As with Linux's relatime: often enough to say "read since it was changed".
            let day_old = now.seconds - o.accessed.seconds >= 24 * 60 * 60;
            if o.accessed <= o.modified || o.accessed <= o.changed || day_old {
                o.accessed = now;
            }
        });
        Ok(done)
    }
}

impl FileOps for RegularFile {
    fn read(&self, io: &Io<'_>, sink: &mut dyn Sink) -> Result<usize> {
        self.0.read_at(io.offset, sink, io.caller.now())
    }

    fn write(&self, io: &Io<'_>, source: &mut dyn Source) -> Result<usize> {
        self.0.write_at(io.offset, source, io.caller.now())
    }

    fn readable_bytes(&self) -> Result<usize> {
        Ok(self.0.pages()?.borrow().size() as usize)
    }

    fn seek_data(&self, from: u64, data: bool) -> Result<u64> {
        self.0.pages()?.borrow().seek(from, data)
    }

    fn allocate(&self, range: core::ops::Range<u64>, punch: bool) -> Result<()> {
        let pages = self.0.pages()?;
        if punch {
            let end = range.end.min(pages.borrow().size().next_multiple_of(PAGE));
            if range.start < end {
                let given = pages.borrow_mut().punch(range.start, end);
                self.0.fs.limits.give_frames(given);
            }
            return Ok(());
        }
        for index in range.start / PAGE..range.end.div_ceil(PAGE) {
            self.0.frame_for_write(index)?;
        }
        Ok(())
    }
}
