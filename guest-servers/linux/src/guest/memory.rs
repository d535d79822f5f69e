//! Frames for programs: all memory that is in no server's budget, asked of root when it is needed.

use core::cell::Cell;
use linux::frames::FrameMemory;
use userlib::arena::{Arena, Source};
use userlib::root;
use userlib::utcb::Utcb;

/// log2 of the smallest and the largest block that is asked for. One large page costs the µ-kernel as much as a small one;
/// a machine that does little should not look as if it used much.
const SMALLEST: u32 = 21;
const LARGEST: u32 = 23;

pub struct SpareMemory {
    arena: Arena,
    utcb: Utcb,
    /// Bytes that there can ever be.
    limit: u64,
}

impl SpareMemory {
    /// `None` if there is nothing to have.
    pub fn new(utcb: Utcb) -> Option<Self> {
        let spare = root::info().ok()?.spare & !((1 << SMALLEST) - 1);
        let arena = Arena::reserve(spare, Source::Spare)?;
        Some(Self { arena, utcb, limit: spare })
    }
}

impl FrameMemory for SpareMemory {
    fn size(&self) -> usize {
        self.arena.size() as usize
    }
    fn limit(&self) -> usize {
        self.limit as usize
    }
    fn grow(&self) -> bool {
        let size = self.arena.size();
        // Blocks must lie at multiples of their size; so the first is a small one, and then as much again.
        let aligned = if size == 0 { SMALLEST } else { size.trailing_zeros() };
        (SMALLEST..=aligned.min(LARGEST)).rev().any(|log2| self.arena.grow(self.utcb, log2).is_ok())
    }
    fn base(&self) -> u64 {
        self.arena.base()
    }
    fn cells(&self, offset: usize, len: usize) -> &[Cell<u8>] {
        // The pool names only what is there.
        self.arena.cells(offset, len).unwrap_or_default()
    }
}
