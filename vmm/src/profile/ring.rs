//! Takes records out of one ring of the guest's.
//!
//! The guest may write anything there at any time. So our place in the ring is kept here, what it says is only ever compared with that, and nobody is waited for
//! for long: whatever it writes, a look at a ring is over after at most [`CAPACITY`] slots.

use std::mem::offset_of;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};
use vm_memory::bitmap::BitmapSlice;
use vm_memory::{Bytes, VolatileSlice};
use vmm_abi::trace::{CAPACITY, Record, Ring, slot};

/// How long a record may take from its place being taken to its being complete: its thread may have been preempted between.
const PATIENCE: Duration = Duration::from_secs(1);

/// Our place in a ring.
#[derive(Debug, Default)]
pub struct Place {
    /// Number of the next slot to read.
    next: u64,
    /// Since when we wait for that slot to become complete.
    waiting: Option<Instant>,
    /// Records taken.
    pub taken: u64,
    /// Slots that were given up.
    pub incomplete: u64,
    /// Records that had no room, as far as was looked.
    pub dropped: u64,
}

/// Whether a record that is not complete may become so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// It may, if there is time and room. It is this moment.
    Until(Instant),
    /// The guest has stopped.
    No,
}

impl Place {
    /// Appends to `records` what is new and complete in `ring`, in its order, and gives the guest its room back.
    pub fn take<B: BitmapSlice>(&mut self, ring: &VolatileSlice<'_, B>, wait: Wait, records: &mut Vec<u8>) {
        let before = self.next;
        let claimed = word(ring, offset_of!(Ring, claimed));
        if claimed.wrapping_sub(self.next) > CAPACITY {
            // No writer claims a slot that we have not read: somebody has written nonsense there.
            self.incomplete += CAPACITY;
            self.next = claimed;
        }
        while self.next != claimed {
            let end = self.complete(ring, claimed);
            copy(ring, self.next..end, records);
            self.taken += end.wrapping_sub(self.next);
            self.next = end;
            if end != claimed && !self.gives_up(claimed, wait) {
                break;
            }
        }
        if self.next != before {
            // Within the slice, and aligned, as above.
            let _ = ring.store(self.next, offset_of!(Ring, read), Release);
        }
    }

    /// How many more records the guest says that it had no room for: since the ring was full then, they belong behind those that were taken.
    pub fn look_for_dropped<B: BitmapSlice>(&mut self, ring: &VolatileSlice<'_, B>) -> u64 {
        let dropped = word(ring, offset_of!(Ring, dropped));
        dropped.wrapping_sub(std::mem::replace(&mut self.dropped, dropped))
    }

    /// Number of the first slot from `next` on whose record is not complete; `claimed` if all are.
    fn complete<B: BitmapSlice>(&self, ring: &VolatileSlice<'_, B>, claimed: u64) -> u64 {
        let mut n = self.next;
        while n != claimed {
            // Acquire: what the record says is read after its tag.
            let tag = ring.load::<u64>(slot(n) as usize, Acquire).unwrap_or(0);
            if (tag >> 32) as u32 != n.wrapping_add(1) as u32 {
                break;
            }
            n = n.wrapping_add(1);
        }
        n
    }

    /// Whether the slot at `next`, which is not complete, is passed over.
    fn gives_up(&mut self, claimed: u64, wait: Wait) -> bool {
        let waited = match wait {
            Wait::No => true,
            Wait::Until(now) => {
                let since = *self.waiting.get_or_insert(now);
                let is_full = claimed.wrapping_sub(self.next) > CAPACITY / 2;
                is_full || now.duration_since(since) > PATIENCE
            }
        };
        if waited {
            self.waiting = None;
            self.incomplete += 1;
            self.next = self.next.wrapping_add(1);
        }
        waited
    }
}

/// A word of the ring's head. The slice is a whole ring, page-aligned, so there is one.
fn word<B: BitmapSlice>(ring: &VolatileSlice<'_, B>, offset: usize) -> u64 {
    ring.load(offset, Relaxed).unwrap_or(0)
}

