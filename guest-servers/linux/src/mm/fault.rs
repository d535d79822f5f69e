//! Making a page present, and fit for what is to be done with it.
//!
//! Programs fault pages in, and so does the server when it reads or writes their memory: both come here. A fault costs
//! the program a thousand times what it costs the server to clear or copy a page; so more is made than was asked for, in
//! naturally aligned blocks of
//! neighbouring frames that one flexpage can map:
//!
//! - anonymous memory grows by a quarter of what the program has, from [`ANON_MIN`] to [`ANON_MAX`] pages at a time;
//! - a write to a shared page copies all such pages of its block of [`COPY_BLOCK`] pages;
//! - small writable private file areas (a program's data) are copied when they are first touched, even by a read.

use super::PAGE;
use super::file::MappedFile;
use super::space::{Page, Space};
use super::span::Span;
use super::vma::{Backing, SharedPages, Vma};
use crate::errno::Errno;
use crate::frames::Frame;
use alloc::vec::Vec;
use ukernel_abi::Rights;

/// Pages of anonymous memory made at one fault.
const ANON_MIN: u64 = 4;
const ANON_MAX: u64 = 512;
/// Pages copied at one fault.
const COPY_BLOCK: u64 = 16;
/// Writable private file areas up to this many pages are copied at first touch.
const EAGER_COPY_AREA: u64 = 64;
/// Pages below which nothing is done ahead.
const LOW_MEMORY: u64 = 1024;
/// Bytes kept free between the stack and what is mapped below it.
const STACK_GUARD: u64 = 256 * PAGE;
/// The stack grows by this much at least.
const STACK_STEP: u64 = 16 * PAGE;

/// Why a page cannot be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultError {
    /// There is nothing at the address.
    NoMapping,
    /// There is, but it may not be used so.
    Denied,
    /// Beyond the end of the file, or its content cannot be read.
    Bus,
    NoMemory,
}

impl From<Errno> for FaultError {
    fn from(e: Errno) -> Self {
        if e == Errno::ENOMEM { Self::NoMemory } else { Self::Bus }
    }
}

impl Space {
    /// Makes the page at `addr` present such that `access` is possible. Returns the block of pages that was made or changed
    /// for that, which holds `addr`. The program may still have frames in it that were replaced: the caller sees to
    /// [`Space::flush_stale`].
    pub(super) fn ensure(&mut self, addr: u64, access: Rights) -> Result<Span, FaultError> {
        let page = Span::page_of(addr).ok_or(FaultError::NoMapping)?;
        let vma = match self.vma_at(addr) {
            Some(vma) => vma.clone(),
            None => self.grow_stack(addr)?,
        };
        if !vma.prot.rights().contains(access) {
            return Err(FaultError::Denied);
        }
        let write = access.contains(Rights::W);
        match self.pages.get(page.start() / PAGE) {
            None => self.populate(&vma, page, write),
            Some(p) if write && !vma.backing.is_shared() && !p.is_exclusive() => self.copy_block(&vma, page),
            Some(_) => Ok(page),
        }
    }

    /// The frame at `addr`, for the server's own use, if the program could use it so without a fault: what it has been given and not been deprived
    /// of, the server may use, too.
    pub fn frame_at_hand(&self, addr: u64, access: Rights) -> Option<&Frame> {
        self.page(addr).filter(|page| page.mapped.contains(access) && !page.stale).map(|page| &page.frame)
    }

    /// The frame at `addr`, for the server's own use.
    pub fn frame(&mut self, addr: u64, access: Rights) -> Result<Frame, FaultError> {
        let made = self.ensure(addr, access)?;
        self.flush_stale(made);
        self.page(addr).map(|p| p.frame.clone()).ok_or(FaultError::NoMapping)
    }

    fn is_low(&self) -> bool {
        (self.frames.free_frames() as u64) < LOW_MEMORY
    }

    fn populate(&mut self, vma: &Vma, page: Span, write: bool) -> Result<Span, FaultError> {
        match &vma.backing {
            Backing::Anonymous => self.populate_anonymous(vma, page),
            Backing::Shared { pages, offset } => {
                let frame =
                    self.shared_frame(pages, (page.start() - vma.span.start()).wrapping_add(*offset))?;
                self.pages.insert(page.start() / PAGE, Page::new(frame));
                Ok(page)
            }
            Backing::File { file, offset, shared } => {
                let eager = vma.prot.rights().contains(Rights::W) && vma.span.pages() <= EAGER_COPY_AREA;
                if !shared && (write || eager) {
                    return self.populate_copies(vma, file, *offset, page);
                }
                let frame = file.source.page(file_index(vma, *offset, page.start()))?;
                self.pages.insert(page.start() / PAGE, Page::new(frame));
                Ok(page)
            }
        }
    }

