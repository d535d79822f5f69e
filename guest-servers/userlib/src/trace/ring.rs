//! Writing to a ring: safe code on two references, which is why several threads may do it at once.

use core::sync::atomic::{AtomicU64, Ordering};
use ukernel_abi::ThreadId;
use vmm_abi::trace::{ANY_CPU, CAPACITY, Event, RECORDS, Record, Ring};

/// A record, word by word: tag, thread, TSC, argument.
type Slot = [AtomicU64; 4];

const _: () = assert!(size_of::<Slot>() == Record::SIZE);

/// A ring that this task writes to.
#[derive(Clone, Copy)]
pub(super) struct Writer<'a> {
    head: &'a Ring,
    slots: &'a [Slot; CAPACITY as usize],
}

impl Writer<'_> {
    /// The ring at `base`.
    ///
    /// # Safety
    ///
    /// For as long as the writer lives, `base`, a multiple of 64, is the beginning of `RING_SIZE` bytes that can be read and written, and that whoever
    /// else has them accesses by whole words only.
    #[inline(always)]
    pub unsafe fn at(base: *const u8) -> Self {
        // SAFETY: the caller's promise; both are atomic words and padding, of which any bits are valid, and lie in the ring.
        unsafe { Self { head: &*base.cast(), slots: &*base.add(RECORDS as usize).cast() } }
    }

    /// Writes a record, or counts one that finds no room. `tsc` is read when there is room.
    #[inline(always)]
    pub fn record(&self, event: Event, thread: ThreadId, argument: u64, tsc: impl FnOnce() -> u64) {
        // Acquire: a slot is filled after the host has said that it is done with it.
        let free = |n: u64| n.wrapping_sub(self.head.read.load(Ordering::Acquire)) < CAPACITY;
        let take = |n: u64| free(n).then_some(n.wrapping_add(1));
        let Ok(n) = self.head.claimed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) else {
            self.head.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let record = Record::new(event, ANY_CPU, n.wrapping_add(1), thread.0, tsc(), argument);
        let [tag, words @ ..] = self.slot(n);
        // One by one: a loop would be a loop.
        words[0].store(record.thread, Ordering::Relaxed);
        words[1].store(record.tsc, Ordering::Relaxed);
        words[2].store(record.argument, Ordering::Relaxed);
        // The tag last: by it the host sees that the record is complete.
        tag.store(record.tag, Ordering::Release);
    }

    #[inline(always)]
    fn slot(&self, n: u64) -> &Slot {
        &self.slots[(n % CAPACITY) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::alloc::{Layout, alloc_zeroed, dealloc};
    use vmm_abi::trace::RING_SIZE;

    const LAYOUT: Layout = match Layout::from_size_align(RING_SIZE as usize, 4096) {
        Ok(layout) => layout,
        Err(_) => panic!("a ring is whole pages"),
    };
    const ME: ThreadId = ThreadId::new(7, 0, 1);

    /// A ring in ordinary memory, and the host's side of it.
    struct Memory(*mut u8);

    impl Memory {
        fn new() -> Self {
            // SAFETY: the layout is not empty.
            Self(unsafe { alloc_zeroed(LAYOUT) })
        }
        fn writer(&self) -> Writer<'_> {
            // SAFETY: the memory is a whole ring, aligned, and lives as long as `self`; these tests use atomic words only.
            unsafe { Writer::at(self.0) }
        }
        /// What the host takes: records in order, as far as they are filled.
        fn drain(&self) -> Vec<Record> {
            let w = self.writer();
            let (mut read, mut records) = (w.head.read.load(Ordering::Relaxed), Vec::new());
            while read != w.head.claimed.load(Ordering::Relaxed) {
                let slot = w.slot(read);
                let record = Record::from_words([0, 1, 2, 3].map(|i| slot[i].load(Ordering::Acquire)));
                if record.sequence() != (read as u32).wrapping_add(1) {
                    break;
                }
                records.push(record);
                read = read.wrapping_add(1);
            }
            w.head.read.store(read, Ordering::Release);
            records
        }
        fn dropped(&self) -> u64 {
            self.writer().head.dropped.load(Ordering::Relaxed)
        }
    }

    impl Drop for Memory {
        fn drop(&mut self) {
            // SAFETY: from `alloc_zeroed` with this layout, and no writer is left.
            unsafe { dealloc(self.0, LAYOUT) }
        }
    }

    #[test]
    fn records_come_as_they_were_written() {
        let memory = Memory::new();
        memory.writer().record(Event::RECEIVED, ME, 0x1234, || 55);
        memory.writer().record(Event::user(3), ThreadId::ROOT, u64::MAX, || 56);
        let want = [
            Record::new(Event::RECEIVED, ANY_CPU, 1, ME.0, 55, 0x1234),
            Record::new(Event(0x203), ANY_CPU, 2, ThreadId::ROOT.0, 56, u64::MAX),
        ];
        assert_eq!(memory.drain(), want);
        assert_eq!(memory.drain(), []);
    }

    #[test]
    fn a_full_ring_drops_and_counts_and_goes_on_when_there_is_room() {
        let memory = Memory::new();
        let write = |argument| memory.writer().record(Event::REPLY, ME, argument, || argument);
        (0..CAPACITY + 10).for_each(write);
        assert_eq!(memory.dropped(), 10);
        let all = memory.drain();
        assert!(all.iter().map(|r| r.argument).eq(0..CAPACITY), "the first ones, in order");
        write(77);
        let [last] = memory.drain()[..] else { panic!("one record") };
        assert_eq!((last.argument, last.sequence()), (77, CAPACITY as u32 + 1), "in the first slot again");
        assert_eq!(memory.dropped(), 10);
    }

    #[test]
    fn sequence_numbers_wrap() {
        let memory = Memory::new();
        let start = u64::from(u32::MAX) - 1;
        memory.writer().head.claimed.store(start, Ordering::Relaxed);
        memory.writer().head.read.store(start, Ordering::Relaxed);
        (0..3).for_each(|i| memory.writer().record(Event::REPLY, ME, i, || i));
        assert_eq!(memory.drain().iter().map(Record::sequence).collect::<Vec<_>>(), [u32::MAX, 0, 1]);
    }

    #[test]
    fn threads_may_write_at_once() {
        const EACH: u64 = 5000;
        let memory = Memory::new();
        std::thread::scope(|scope| {
            for thread in 1..=4 {
                let writer = memory.writer();
                scope.spawn(move || {
                    let me = ThreadId::new(1, thread, 1);
                    (0..EACH).for_each(|i| writer.record(Event::user(0), me, i, || 0));
                });
            }
        });
        let all = memory.drain();
        assert_eq!((all.len() as u64, memory.dropped()), (4 * EACH, 0));
        for thread in 1..=4 {
            let of = all.iter().filter(|r| r.thread == ThreadId::new(1, thread, 1).0);
            assert!(of.map(|r| r.argument).eq(0..EACH), "thread {thread}: each once, in its order");
        }
    }
}
