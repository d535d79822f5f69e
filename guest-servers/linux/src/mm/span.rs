//! Page-aligned ranges of addresses.

use super::{PAGE, TASK_SIZE};
use core::ops::Range;

/// A range of whole pages below [`TASK_SIZE`]. Never empty, and its arithmetic cannot overflow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    start: u64,
    end: u64,
}

impl Span {
    /// `len` bytes, rounded up to pages, at a page-aligned address.
    pub fn new(start: u64, len: u64) -> Option<Self> {
        let end = start.checked_add(len)?.checked_next_multiple_of(PAGE)?;
        Self::between(start, end)
    }
    /// From page-aligned `start` to page-aligned `end`.
    pub fn between(start: u64, end: u64) -> Option<Self> {
        let aligned = start.is_multiple_of(PAGE) && end.is_multiple_of(PAGE);
        if aligned && start < end && end <= TASK_SIZE { Some(Self { start, end }) } else { None }
    }
    /// The page that `addr` is in.
    pub fn page_of(addr: u64) -> Option<Self> {
        let start = addr & !(PAGE - 1);
        Self::between(start, start.checked_add(PAGE)?)
    }
    /// All of user memory.
    pub const fn all() -> Self {
        Self { start: 0, end: TASK_SIZE }
    }
    pub const fn start(self) -> u64 {
        self.start
    }
    pub const fn end(self) -> u64 {
        self.end
    }
    pub const fn bytes(self) -> u64 {
        self.end - self.start
    }
    pub const fn pages(self) -> u64 {
        self.bytes() / PAGE
    }
    /// The numbers of the pages: their addresses in pages.
    pub const fn numbers(self) -> Range<u64> {
        self.start / PAGE..self.end / PAGE
    }
    pub const fn contains(self, addr: u64) -> bool {
        self.start <= addr && addr < self.end
    }
    pub const fn covers(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }
    /// What both have in common.
    pub fn intersection(self, other: Self) -> Option<Self> {
        Self::between(self.start.max(other.start), self.end.min(other.end))
    }
    /// The naturally aligned block of `size` bytes (a power of two, at least a page) around `addr`, cut to this range.
    pub fn block_around(self, addr: u64, size: u64) -> Option<Self> {
        let start = addr & !(size - 1);
        Self::between(start.max(self.start), start.checked_add(size)?.min(self.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overflows() {
        assert_eq!(Span::new(0x1000, u64::MAX), None);
        assert_eq!(Span::new(u64::MAX - 4095, 4096), None);
        assert_eq!(Span::new(0x1000, u64::MAX - 0x1000), None);
        assert_eq!(Span::new(0x1001, 1), None);
        assert_eq!(Span::new(0x1000, 0), None);
        assert_eq!(Span::new(TASK_SIZE - PAGE, PAGE + 1), None);
        assert_eq!(Span::new(TASK_SIZE - PAGE, 1).map(Span::pages), Some(1));
    }

    #[test]
    fn blocks() {
        let span = Span::new(0x3000, 0x6000).unwrap();
        assert_eq!(span.block_around(0x4000, 0x4000), Span::between(0x4000, 0x8000));
        assert_eq!(span.block_around(0x3000, 0x4000), Span::between(0x3000, 0x4000));
        assert_eq!(span.block_around(0x8000, 0x4000), Span::between(0x8000, 0x9000));
        assert_eq!(span.intersection(Span::new(0x9000, 0x1000).unwrap()), None);
    }
}