    fn populate_anonymous(&mut self, vma: &Vma, page: Span) -> Result<Span, FaultError> {
        let mut n = if self.is_low() { 1 } else { anon_pages(self.resident()) };
        // The largest aligned block in the area that has no page yet.
        while n > 1 {
            let block = vma.span.block_around(page.start(), n * PAGE);
            if let Some(block) = block
                && block.pages() == n
                && self.pages.range(block.numbers()).next().is_none()
                && let Ok(frames) = self.frames.alloc_run(n as usize, (n * PAGE) as usize)
            {
                self.pages.insert_run(block.start() / PAGE, frames.into_iter().map(Page::new));
                return Ok(block);
            }
            n /= 2;
        }
        let frame = self.frames.alloc_zeroed()?;
        self.pages.insert(page.start() / PAGE, Page::new(frame));
        Ok(page)
    }

    fn shared_frame(&self, pages: &SharedPages, offset: u64) -> Result<Frame, FaultError> {
        let mut pages = pages.borrow_mut();
        if let Some(frame) = pages.get(&(offset / PAGE)) {
            return Ok(frame.clone());
        }
        let frame = self.frames.alloc_zeroed()?;
        pages.insert(offset / PAGE, frame.clone());
        Ok(frame)
    }

    /// Copies of file pages: the one that is wanted, and its neighbours as far as the file goes.
    fn populate_copies(
        &mut self,
        vma: &Vma,
        file: &MappedFile,
        offset: u64,
        page: Span,
    ) -> Result<Span, FaultError> {
        let wanted = file.source.page(file_index(vma, offset, page.start()))?;
        let copy = self.copy_of(&wanted)?;
        self.pages.insert(page.start() / PAGE, Page::new(copy));
        if self.is_low() {
            return Ok(page);
        }
        let block = vma.span.block_around(page.start(), COPY_BLOCK * PAGE).unwrap_or(page);
        let pages = file.source.pages();
        for addr in (block.start()..block.end()).step_by(PAGE as usize) {
            let index = file_index(vma, offset, addr);
            if self.pages.contains(addr / PAGE) || index >= pages {
                continue;
            }
            let Ok(frame) = file.source.page(index) else { continue };
            let Ok(copy) = self.copy_of(&frame) else { break };
            self.pages.insert(addr / PAGE, Page::new(copy));
        }
        Ok(block)
    }

    pub(super) fn copy_of(&self, frame: &Frame) -> Result<Frame, Errno> {
        let copy = self.frames.alloc_to_overwrite()?;
        copy.copy_from(frame);
        Ok(copy)
    }

    /// Gives the program copies of its own of a shared page and of the shared pages around it.
    fn copy_block(&mut self, vma: &Vma, page: Span) -> Result<Span, FaultError> {
        let block = if self.is_low() {
            page
        } else {
            vma.span.block_around(page.start(), COPY_BLOCK * PAGE).unwrap_or(page)
        };
        let shared = |(number, p): (u64, &Page)| (!p.is_exclusive()).then_some(number);
        let numbers: Vec<u64> = self.pages.range(block.numbers()).filter_map(shared).collect();
        // File pages stay as they are until they are written: there may be many, and most are only read.
        let is_file = matches!(vma.backing, Backing::File { .. });
        for number in numbers {
            let is_wanted = number * PAGE == page.start();
            if is_file && !is_wanted {
                continue;
            }
            let Some(old) = self.pages.get(number).map(|p| p.frame.clone()) else { continue };
            match self.copy_of(&old) {
                Ok(copy) => self.replace(number, copy),
                Err(e) if is_wanted => return Err(e.into()),
                Err(_) => {}
            }
        }
        Ok(block)
    }

    /// Puts another frame in the place of a page's.
    fn replace(&mut self, number: u64, frame: Frame) {
        let mapped = self.pages.get(number).map_or(Rights::NONE, |p| p.mapped);
        self.pages.insert(number, Page { frame, mapped, stale: !mapped.is_empty() });
    }

    /// Makes the stack longer if `addr` is where it may grow to.
    fn grow_stack(&mut self, addr: u64) -> Result<Vma, FaultError> {
        let (_, vma) = self.vmas.range(addr..).next().ok_or(FaultError::NoMapping)?;
        let end = vma.span.end();
        let lowest = end.saturating_sub(self.stack_limit).next_multiple_of(PAGE);
        if !vma.grows_down || addr < lowest {
            return Err(FaultError::NoMapping);
        }
        let below = self.vmas.range(..addr).next_back().map_or(0, |(_, v)| v.span.end());
        let floor = lowest.max(below.saturating_add(STACK_GUARD));
        let start = (addr & !(STACK_STEP - 1)).max(floor);
        if start > addr {
            return Err(FaultError::NoMapping);
        }
        let span = Span::between(start, end).ok_or(FaultError::NoMapping)?;
        let mut grown = vma.clone();
        grown.span = span;
        self.vmas.remove(&vma.span.start().clone());
        self.vmas.insert(start, grown.clone());
        Ok(grown)
    }
}

/// The page of the file that is behind `addr`.
pub(super) fn file_index(vma: &Vma, offset: u64, addr: u64) -> u64 {
    (addr - vma.span.start()).wrapping_add(offset) / PAGE
}

/// How many pages to make for a program that has `resident`: a power of two.
fn anon_pages(resident: u64) -> u64 {
    let quarter = (resident / 4).max(1);
    (1 << quarter.ilog2()).clamp(ANON_MIN, ANON_MAX)
}
