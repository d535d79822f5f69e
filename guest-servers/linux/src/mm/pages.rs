//! The pages of an address space, by address.
//!
//! Almost everything that is done about memory looks at pages, and mostly at neighbours. So they lie in groups of 64 neighbours: which of them are there is
//! one word, and those that are lie one behind the other. A range of a thousand pages is a search among the groups and a look at 16 words. Groups that have no
//! pages do not exist, and one with a single page is small, so a program gains nothing by strewing its pages about.

use super::PAGE;
use super::space::Page;
use crate::frames::Frame;
use alloc::vec::Vec;
use core::ops::Range;

/// Pages in a group: the bits of a word.
const GROUP: u64 = 64;
const GROUP_BYTES: u64 = GROUP * PAGE;

/// The pages that are there. Addresses are those of pages, and ranges of whole pages.
#[derive(Default)]
pub struct Pages {
    /// By number; none is empty.
    groups: Vec<Group>,
    len: usize,
}

/// Those from `number` · 64 · 4 KiB on.
struct Group {
    number: u64,
    /// Bit n: the n-th is there.
    present: u64,
    /// In order.
    pages: Vec<Page>,
}

impl Group {
    const fn new(number: u64) -> Self {
        Self { number, present: 0, pages: Vec::new() }
    }

    /// How many pages lie before the one of bit `at`.
    fn rank(&self, at: u64) -> usize {
        (self.present & ((1 << at) - 1)).count_ones() as usize
    }

    fn place(&self, at: u64) -> Option<usize> {
        (self.present >> at & 1 != 0).then(|| self.rank(at))
    }

    /// The bits of the pages that are there and in `range`.
    fn within(&self, range: &Range<u64>) -> u64 {
        let start = self.number * GROUP_BYTES;
        let pages = |address: u64| (address.saturating_sub(start) / PAGE).min(GROUP);
        let (from, to) = (pages(range.start), pages(range.end));
        if from < to { self.present & (u64::MAX << from) & (u64::MAX >> (GROUP - to)) } else { 0 }
    }

    /// Where the pages of such bits lie.
    fn places(&self, bits: u64) -> Range<usize> {
        let first = if bits == 0 { 0 } else { self.rank(bits.trailing_zeros().into()) };
        first..first + bits.count_ones() as usize
    }

    /// Whether there was none before.
    fn insert(&mut self, at: u64, page: Page) -> bool {
        let place = self.rank(at);
        if self.present >> at & 1 != 0 {
            self.pages[place] = page;
            return false;
        }
        self.pages.insert(place, page);
        self.present |= 1 << at;
        true
    }
}

/// The addresses of pages, by their bits in a group.
struct Addresses {
    start: u64,
    bits: u64,
}

impl Iterator for Addresses {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.bits == 0 {
            return None;
        }
        let at = u64::from(self.bits.trailing_zeros());
        self.bits &= self.bits - 1;
        Some(self.start + at * PAGE)
    }
}

/// Number of the group, and bit in it.
fn split(address: u64) -> (u64, u64) {
    (address / GROUP_BYTES, address / PAGE % GROUP)
}

impl Pages {
    pub fn count(&self) -> usize {
        self.len
    }

    fn find(&self, number: u64) -> Result<usize, usize> {
        self.groups.binary_search_by_key(&number, |group| group.number)
    }

    fn group_mut(&mut self, number: u64) -> &mut Group {
        let at = self.find(number).unwrap_or_else(|at| {
            self.groups.insert(at, Group::new(number));
            at
        });
        &mut self.groups[at]
    }

    /// Where the groups lie that a range has part in.
    fn groups_in(&self, range: &Range<u64>) -> Range<usize> {
        if range.is_empty() {
            return 0..0;
        }
        let (first, last) = (split(range.start).0, split(range.end - 1).0);
        let from = self.groups.partition_point(|group| group.number < first);
        let count = self.groups[from..].iter().take_while(|group| group.number <= last).count();
        from..from + count
    }

    pub fn get(&self, address: u64) -> Option<&Page> {
        let (number, at) = split(address);
        let group = &self.groups[self.find(number).ok()?];
        Some(&group.pages[group.place(at)?])
    }

    pub fn contains(&self, address: u64) -> bool {
        self.get(address).is_some()
    }

    /// Adds a page, in place of one that may be there.
    pub fn insert(&mut self, address: u64, page: Page) {
        let (number, at) = split(address);
        let is_new = self.group_mut(number).insert(at, page);
        self.len += usize::from(is_new);
    }

    /// Adds pages that follow one another.
    pub fn insert_run(&mut self, address: u64, frames: Vec<Frame>) {
        let mut frames = frames.into_iter();
        let mut address = address;
        while frames.len() > 0 {
            let (number, at) = split(address);
            let count = frames.len().min((GROUP - at) as usize);
            let group = self.group_mut(number);
            group.pages.reserve(count);
            let new = (at..).zip(frames.by_ref().take(count));
            let added =
                new.filter_map(|(at, frame)| group.insert(at, Page::new(frame)).then_some(())).count();
            self.len += added;
            address = (number + 1) * GROUP_BYTES;
        }
    }

