//! Makes one timeline of batches.
//!
//! A ring that was looked at early may lack what another one has that was looked at late. But what was recorded before a look at the rings began is in it, or will be passed over: so
//! what a batch has from before its beginning can be put in order, and the rest has to wait for the next one. Nothing waits for longer than that, whatever its time claims to be.
//!
//! From where a ring has dropped records to the next one of it that is there, or to the end of the batch, in which the ring was emptied, nothing is certain.

use super::batch::{Batch, Part};
use crate::file::{self, Ring};
use crate::merge::Moment;
use std::collections::BTreeMap;
use vmm_abi::trace::Record;

#[derive(Default)]
pub struct Mixer {
    rings: BTreeMap<Ring, Tail>,
    /// Of the last batch, from behind its beginning.
    waiting: Vec<(u64, Moment)>,
    now: u64,
    missing: u64,
}

/// What of a ring has been.
#[derive(Default)]
struct Tail {
    /// Number and time of the last record.
    sequence: u32,
    tsc: u64,
    in_gap: bool,
}

impl Mixer {
    /// What has happened before `batch` began, in the order of time.
    pub fn mix(&mut self, batch: &Batch) -> Vec<Moment> {
        let mut ready = std::mem::take(&mut self.waiting);
        let known = ready.len();
        for part in &batch.parts {
            match part {
                Part::Records(ring, bytes) => {
                    for record in file::records(bytes) {
                        self.record(*ring, record, batch.ended, &mut ready);
                    }
                }
                Part::Dropped(ring, count) => self.lose(*ring, *count, &mut ready),
            }
        }
        for tail in self.rings.values_mut() {
            if std::mem::take(&mut tail.in_gap) {
                ready.push((batch.ended, Moment::GapEnds { tsc: batch.ended }));
            }
        }
        self.waiting = ready.extract_if(known.., |(tsc, _)| *tsc >= batch.began).collect();
        // Of the same time, what is before the other in its ring stays so.
        ready.sort_by_key(|(tsc, _)| *tsc);
        let ready = ready.into_iter().map(|(_, moment)| self.now(moment)).collect();
        // What comes late is not told of a time about which something has been said already.
        self.now = self.now.max(batch.began);
        ready
    }

    /// Records that are missing so far.
    pub const fn missing(&self) -> u64 {
        self.missing
    }

    /// A record of `ring`, which cannot be of later than `ended`.
    fn record(&mut self, ring: Ring, record: Record, ended: u64, ready: &mut Vec<(u64, Moment)>) {
        let sequence = record.sequence();
        let last = std::mem::replace(&mut self.rings.entry(ring).or_default().sequence, sequence);
        let missing = sequence.wrapping_sub(last).wrapping_sub(1);
        if missing != 0 {
            self.lose(ring, missing.into(), ready);
        }
        let tail = self.rings.entry(ring).or_default();
        let record = Record { tsc: record.tsc.min(ended), ..record };
        tail.tsc = record.tsc;
        if std::mem::take(&mut tail.in_gap) {
            ready.push((tail.tsc, Moment::GapEnds { tsc: tail.tsc }));
        }
        ready.push((tail.tsc, Moment::Record { ring, record }));
    }

    fn lose(&mut self, ring: Ring, count: u64, ready: &mut Vec<(u64, Moment)>) {
        self.missing = self.missing.saturating_add(count);
        let tail = self.rings.entry(ring).or_default();
        if !std::mem::replace(&mut tail.in_gap, true) {
            ready.push((tail.tsc, Moment::GapBegins { tsc: tail.tsc }));
        }
    }

    /// The moment, or what it is if it comes too late for its place.
    fn now(&mut self, mut moment: Moment) -> Moment {
        let tsc = match &mut moment {
            Moment::Record { record, .. } => &mut record.tsc,
            Moment::GapBegins { tsc } | Moment::GapEnds { tsc } => tsc,
        };
        self.now = self.now.max(*tsc);
        *tsc = self.now;
        moment
    }
}
