//! The areas and pages of one address space.

use super::TaskHandle;
use super::around::Sequence;
use super::span::Span;
use super::vma::Vma;
use super::{MMAP_MIN, PAGE, TASK_SIZE};
use crate::errno::Errno;
use crate::frames::{Frame, FramePool};
use crate::sparse::Sparse;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use ukernel_abi::Rights;

/// Most areas that a program may have (`vm.max_map_count`).
pub const MAX_VMAS: usize = 65530;

/// A page that is there.
pub struct Page {
    pub frame: Frame,
    /// What the program has been given at this address, at most.
    pub mapped: Rights,
    /// What it has been given is another frame, which this one has replaced.
    pub stale: bool,
}

impl Page {
    pub fn new(frame: Frame) -> Self {
        Self { frame, mapped: Rights::NONE, stale: false }
    }
    /// Nobody else has the frame: it may be written without being copied.
    pub fn is_exclusive(&self) -> bool {
        self.frame.refs() == 1
    }
}

/// One address space.
pub struct Space {
    pub(super) frames: FramePool,
    pub(super) task: TaskHandle,
    /// By start address; they do not overlap.
    pub(super) vmas: BTreeMap<u64, Vma>,
    /// By number. Every page lies in an area.
    pub(super) pages: Sparse<Page>,
    pub brk_start: u64,
    pub brk: u64,
    /// Mappings without a wish are put below this address.
    pub mmap_top: u64,
    /// How far the stack may grow (RLIMIT_STACK), bytes.
    pub stack_limit: u64,
    /// Page faults answered.
    pub fault_count: u64,
    pub(super) sequence: Sequence,
}

impl Space {
    pub fn new(frames: FramePool, task: TaskHandle) -> Self {
        Self {
            frames,
            task,
            vmas: BTreeMap::new(),
            pages: Sparse::default(),
            brk_start: 0,
            brk: 0,
            mmap_top: TASK_SIZE,
            stack_limit: 8 << 20,
            fault_count: 0,
            sequence: Sequence::default(),
        }
    }

    pub fn task(&self) -> &TaskHandle {
        &self.task
    }

    /// The area that `addr` is in.
    pub fn vma_at(&self, addr: u64) -> Option<&Vma> {
        let (_, vma) = self.vmas.range(..=addr).next_back()?;
        vma.span.contains(addr).then_some(vma)
    }

    /// Areas that overlap `span`, in order.
    pub fn vmas_in(&self, span: Span) -> impl Iterator<Item = &Vma> {
        let first = self.vma_at(span.start()).map_or(span.start(), |v| v.span.start());
        self.vmas.range(first..span.end()).map(|(_, v)| v)
    }

    pub fn all_vmas(&self) -> impl Iterator<Item = &Vma> {
        self.vmas.values()
    }

    /// Whether every page of `span` is in some area.
    pub fn is_covered(&self, span: Span) -> bool {
        let mut at = span.start();
        for vma in self.vmas_in(span) {
            if vma.span.start() > at {
                return false;
            }
            at = vma.span.end();
        }
        at >= span.end()
    }

    /// Adds an area where there is none, and joins it with its neighbours if they are alike.
    pub fn insert(&mut self, mut vma: Vma) -> Result<(), Errno> {
        if self.vmas.len() >= MAX_VMAS {
            return Err(Errno::ENOMEM);
        }
        if let Some(before) = self.vmas.range(..vma.span.start()).next_back().map(|(_, v)| v)
            && before.merges_with(&vma)
            && let Some(joined) = Span::between(before.span.start(), vma.span.end())
        {
            vma.span = joined;
        }
        if let Some(after) = self.vmas.get(&vma.span.end())
            && vma.merges_with(after)
            && let Some(joined) = Span::between(vma.span.start(), after.span.end())
        {
            self.vmas.remove(&after.span.start().clone());
            vma.span = joined;
        }
        self.vmas.insert(vma.span.start(), vma);
        Ok(())
    }

    /// Cuts areas so that none crosses an end of `span`, and takes out those within. Their pages stay.
    pub fn take_vmas(&mut self, span: Span) -> Vec<Vma> {
        let overlapping: Vec<u64> = self.vmas_in(span).map(|v| v.span.start()).collect();
        let mut taken = Vec::with_capacity(overlapping.len());
        for start in overlapping {
            let Some(vma) = self.vmas.remove(&start) else { continue };
            if let Some(before) = Span::between(vma.span.start(), span.start()) {
                self.vmas.insert(before.start(), vma.part(before));
            }
            if let Some(after) = Span::between(span.end(), vma.span.end()) {
                self.vmas.insert(after.start(), vma.part(after));
            }
            if let Some(within) = vma.span.intersection(span) {
                taken.push(vma.part(within));
            }
        }
        taken
    }

    /// Removes everything in `span`: areas, pages, mappings.
    pub fn remove(&mut self, span: Span) {
        self.take_vmas(span);
        self.drop_pages(span);
    }

    /// Forgets the pages in `span`, after taking them from the program.
    pub fn drop_pages(&mut self, span: Span) {
        self.revoke(span, Rights::RWX);
        self.pages.remove_range(span.numbers());
    }

    /// A free range of `len` bytes (page-aligned): the highest below `mmap_top`.
    pub fn find_free(&self, len: u64) -> Option<Span> {
        let mut end = self.mmap_top;
        for vma in self.vmas.range(..self.mmap_top).rev().map(|(_, v)| v) {
            if vma.span.end() <= end {
                let start = end.checked_sub(len)?;
                if start >= vma.span.end() {
                    return Span::between(start, end);
                }
            }
            end = end.min(vma.span.start());
        }
        let start = end.checked_sub(len)?;
        if start < MMAP_MIN { None } else { Span::between(start, end) }
    }

    /// Pages that are there.
    pub fn resident(&self) -> u64 {
        self.pages.count() as u64
    }

    /// Pages whose frames nobody else has: what would be free without this space.
    pub fn exclusive(&self) -> u64 {
        self.pages.iter().filter(|(_, page)| page.is_exclusive()).count() as u64
    }

    /// Bytes in all areas.
    pub fn size(&self) -> u64 {
        self.vmas.values().map(|v| v.span.bytes()).sum()
    }

    /// The page that an address is in, if it is there.
    pub fn page(&self, addr: u64) -> Option<&Page> {
        self.pages.get(addr / PAGE)
    }
}
