//! Ranges of physical memory at boot: what there is, less what is taken.

use core::ops::Range;

/// A few ranges that do not overlap.
#[derive(Clone, Debug)]
pub struct Regions<const N: usize> {
    ranges: [(u64, u64); N],
    count: usize,
}

/// There are more ranges than there is room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooMany;

impl<const N: usize> Default for Regions<N> {
    fn default() -> Self {
        Self { ranges: [(0, 0); N], count: 0 }
    }
}

impl<const N: usize> Regions<N> {
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.ranges[..self.count].iter().map(|&(start, end)| start..end)
    }

    /// Add the whole units of `unit` bytes (a power of two) in `range`.
    pub fn add(&mut self, range: Range<u64>, unit: u64) -> Result<(), TooMany> {
        let start = range.start.checked_next_multiple_of(unit).unwrap_or(u64::MAX);
        let end = range.end & !(unit - 1);
        if start >= end {
            return Ok(());
        }
        *self.ranges.get_mut(self.count).ok_or(TooMany)? = (start, end);
        self.count += 1;
        Ok(())
    }

    /// Take every unit of `unit` bytes that `hole` touches out of all ranges.
    pub fn remove(&mut self, hole: Range<u64>, unit: u64) -> Result<(), TooMany> {
        if hole.is_empty() {
            return Ok(());
        }
        let hole = hole.start & !(unit - 1)..hole.end.checked_next_multiple_of(unit).unwrap_or(u64::MAX);
        let old = self.clone();
        self.count = 0;
        for r in old.iter() {
            self.add(r.start..r.end.min(hole.start), 1)?;
            self.add(r.start.max(hole.end)..r.end, 1)?;
        }
        Ok(())
    }

    /// Take `size` bytes at a multiple of `align`, the lowest there are that end below `limit`.
    pub fn carve(&mut self, size: u64, align: u64, limit: u64) -> Option<Range<u64>> {
        let found = self
            .iter()
            .filter_map(|r| {
                let start = r.start.checked_next_multiple_of(align)?;
                let end = start.checked_add(size)?;
                (end <= r.end.min(limit)).then_some(start..end)
            })
            .min_by_key(|r| r.start)?;
        self.remove(found.clone(), 1).ok()?;
        Some(found)
    }

    /// Bytes in all ranges.
    pub fn total(&self) -> u64 {
        self.iter().map(|r| r.end - r.start).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn list(r: &Regions<4>) -> Vec<(u64, u64)> {
        let mut v: Vec<_> = r.iter().map(|r| (r.start, r.end)).collect();
        v.sort();
        v
    }

    #[test]
    fn holes_and_units() {
        let mut r = Regions::<4>::default();
        r.add(0x1234..0x9fff, 0x1000).unwrap();
        assert_eq!(list(&r), [(0x2000, 0x9000)]);
        r.remove(0x3001..0x3002, 0x1000).unwrap();
        assert_eq!(list(&r), [(0x2000, 0x3000), (0x4000, 0x9000)]);
        r.remove(0..0x2800, 0x1000).unwrap();
        assert_eq!(list(&r), [(0x4000, 0x9000)]);
        r.remove(0x5000..0x5000, 0x1000).unwrap();
        assert_eq!(r.total(), 0x5000);
        r.add(0..0xfff, 0x1000).unwrap();
        assert_eq!(r.total(), 0x5000, "less than a unit");
    }

    #[test]
    fn carving_takes_the_lowest_that_fits() {
        let mut r = Regions::<4>::default();
        r.add(0x100000..0x110000, 1).unwrap();
        r.add(0x3000..0x5000, 1).unwrap();
        assert_eq!(r.carve(0x2000, 0x2000, u64::MAX), Some(0x100000..0x102000));
        assert_eq!(r.carve(0x1000, 0x1000, u64::MAX), Some(0x3000..0x4000));
        assert_eq!(r.carve(0x2000, 0x1000, 0x5000), None, "limit");
        assert_eq!(r.carve(1 << 40, 0x1000, u64::MAX), None);
    }

    #[test]
    fn too_many_is_an_error() {
        let mut r = Regions::<2>::default();
        r.add(0..100, 1).unwrap();
        r.remove(10..20, 1).unwrap();
        assert_eq!(r.remove(30..40, 1), Err(TooMany));
    }
}
