//! What there was altogether, and what was left out.

use crate::kind::Kind;
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    pub records: u64,
    /// TSC of the first and the last record.
    pub first: Option<u64>,
    pub last: u64,
    /// Requests across which records are missing.
    pub in_gaps: u64,
    /// Ticks of which nothing is known.
    pub gap_ticks: u64,
    /// Requests whose end is missing although the thread made another.
    pub broken: u64,
    /// Requests that had not returned when the guest ended, or when their thread died.
    pub unreturned: Unreturned,
    /// Records that cannot be, or not there.
    pub strange: u64,
    /// Exceptions and interrupts of the kernel itself.
    pub nested: u64,
    /// Ticks that all records together have cost.
    pub measuring: u64,
}

impl Counts {
    pub(super) fn record(&mut self, tsc: u64) {
        self.records += 1;
        self.first.get_or_insert(tsc);
        self.last = tsc;
    }

    /// From the first record to the last.
    pub fn ticks(&self) -> u64 {
        self.last.saturating_sub(self.first.unwrap_or(self.last))
    }
}

/// How many requests of each kind.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Unreturned(pub BTreeMap<Kind, u64>);

/// Kinds that are told apart. A program may make calls of as many numbers as it likes.
const KINDS: usize = 1024;

impl Extend<Kind> for Unreturned {
    fn extend<I: IntoIterator<Item = Kind>>(&mut self, kinds: I) {
        // A server that waits for its next client has nothing to come back from.
        for kind in kinds.into_iter().filter(|kind| !kind.may_be_ipc()) {
            if self.0.len() < KINDS || self.0.contains_key(&kind) {
                *self.0.entry(kind).or_default() += 1;
            }
        }
    }
}
