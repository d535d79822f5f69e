//! Makes one timeline of all rings.
//!
//! Each ring is nearly in the order of time: only a thread that was interrupted between taking its place and reading the TSC comes late, or early. So each is sorted in a
//! small window, and the rings are merged by the TSC. What comes later than the window allows for is moved to the present and counted.
//!
//! Where records were lost, the timeline has a gap: from the last record of the ring that is there to the next one. Nothing can be said about what went on
//! meanwhile, on any CPU, because whatever is missing may have been about anybody.

use crate::file::Ring;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use vmm_abi::trace::Record;

/// What a ring yields, in its order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    Record(Record),
    /// Here so many records are missing.
    Lost(u64),
}

/// What happens at a point of the timeline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    Record {
        ring: Ring,
        record: Record,
    },
    /// From here on nothing is certain, …
    GapBegins {
        tsc: u64,
    },
    /// … until all gaps that have begun have ended.
    GapEnds {
        tsc: u64,
    },
}

/// Records of a ring that are sorted at a time.
const WINDOW: usize = 64;

/// The timeline of several rings. An iterator.
pub struct Timeline<I> {
    sources: Vec<Source<I>>,
    /// The next moment of each source that has one: its time, and the source's number.
    next: BinaryHeap<Reverse<(u64, usize)>>,
    now: u64,
    late: u64,
}

impl<I: Iterator<Item = Entry>> Timeline<I> {
    pub fn new(rings: impl IntoIterator<Item = (Ring, I)>) -> Self {
        let mut sources: Vec<_> =
            rings.into_iter().map(|(ring, entries)| Source::new(ring, entries)).collect();
        let key = |(n, source): (usize, &mut Source<I>)| source.key().map(|tsc| Reverse((tsc, n)));
        let next = sources.iter_mut().enumerate().filter_map(key).collect();
        Self { sources, next, now: 0, late: 0 }
    }

    /// Records that were missing so far.
    pub fn missing(&self) -> u64 {
        self.sources.iter().fold(0, |sum, source| sum.saturating_add(source.lost))
    }

    /// Records that came too late to be put where they belong.
    pub const fn late(&self) -> u64 {
        self.late
    }
}

impl<I: Iterator<Item = Entry>> Iterator for Timeline<I> {
    type Item = Moment;

    fn next(&mut self) -> Option<Moment> {
        let Reverse((tsc, n)) = self.next.pop()?;
        self.late += u64::from(tsc < self.now);
        self.now = self.now.max(tsc);
        let source = &mut self.sources[n];
        let moment = source.take(self.now);
        if let Some(tsc) = source.key() {
            self.next.push(Reverse((tsc, n)));
        }
        moment
    }
}

/// A ring, sorted.
struct Source<I> {
    ring: Ring,
    entries: I,
    window: BinaryHeap<Reverse<Sorted>>,
    /// Records that have gone into the window.
    taken: u64,
    /// Records that are missing.
    lost: u64,
    /// A gap begins when the window is empty.
    gap_follows: bool,
    /// It has begun.
    in_gap: bool,
    last: u64,
}

/// A record with what it is sorted by: time, then place in the ring.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Sorted {
    tsc: u64,
    place: u64,
    words: [u64; 4],
}

impl<I: Iterator<Item = Entry>> Source<I> {
    fn new(ring: Ring, entries: I) -> Self {
        Self {
            ring,
            entries,
            window: BinaryHeap::new(),
            taken: 0,
            lost: 0,
            gap_follows: false,
            in_gap: false,
            last: 0,
        }
    }

    /// Fills the window, as far as the next gap.
    fn fill(&mut self) {
        while !self.gap_follows && self.window.len() < WINDOW {
            match self.entries.next() {
                Some(Entry::Record(record)) => {
                    self.taken += 1;
                    let sorted = Sorted { tsc: record.tsc, place: self.taken, words: record.to_words() };
                    self.window.push(Reverse(sorted));
                }
                Some(Entry::Lost(lost)) => {
                    self.lost = self.lost.saturating_add(lost);
                    // A gap with nothing between it and the one before is the same one.
                    self.gap_follows = !(self.in_gap && self.window.is_empty());
                }
                None => break,
            }
        }
    }

