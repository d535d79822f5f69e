//! Copying an address space.
//!
//! Frames are shared and copied when one side writes. That costs both sides a fault a block later, and the parent its
//! right to write, so a small program's writable pages are copied at once: a page is copied in less than a microsecond, a fault
//! may cost a hundred. Only what goes beyond [`COPY_AT_ONCE`] pages is left to copy-on-write.

use super::space::{Page, Space};
use super::span::Span;
use super::vma::Vma;
use super::{PAGE, TaskHandle};
use crate::errno::Errno;
use crate::frames::Frame;
use alloc::rc::Rc;
use alloc::vec::Vec;
use ukernel_abi::Rights;

/// Private writable pages up to which fork copies them at once (512 KiB).
pub const COPY_AT_ONCE: usize = 128;
/// Frames that must be left after copying.
const KEEP_FREE: usize = 2048;

impl Space {
    /// A copy of this space, for a task that does not exist yet.
    pub fn fork(&mut self) -> Result<Space, Errno> {
        self.fork_with_limit(COPY_AT_ONCE)
    }

    /// As [`Space::fork`], copying at once up to `limit` pages.
    pub fn fork_with_limit(&mut self, limit: usize) -> Result<Space, Errno> {
        let mut child = Space::new(self.frames.clone(), TaskHandle::new(Rc::clone(&self.task().machine)));
        child.vmas = self.vmas.clone();
        (child.brk_start, child.brk, child.mmap_top) = (self.brk_start, self.brk, self.mmap_top);
        child.stack_limit = self.stack_limit;

        let writable = self.private_writable_pages();
        let copies = writable.len() <= limit && self.frames.free_frames() > writable.len() + KEEP_FREE;
        let mut copied = if copies { self.copies(&writable)? } else { Vec::new() }.into_iter().peekable();
        for (number, page) in self.pages.iter() {
            let copy = copied.next_if(|(at, _)| *at == number);
            let frame = copy.map_or_else(|| page.frame.clone(), |(_, frame)| frame);
            child.pages.insert(number, Page::new(frame));
        }
        if !copies {
            self.revoke_private_writes();
        }
        Ok(child)
    }

    /// Numbers of the pages that would have to be copied when one side writes to them.
    fn private_writable_pages(&self) -> Vec<u64> {
        let mut out = Vec::new();
        for vma in self.vmas.values().filter(|v| is_private_writable(v)) {
            let pages = self.pages.range(vma.span.numbers());
            out.extend(pages.filter(|(_, p)| p.is_exclusive()).map(|(number, _)| number));
        }
        out
    }

    /// Copies of pages, those of neighbours in neighbouring frames, so that few flexpages map them.
    fn copies(&self, numbers: &[u64]) -> Result<Vec<(u64, Frame)>, Errno> {
        let mut out = Vec::with_capacity(numbers.len());
        let mut rest = numbers;
        while let Some(&first) = rest.first() {
            let n = aligned_run(rest);
            let frames = match self.frames.alloc_run_to_overwrite(n, n * PAGE as usize) {
                Ok(frames) => frames,
                Err(_) => {
                    (0..n).map(|_| self.frames.alloc_to_overwrite()).collect::<Result<Vec<Frame>, _>>()?
                }
            };
            let originals = self.pages.range(first..first + n as u64);
            for (frame, (number, page)) in frames.into_iter().zip(originals) {
                frame.copy_from(&page.frame);
                out.push((number, frame));
            }
            rest = &rest[n..];
        }
        Ok(out)
    }

    /// Takes the right to write private pages from the parent, with one call to the µ-kernel. Shared pages lose it
    /// too, and get it back at the next fault: that is cheaper than leaving them out.
    fn revoke_private_writes(&mut self) {
        let mapped = |p: &Page| p.mapped.contains(Rights::W);
        let mut writable = self.pages.iter().filter(|(_, p)| mapped(p)).map(|(number, _)| number);
        let Some(first) = writable.next() else { return };
        let last = writable.last().unwrap_or(first);
        if let Some(span) = Span::between(first * PAGE, (last + 1) * PAGE) {
            self.revoke(span, Rights::W);
        }
    }
}

fn is_private_writable(vma: &Vma) -> bool {
    !vma.backing.is_shared() && vma.prot.rights().contains(Rights::W)
}

/// How many pages from the first on are a naturally aligned block: a power of two, at most 16.
fn aligned_run(numbers: &[u64]) -> usize {
    let mut n = 1;
    while n < 16 {
        let next = 2 * n;
        let aligned = numbers[0].is_multiple_of(next as u64);
        let consecutive = numbers.len() >= next && (0..next).all(|i| numbers[i] == numbers[0] + i as u64);
        if !aligned || !consecutive {
            break;
        }
        n = next;
    }
    n
}
