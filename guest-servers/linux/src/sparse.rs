//! Things by numbers of which many are missing: the pages of an address space, and those of a file.
//!
//! Almost everything that is done about memory looks at pages, and mostly at neighbours. So they lie in groups of 64 neighbours: which of them are there is
//! one word, and those that are lie one behind the other. A range of a thousand is a search among the groups and a look at 16 words. Groups that have nothing
//! do not exist, and one with a single page is small, so a program gains nothing by strewing its pages about.

use alloc::vec::Vec;
use core::ops::Range;

/// Numbers in a group: the bits of a word.
const GROUP: u64 = 64;

pub struct Sparse<T> {
    /// By number; none is empty.
    groups: Vec<Group<T>>,
    count: usize,
}

/// Those from `number` · 64 on.
struct Group<T> {
    number: u64,
    /// Bit n: the n-th is there.
    present: u64,
    /// In order.
    items: Vec<T>,
}

impl<T> Group<T> {
    /// How many lie before the one of bit `at`.
    fn rank(&self, at: u64) -> usize {
        (self.present & ((1 << at) - 1)).count_ones() as usize
    }

    fn place(&self, at: u64) -> Option<usize> {
        (self.present >> at & 1 != 0).then(|| self.rank(at))
    }

    /// The bits of those that are there and in `range`.
    fn within(&self, range: &Range<u64>) -> u64 {
        let bit = |n: u64| n.saturating_sub(self.number * GROUP).min(GROUP);
        let (from, to) = (bit(range.start), bit(range.end));
        if from < to { self.present & (u64::MAX << from) & (u64::MAX >> (GROUP - to)) } else { 0 }
    }

    /// Where those of such bits lie.
    fn places(&self, bits: u64) -> Range<usize> {
        let first = if bits == 0 { 0 } else { self.rank(bits.trailing_zeros().into()) };
        first..first + bits.count_ones() as usize
    }

    /// Whether there was none before.
    fn insert(&mut self, at: u64, item: T) -> bool {
        let place = self.rank(at);
        if self.present >> at & 1 != 0 {
            self.items[place] = item;
            return false;
        }
        self.items.insert(place, item);
        self.present |= 1 << at;
        true
    }
}

/// Numbers, by their bits in a group.
struct Numbers {
    start: u64,
    bits: u64,
}

impl Iterator for Numbers {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.bits == 0 {
            return None;
        }
        let at = u64::from(self.bits.trailing_zeros());
        self.bits &= self.bits - 1;
        Some(self.start + at)
    }
}

/// Number of the group, and bit in it.
const fn split(n: u64) -> (u64, u64) {
    (n / GROUP, n % GROUP)
}

impl<T> Default for Sparse<T> {
    fn default() -> Self {
        Self { groups: Vec::new(), count: 0 }
    }
}

impl<T> Sparse<T> {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    fn find(&self, number: u64) -> Result<usize, usize> {
        self.groups.binary_search_by_key(&number, |group| group.number)
    }