    /// When the next moment is; `None` at the end.
    fn key(&mut self) -> Option<u64> {
        self.fill();
        match self.window.peek() {
            Some(Reverse(sorted)) => Some(sorted.tsc),
            // The gap begins where the ring was full.
            None => self.gap_follows.then_some(self.last),
        }
    }

    fn take(&mut self, now: u64) -> Option<Moment> {
        if self.in_gap && !self.window.is_empty() {
            self.in_gap = false;
            return Some(Moment::GapEnds { tsc: now });
        }
        if let Some(Reverse(sorted)) = self.window.pop() {
            self.last = now;
            let record = Record { tsc: now, ..Record::from_words(sorted.words) };
            return Some(Moment::Record { ring: self.ring, record });
        }
        self.in_gap = std::mem::take(&mut self.gap_follows);
        self.in_gap.then_some(Moment::GapBegins { tsc: now })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vmm_abi::trace::Event;

    fn record(tsc: u64) -> Record {
        Record::new(Event::USER, 0, 0, 0, tsc, tsc)
    }

    fn timeline(rings: &[&[Entry]]) -> Vec<Moment> {
        let rings = rings.iter().enumerate();
        Timeline::new(rings.map(|(n, ring)| (Ring::Cpu(n as u16), ring.iter().copied()))).collect()
    }

    fn at(ring: u16, tsc: u64) -> Moment {
        Moment::Record { ring: Ring::Cpu(ring), record: record(tsc) }
    }

    #[test]
    fn a_gap_lasts_from_the_last_record_before_it_to_the_first_behind_it() {
        use Entry::{Lost, Record as R};
        let holes = [R(record(10)), Lost(3), Lost(4), R(record(30)), R(record(40)), Lost(1)];
        let whole = [R(record(5)), R(record(20)), R(record(35))];
        let begins = |tsc| Moment::GapBegins { tsc };
        assert_eq!(
            timeline(&[&holes, &whole]),
            [
                at(1, 5),
                at(0, 10),
                begins(10),
                at(1, 20),
                Moment::GapEnds { tsc: 30 },
                at(0, 30),
                at(1, 35),
                at(0, 40),
                begins(40)
            ]
        );
        assert_eq!(timeline(&[&[Lost(1)]]), [begins(0)]);
    }

    #[test]
    fn what_comes_later_than_the_window_is_moved_to_the_present() {
        let mut entries: Vec<_> = (100..300).map(|tsc| Entry::Record(record(tsc))).collect();
        entries.push(Entry::Record(record(7)));
        let mut timeline = Timeline::new([(Ring::User(0), entries.into_iter())]);
        let times: Vec<_> = timeline
            .by_ref()
            .filter_map(|moment| match moment {
                Moment::Record { record, .. } => Some(record.tsc),
                _ => None,
            })
            .collect();
        assert!(times.is_sorted());
        assert_eq!((times.len(), timeline.late()), (201, 1));
    }

    proptest! {
        #[test]
        fn a_merge_is_a_stable_sort(
            rings in prop::collection::vec(prop::collection::vec(0u64..200, 0..300), 0..5)
        ) {
            // Ascending but for a disorder that the window can take.
            let rings: Vec<Vec<u64>> = rings
                .iter()
                .map(|ring| ring.iter().enumerate().map(|(n, jitter)| 10 * n as u64 + jitter).collect())
                .collect();
            let entries: Vec<Vec<Entry>> =
                rings.iter().map(|ring| ring.iter().map(|tsc| Entry::Record(record(*tsc))).collect()).collect();
            let entries: Vec<&[Entry]> = entries.iter().map(Vec::as_slice).collect();
            let merged = timeline(&entries);
            let mut naive: Vec<(u64, u16)> = Vec::new();
            for (n, ring) in rings.iter().enumerate() {
                naive.extend(ring.iter().map(|tsc| (*tsc, n as u16)));
            }
            naive.sort();
            let naive: Vec<_> = naive.into_iter().map(|(tsc, ring)| at(ring, tsc)).collect();
            prop_assert_eq!(merged, naive);
        }
    }
}