    pub fn remove(&mut self, address: u64) -> Option<Page> {
        let (number, at) = split(address);
        let place = self.find(number).ok()?;
        let group = &mut self.groups[place];
        let page = group.pages.remove(group.place(at)?);
        group.present &= !(1 << at);
        if group.present == 0 {
            self.groups.remove(place);
        }
        self.len -= 1;
        Some(page)
    }

    pub fn remove_range(&mut self, range: Range<u64>) {
        let groups = self.groups_in(&range);
        let mut is_empty = false;
        for group in &mut self.groups[groups.clone()] {
            let bits = group.within(&range);
            group.pages.drain(group.places(bits));
            group.present &= !bits;
            self.len -= bits.count_ones() as usize;
            is_empty |= group.present == 0;
        }
        if is_empty {
            self.groups.retain(|group| group.present != 0);
        }
    }

    /// Those in a range, in order.
    pub fn range(&self, range: Range<u64>) -> impl Iterator<Item = (u64, &Page)> {
        self.groups[self.groups_in(&range)].iter().flat_map(move |group| {
            let bits = group.within(&range);
            let addresses = Addresses { start: group.number * GROUP_BYTES, bits };
            addresses.zip(&group.pages[group.places(bits)])
        })
    }

    pub fn range_mut(&mut self, range: Range<u64>) -> impl Iterator<Item = (u64, &mut Page)> {
        let groups = self.groups_in(&range);
        self.groups[groups].iter_mut().flat_map(move |group| {
            let bits = group.within(&range);
            let addresses = Addresses { start: group.number * GROUP_BYTES, bits };
            let places = group.places(bits);
            addresses.zip(&mut group.pages[places])
        })
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Page)> {
        self.groups.iter().flat_map(|group| {
            Addresses { start: group.number * GROUP_BYTES, bits: group.present }.zip(&group.pages)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::tests::pool;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Op {
        Insert(u64),
        InsertRun(u64, usize),
        Remove(u64),
        RemoveRange(u64, u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        // Some groups, among them the first and one far away.
        let page = prop_oneof![0..200u64, (1u64 << 34)..(1 << 34) + 100];
        prop_oneof![
            page.clone().prop_map(Op::Insert),
            (page.clone(), 0..90usize).prop_map(|(at, n)| Op::InsertRun(at, n)),
            page.clone().prop_map(Op::Remove),
            (page.clone(), page).prop_map(|(from, to)| Op::RemoveRange(from, to)),
        ]
    }

    proptest! {
        #[test]
        fn they_are_a_map_by_address(ops in prop::collection::vec(op(), 1..20), from in 0..300u64, len in 0..300u64) {
            let pool = pool(2048);
            let (mut pages, mut model) = (Pages::default(), BTreeMap::new());
            let frame = || pool.alloc_zeroed().unwrap();
            for op in ops {
                match op {
                    Op::Insert(n) => {
                        let frame = frame();
                        pages.insert(n * PAGE, Page::new(frame.clone()));
                        model.insert(n * PAGE, frame.addr());
                    }
                    Op::InsertRun(n, count) => {
                        let frames: Vec<Frame> = (0..count).map(|_| frame()).collect();
                        model.extend((n..).map(|n| n * PAGE).zip(frames.iter().map(Frame::addr)));
                        pages.insert_run(n * PAGE, frames);
                    }
                    Op::Remove(n) => {
                        let gone = pages.remove(n * PAGE).map(|page| page.frame.addr());
                        prop_assert_eq!(gone, model.remove(&(n * PAGE)));
                    }
                    Op::RemoveRange(from, to) => {
                        pages.remove_range(from * PAGE..to * PAGE);
                        model.retain(|&address, _| !(from * PAGE..to * PAGE).contains(&address));
                    }
                }
                prop_assert_eq!(pages.count(), model.len());
                prop_assert!(pages.groups.iter().all(|group| group.present != 0));
            }
            let same = |address: &u64| pages.get(*address).unwrap().frame.addr() == model[address];
            prop_assert!(model.keys().all(same));
            prop_assert!(pages.iter().map(|(a, page)| (a, page.frame.addr())).eq(model.iter().map(|(a, f)| (*a, *f))));
            let range = from * PAGE..(from + len) * PAGE;
            let expected: Vec<u64> = model.range(range.clone()).map(|(address, _)| *address).collect();
            prop_assert!(pages.range(range.clone()).map(|(address, _)| address).eq(expected.iter().copied()));
            prop_assert!(pages.range_mut(range).map(|(address, _)| address).eq(expected.iter().copied()));
            // Frames that are not in the map any more are free again.
            prop_assert_eq!(pool.free_frames(), pool.total() - model.len());
        }
    }
}