    fn group_mut(&mut self, number: u64) -> &mut Group<T> {
        let at = self.find(number).unwrap_or_else(|at| {
            self.groups.insert(at, Group { number, present: 0, items: Vec::new() });
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

    pub fn get(&self, n: u64) -> Option<&T> {
        let (number, at) = split(n);
        let group = &self.groups[self.find(number).ok()?];
        Some(&group.items[group.place(at)?])
    }

    pub fn contains(&self, n: u64) -> bool {
        self.get(n).is_some()
    }

    /// Adds one, in place of what may be there.
    pub fn insert(&mut self, n: u64, item: T) {
        let (number, at) = split(n);
        let is_new = self.group_mut(number).insert(at, item);
        self.count += usize::from(is_new);
    }

    /// Adds some that follow one another.
    pub fn insert_run(&mut self, n: u64, items: impl ExactSizeIterator<Item = T>) {
        let mut items = items;
        let mut next = n;
        while items.len() > 0 {
            let (number, at) = split(next);
            let count = items.len().min((GROUP - at) as usize);
            let group = self.group_mut(number);
            group.items.reserve(count);
            let mut added = 0;
            for (at, item) in (at..).zip(items.by_ref().take(count)) {
                added += usize::from(group.insert(at, item));
            }
            self.count += added;
            next = (number + 1) * GROUP;
        }
    }

    /// Adds what is missing in a range, as far as `make` makes it.
    pub fn fill(&mut self, range: Range<u64>, mut make: impl FnMut(u64) -> Option<T>) {
        let mut next = range.start;
        while next < range.end {
            let number = split(next).0;
            let end = range.end.min((number + 1) * GROUP);
            let group = self.group_mut(number);
            let mut added = 0;
            for n in next..end {
                let at = split(n).1;
                if group.present >> at & 1 == 0
                    && let Some(item) = make(n)
                {
                    added += usize::from(group.insert(at, item));
                }
            }
            let is_empty = group.present == 0;
            self.count += added;
            if is_empty {
                self.groups.retain(|group| group.present != 0);
            }
            next = end;
        }
    }

    pub fn remove(&mut self, n: u64) -> Option<T> {
        let (number, at) = split(n);
        let found = self.find(number).ok()?;
        let group = &mut self.groups[found];
        let item = group.items.remove(group.place(at)?);
        group.present &= !(1 << at);
        if group.present == 0 {
            self.groups.remove(found);
        }
        self.count -= 1;
        Some(item)
    }

    /// Removes those in a range. How many that were.
    pub fn remove_range(&mut self, range: Range<u64>) -> usize {
        let before = self.count;
        let groups = self.groups_in(&range);
        let mut is_empty = false;
        for group in &mut self.groups[groups] {
            let bits = group.within(&range);
            group.items.drain(group.places(bits));
            group.present &= !bits;
            self.count -= bits.count_ones() as usize;
            is_empty |= group.present == 0;
        }
        if is_empty {
            self.groups.retain(|group| group.present != 0);
        }
        before - self.count
    }

    /// Those in a range, in order.
    pub fn range(&self, range: Range<u64>) -> impl Iterator<Item = (u64, &T)> {
        self.groups[self.groups_in(&range)].iter().flat_map(move |group| {
            let bits = group.within(&range);
            Numbers { start: group.number * GROUP, bits }.zip(&group.items[group.places(bits)])
        })
    }

    pub fn range_mut(&mut self, range: Range<u64>) -> impl Iterator<Item = (u64, &mut T)> {
        let groups = self.groups_in(&range);
        self.groups[groups].iter_mut().flat_map(move |group| {
            let bits = group.within(&range);
            let places = group.places(bits);
            Numbers { start: group.number * GROUP, bits }.zip(&mut group.items[places])
        })
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.groups
            .iter()
            .flat_map(|group| Numbers { start: group.number * GROUP, bits: group.present }.zip(&group.items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::rc::Rc;

    #[derive(Clone, Debug)]
    enum Op {
        Insert(u64),
        InsertRun(u64, usize),
        /// As far as the number is even.
        Fill(u64, u64),
        Remove(u64),
        RemoveRange(u64, u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        // Some groups, among them the first and one far away.
        let n = prop_oneof![0..200u64, (1u64 << 34)..(1 << 34) + 100];
        prop_oneof![
            n.clone().prop_map(Op::Insert),
            (n.clone(), 0..150usize).prop_map(|(at, count)| Op::InsertRun(at, count)),
            (n.clone(), 0..150u64).prop_map(|(at, count)| Op::Fill(at, count)),
            n.clone().prop_map(Op::Remove),
            (n.clone(), n).prop_map(|(from, to)| Op::RemoveRange(from, to)),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_map_by_number(ops in prop::collection::vec(op(), 1..40), from in 0..300u64, len in 0..300u64) {
            let (mut sparse, mut model) = (Sparse::default(), BTreeMap::new());
            let item = Rc::new(());
            for (serial, op) in ops.into_iter().enumerate() {
                match op {
                    Op::Insert(n) => {
                        sparse.insert(n, (serial, item.clone()));
                        model.insert(n, serial);
                    }
                    Op::InsertRun(n, count) => {
                        let items: Vec<_> = (0..count).map(|_| (serial, item.clone())).collect();
                        sparse.insert_run(n, items.into_iter());
                        model.extend((n..n + count as u64).map(|n| (n, serial)));
                    }
                    Op::Fill(n, count) => {
                        sparse.fill(n..n + count, |n| (n % 2 == 0).then(|| (serial, item.clone())));
                        for n in (n..n + count).filter(|n| n % 2 == 0) {
                            model.entry(n).or_insert(serial);
                        }
                    }
                    Op::Remove(n) => prop_assert_eq!(sparse.remove(n).map(|(serial, _)| serial), model.remove(&n)),
                    Op::RemoveRange(from, to) => {
                        let before = model.len();
                        model.retain(|n, _| !(from..to).contains(n));
                        prop_assert_eq!(sparse.remove_range(from..to), before - model.len());
                    }
                }
                prop_assert_eq!(sparse.count(), model.len());
                prop_assert!(sparse.groups.iter().all(|group| group.present != 0));
            }
            prop_assert!(model.iter().all(|(n, serial)| sparse.get(*n).unwrap().0 == *serial));
            prop_assert!(sparse.iter().map(|(n, item)| (n, item.0)).eq(model.iter().map(|(n, serial)| (*n, *serial))));
            let range = from..from + len;
            let expected: Vec<u64> = model.range(range.clone()).map(|(n, _)| *n).collect();
            prop_assert!(sparse.range(range.clone()).map(|(n, _)| n).eq(expected.iter().copied()));
            prop_assert!(sparse.range_mut(range.clone()).map(|(n, _)| n).eq(expected.iter().copied()));
            prop_assert!(range.into_iter().all(|n| sparse.contains(n) == model.contains_key(&n)));
            prop_assert_eq!(Rc::strong_count(&item), 1 + model.len(), "what is not there has been dropped");
        }
    }
}