/// Appends these slots' records.
fn copy<B: BitmapSlice>(ring: &VolatileSlice<'_, B>, slots: std::ops::Range<u64>, records: &mut Vec<u8>) {
    let mut n = slots.start;
    while n != slots.end {
        let to_border = CAPACITY - n % CAPACITY;
        let count = slots.end.wrapping_sub(n).min(to_border);
        let at = records.len();
        records.resize(at + count as usize * Record::SIZE, 0);
        // What is in the slice can be read.
        let _ = ring.read_slice(&mut records[at..], slot(n) as usize);
        n = n.wrapping_add(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{GuestMemory, allocate};
    use vm_memory::{GuestAddress, GuestMemoryBackend};
    use vmm_abi::trace::{Event, RING_SIZE};

    /// A guest with one ring.
    struct Guest(GuestMemory);

    impl Guest {
        fn new() -> Self {
            Self(allocate(RING_SIZE).unwrap())
        }
        fn set(&self, offset: usize, value: u64) {
            self.0.write_obj(value, GuestAddress(offset as u64)).unwrap();
        }
        fn get(&self, offset: usize) -> u64 {
            self.0.read_obj(GuestAddress(offset as u64)).unwrap()
        }
        fn claim(&self, count: u64) {
            self.set(offset_of!(Ring, claimed), count);
        }
        /// Completes the record of slot `n`.
        fn fill(&self, n: u64) {
            let words = Record::new(Event::EXIT, 0, n + 1, 1, n * 10, 2).to_words();
            for (at, word) in (slot(n)..).step_by(8).zip(words) {
                self.set(at as usize, word);
            }
        }
        fn take(&self, place: &mut Place, wait: Wait) -> Vec<u64> {
            let ring = self.0.get_slice(GuestAddress(0), RING_SIZE as usize).unwrap();
            let mut records = Vec::new();
            place.take(&ring, wait, &mut records);
            assert_eq!(self.get(offset_of!(Ring, read)), place.next);
            let tsc = |record: &[u8]| u64::from_le_bytes(record[16..24].try_into().unwrap());
            records.chunks(Record::SIZE).map(tsc).collect()
        }
    }

    fn soon() -> Wait {
        Wait::Until(Instant::now())
    }

    #[test]
    fn records_come_in_their_order_across_the_end() {
        let (guest, mut place) = (Guest::new(), Place::default());
        for n in 0..CAPACITY - 1 {
            guest.fill(n);
        }
        guest.claim(CAPACITY - 1);
        assert_eq!(guest.take(&mut place, soon()).len() as u64, CAPACITY - 1);
        for n in CAPACITY - 1..CAPACITY + 2 {
            guest.fill(n);
        }
        guest.claim(CAPACITY + 2);
        let expected: Vec<_> = (CAPACITY - 1..CAPACITY + 2).map(|n| n * 10).collect();
        assert_eq!(guest.take(&mut place, soon()), expected);
        assert!(guest.take(&mut place, soon()).is_empty());
        assert_eq!((place.taken, place.incomplete), (CAPACITY + 2, 0));
    }

    #[test]
    fn an_incomplete_record_is_waited_for_and_then_given_up() {
        let (guest, mut place) = (Guest::new(), Place::default());
        guest.fill(0);
        guest.fill(2);
        guest.claim(3);
        let now = Instant::now();
        assert_eq!(guest.take(&mut place, Wait::Until(now)), [0]);
        assert!(guest.take(&mut place, Wait::Until(now + PATIENCE)).is_empty());
        assert_eq!(guest.take(&mut place, Wait::Until(now + PATIENCE * 2)), [20]);
        assert_eq!((place.taken, place.incomplete), (2, 1));
        // One that is completed in time.
        guest.claim(4);
        assert!(guest.take(&mut place, soon()).is_empty());
        guest.fill(3);
        assert_eq!(guest.take(&mut place, soon()), [30]);
        assert_eq!(place.incomplete, 1);
    }

    #[test]
    fn nobody_is_waited_for_when_room_gets_short_or_the_guest_has_stopped() {
        let (guest, mut place) = (Guest::new(), Place::default());
        for n in 1..CAPACITY {
            guest.fill(n);
        }
        guest.claim(CAPACITY);
        assert_eq!(guest.take(&mut place, soon()).len() as u64, CAPACITY - 1);
        guest.claim(CAPACITY + 2);
        assert!(guest.take(&mut place, soon()).is_empty());
        assert!(guest.take(&mut place, Wait::No).is_empty());
        assert_eq!((place.taken, place.incomplete, place.next), (CAPACITY - 1, 3, CAPACITY + 2));
    }

    #[test]
    fn dropped_records_are_told_once() {
        let (guest, mut place) = (Guest::new(), Place::default());
        let mut look = |count| {
            guest.set(offset_of!(Ring, dropped), count);
            let ring = guest.0.get_slice(GuestAddress(0), RING_SIZE as usize).unwrap();
            place.look_for_dropped(&ring)
        };
        assert_eq!([0, 7, 7, 10].map(&mut look), [0, 7, 0, 3]);
        assert_eq!(place.dropped, 10);
    }

    #[test]
    fn nonsense_ends_and_what_comes_after_it_is_read() {
        let (guest, mut place) = (Guest::new(), Place::default());
        guest.claim(1 << 40);
        assert!(guest.take(&mut place, soon()).is_empty());
        guest.claim(5);
        assert!(guest.take(&mut place, Wait::No).is_empty());
        assert_eq!((place.next, place.taken), (5, 0));
        assert!(place.incomplete > 0);
        guest.fill(5);
        guest.claim(6);
        assert_eq!(guest.take(&mut place, Wait::No), [50]);
    }
}
