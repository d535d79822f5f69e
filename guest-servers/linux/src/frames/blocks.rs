//! Which frames are free: a bitmap in blocks of 2 MiB.
//!
//! Single frames come from blocks that are already broken into, so that whole blocks stay free for large
//! mappings; a frame that is freed lies beside its neighbours again without any merging. A second bitmap remembers which
//! frames were ever used: the others are zero already, and clearing them would only touch their pages.

use alloc::vec::Vec;
use core::ops::Range;

const WORDS: usize = 8;
/// Frames in a block: 2 MiB.
pub const BLOCK: usize = 64 * WORDS;

#[derive(Clone)]
struct Block {
    free: [u64; WORDS],
    used_before: [u64; WORDS],
    available: usize,
}

/// The free frames of a pool, by index.
#[derive(Default)]
pub struct Blocks {
    blocks: Vec<Block>,
    /// Frames in all.
    total: usize,
    free: usize,
    /// The block that single frames are taken from at present.
    current: usize,
}

/// A frame that was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    pub index: usize,
    /// It may hold anything; others are zero.
    pub used_before: bool,
}

impl Blocks {
    pub fn total(&self) -> usize {
        self.total
    }
    pub fn free(&self) -> usize {
        self.free
    }

    /// Makes the pool `total` frames large. It never shrinks.
    pub fn extend(&mut self, total: usize) {
        for index in self.total..total {
            if index / BLOCK == self.blocks.len() {
                self.blocks.push(Block { free: [0; WORDS], used_before: [0; WORDS], available: 0 });
            }
            let block = &mut self.blocks[index / BLOCK];
            block.free[index % BLOCK / 64] |= 1 << (index % 64);
            block.available += 1;
            self.free += 1;
        }
        self.total = self.total.max(total);
    }

    /// Takes one frame.
    pub fn take(&mut self) -> Option<Taken> {
        if self.free == 0 {
            return None;
        }
        if self.blocks[self.current].available == 0 {
            let broken = self.blocks.iter().position(|b| b.available > 0 && b.available < BLOCK);
            self.current = broken.or_else(|| self.blocks.iter().position(|b| b.available > 0))?;
        }
        let block = &self.blocks[self.current];
        let word = block.free.iter().position(|&w| w != 0)?;
        let index = self.current * BLOCK + word * 64 + block.free[word].trailing_zeros() as usize;
        Some(self.mark(index))
    }

    /// Takes `n` frames in a row, the first at a multiple of `align` (in frames). Returns the first's index.
    pub fn take_run(&mut self, n: usize, align: usize, mut each: impl FnMut(Taken)) -> bool {
        let Some(start) = self.find_run(n, align) else { return false };
        for index in start..start + n {
            each(self.mark(index));
        }
        true
    }

    /// Gives a frame back.
    pub fn give(&mut self, index: usize) {
        let block = &mut self.blocks[index / BLOCK];
        let bit = 1 << (index % 64);
        debug_assert!(block.free[index % BLOCK / 64] & bit == 0, "frame {index} is free already");
        block.free[index % BLOCK / 64] |= bit;
        block.available += 1;
        self.free += 1;
    }

    fn mark(&mut self, index: usize) -> Taken {
        let block = &mut self.blocks[index / BLOCK];
        let (word, bit) = (index % BLOCK / 64, 1 << (index % 64));
        block.free[word] &= !bit;
        block.available -= 1;
        self.free -= 1;
        let used_before = block.used_before[word] & bit != 0;
        block.used_before[word] |= bit;
        Taken { index, used_before }
    }

    fn find_run(&self, n: usize, align: usize) -> Option<usize> {
        if n == 0 || n > self.free || align == 0 {
            return None;
        }
        let mut start = 0;
        while start + n <= self.total {
            match self.last_taken(start..start + n) {
                None => return Some(start),
                Some(taken) => start = self.after_taken(taken).next_multiple_of(align),
            }
        }
        None
    }

    /// The first index after `taken` that is worth a look.
    fn after_taken(&self, taken: usize) -> usize {
        let block = &self.blocks[taken / BLOCK];
        if block.available == 0 {
            return (taken / BLOCK + 1) * BLOCK;
        }
        if block.free[taken % BLOCK / 64] == 0 { (taken / 64 + 1) * 64 } else { taken + 1 }
    }

    fn last_taken(&self, range: Range<usize>) -> Option<usize> {
        let mut end = range.end;
        while end > range.start {
            let word_start = ((end - 1) & !63).max(range.start);
            let word = self.blocks[word_start / BLOCK].free[word_start % BLOCK / 64];
            let wanted = (!0u64 >> (63 - (end - 1) % 64)) & (!0u64 << (word_start % 64));
            let taken = wanted & !word;
            if taken != 0 {
                return Some((end - 1) / 64 * 64 + 63 - taken.leading_zeros() as usize);
            }
            end = word_start;
        }
        None
    }
}
