//! A set of addresses as a short sorted list of ranges, from which aligned blocks of 2^n bytes are
//! cut.
//!
//! A list rather than the usual free lists by size: a boot cuts a few hundred blocks at most, a list needs no
//! memory of its own in what it manages, and a block at a given address is as easy to cut as any.

use core::ops::Range;

/// Most ranges that are kept. The kernel names at most 16 regions; every cut adds at most one.
const MAX: usize = 256;

/// A set of addresses. Ranges are sorted, not empty, and neither overlap nor touch.
pub struct Ranges {
    list: [(u64, u64); MAX],
    len: usize,
}

/// The list of ranges is full. What was to be done has not been done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

impl Ranges {
    pub const EMPTY: Self = Self { list: [(0, 0); MAX], len: 0 };

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Range<u64>> + '_ {
        self.list[..self.len].iter().map(|(start, end)| *start..*end)
    }

    /// Sum of all ranges.
    pub fn total(&self) -> u64 {
        self.iter().map(|r| r.end - r.start).sum()
    }

    pub fn contains(&self, range: &Range<u64>) -> bool {
        self.iter().any(|r| r.start <= range.start && range.end <= r.end)
    }

    pub fn overlaps(&self, range: &Range<u64>) -> bool {
        self.iter().any(|r| r.start < range.end && range.start < r.end)
    }

    /// Adds addresses; those that are in the set already change nothing.
    pub fn insert(&mut self, range: Range<u64>) -> Result<(), Full> {
        if range.is_empty() {
            return Ok(());
        }
        // Everything that overlaps or touches becomes one.
        let first = self.iter().take_while(|r| r.end < range.start).count();
        let merged = self.iter().skip(first).take_while(|r| r.start <= range.end).count();
        let mut new = (range.start, range.end);
        if merged > 0 {
            new.0 = new.0.min(self.list[first].0);
            new.1 = new.1.max(self.list[first + merged - 1].1);
        }
        self.splice(first, merged, &[new])
    }

    /// Takes addresses out of the set, as far as they are in it.
    pub fn remove(&mut self, range: Range<u64>) -> Result<(), Full> {
        if range.is_empty() {
            return Ok(());
        }
        let first = self.iter().take_while(|r| r.end <= range.start).count();
        let cut = self.iter().skip(first).take_while(|r| r.start < range.end).count();
        if cut == 0 {
            return Ok(());
        }
        let left = (self.list[first].0, range.start);
        let right = (range.end, self.list[first + cut - 1].1);
        match (left.0 < left.1, right.0 < right.1) {
            (true, true) => self.splice(first, cut, &[left, right]),
            (true, false) => self.splice(first, cut, &[left]),
            (false, true) => self.splice(first, cut, &[right]),
            (false, false) => self.splice(first, cut, &[]),
        }
    }

    /// Cuts a block of 2^`log2` bytes, aligned to its size, and returns its address.
    ///
    /// It comes from the range that has the smallest aligned block that will do, so that large blocks stay
    /// whole, and among equals from the highest, so that what lies low (and devices of the 32-bit age can
    /// reach) lasts longest.
    pub fn take(&mut self, log2: u32) -> Option<u64> {
        let best = self.iter().rev().filter(|r| last_block(r, log2).is_some());
        let range = best.min_by_key(largest_log2)?;
        let base = last_block(&range, log2)?;
        self.remove(base..base + (1 << log2)).ok()?;
        Some(base)
    }

    /// log2 of the largest block that [`Ranges::take`] can cut; 0 if there is none.
    pub fn largest_log2(&self) -> u32 {
        self.iter().map(|r| largest_log2(&r)).max().unwrap_or(0)
    }

    /// Puts `new` in the place of `old` ranges from index `first` on.
    fn splice(&mut self, first: usize, old: usize, new: &[(u64, u64)]) -> Result<(), Full> {
        let len = self.len - old + new.len();
        if len > MAX {
            return Err(Full);
        }
        self.list.copy_within(first + old..self.len, first + new.len());
        self.list[first..first + new.len()].copy_from_slice(new);
        self.len = len;
        Ok(())
    }
}

/// The highest aligned block of 2^`log2` bytes in a range.
fn last_block(range: &Range<u64>, log2: u32) -> Option<u64> {
    let size = 1u64.checked_shl(log2)?;
    let base = range.end.checked_sub(size)? & !(size - 1);
    (base >= range.start).then_some(base)
}

/// log2 of the largest aligned block in a range.
fn largest_log2(range: &Range<u64>) -> u32 {
    let mut log2 = (range.end - range.start).ilog2();
    while log2 > 0 && last_block(range, log2).is_none() {
        log2 -= 1;
    }
    log2
}

#[cfg(test)]
mod tests;
