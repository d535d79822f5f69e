//! Kernel frames: single ones and aligned pairs.
//!
//! Tables that hold leaves are pairs (the table, and a frame with the node of every leaf), so there are two sizes,
//! and a two-size buddy system is all that is needed. Three things keep it cheap where each kernel
//! instruction counts:
//!
//! - Memory comes zeroed and is given back zeroed ([`Frames::free`]), so nothing is cleared when handed out but the list links.
//! - Frames that cannot be given back zeroed (slabs of nodes, pages that user code has written) go to a list of
//!   their own ([`Frames::free_dirty`]). They serve users who do not mind ([`Frames::alloc_dirty`]), and are cleared only when the
//!   clean ones have run out.
//! - The pool is not chopped up in advance: frames never yet used are a range.
//!
//! Every frame of the pool has an information word, in an array at the start of the pool. It says that the frame
//! is on the list of single frames ([`FREE`]), else it belongs to the frame's user (see `tables`).

use core::cell::Cell;
use core::ops::Range;

use super::machine::{Machine, PhysAddr};
use ukernel_abi::layout::PAGE;

/// There is no frame left, or the task's quota is used up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoMemory;

const PAIR: u64 = 2 * PAGE;
/// Information word of a frame on the list of single frames.
const FREE: u64 = u64::MAX;
/// Links in a frame on the list of single frames. The other lists use only the first.
const NEXT: u64 = 0;
const PREV: u64 = 8;

/// The kernel's pool of frames.
pub struct Frames<M> {
    pub(super) machine: M,
    /// First frame of each list, or null.
    singles: Cell<PhysAddr>,
    pairs: Cell<PhysAddr>,
    dirty: Cell<PhysAddr>,
    /// Frames never used yet: pairs from `fresh` to `end`.
    fresh: Cell<PhysAddr>,
    end: Cell<PhysAddr>,
    /// Address that the information word of frame number 0 would have.
    info_base: Cell<u64>,
    pub(crate) free: Cell<u64>,
}

impl<M: Machine> Frames<M> {
    /// An empty pool.
    pub const fn new(machine: M) -> Self {
        Self {
            machine,
            singles: Cell::new(PhysAddr::NULL),
            pairs: Cell::new(PhysAddr::NULL),
            dirty: Cell::new(PhysAddr::NULL),
            fresh: Cell::new(PhysAddr::NULL),
            end: Cell::new(PhysAddr::NULL),
            info_base: Cell::new(0),
            free: Cell::new(0),
        }
    }

    /// Takes over the zeroed memory in `pool`. Called once, before anything else.
    pub fn init(&self, pool: Range<PhysAddr>) {
        let start = pool.start.0.next_multiple_of(PAIR);
        let end = (pool.end.0 & !(PAIR - 1)).max(start);
        let info_bytes = (end - start) / PAGE * 8;
        let fresh = (start + info_bytes).next_multiple_of(PAIR).min(end);
        self.info_base.set(start.wrapping_sub(start / PAGE * 8));
        self.fresh.set(PhysAddr(fresh));
        self.end.set(PhysAddr(end));
        self.free.set((end - fresh) / PAGE);
    }

    /// Number of frames that are not in use.
    pub fn free_count(&self) -> u64 {
        self.free.get()
    }

    /// A zeroed frame.
    pub fn alloc(&self) -> Result<PhysAddr, NoMemory> {
        let frame = self.singles.get();
        if !frame.is_null() {
            self.unlink_single(frame);
            self.free.set(self.free.get() - 1);
            return Ok(frame);
        }
        if let Some(pair) = self.take_pair() {
            self.push_single(pair.plus(PAGE));
            self.free.set(self.free.get() - 1);
            return Ok(pair);
        }
        self.clean_one()?;
        self.alloc()
    }

    /// A frame with anything in it.
    pub fn alloc_dirty(&self) -> Result<PhysAddr, NoMemory> {
        match self.pop_dirty() {
            Some(frame) => {
                self.free.set(self.free.get() - 1);
                Ok(frame)
            }
            None => self.alloc(),
        }
    }

    /// Two zeroed frames side by side, the first at a multiple of their size.
    pub fn alloc_pair(&self) -> Result<PhysAddr, NoMemory> {
        loop {
            if let Some(pair) = self.take_pair() {
                self.free.set(self.free.get() - 2);
                return Ok(pair);
            }
            self.clean_one()?;
        }
    }

    /// Gives back a frame whose words are all zero.
    pub fn free(&self, frame: PhysAddr) {
        self.free.set(self.free.get() + 1);
        self.insert_clean(frame);
    }

    /// Gives back a pair whose words are all zero.
    pub fn free_pair(&self, pair: PhysAddr) {
        self.free.set(self.free.get() + 2);
        self.push_pair(pair);
    }

    /// Gives back a frame with anything in it.
    pub fn free_dirty(&self, frame: PhysAddr) {
        self.free.set(self.free.get() + 1);
        self.machine.store(frame.plus(NEXT), self.dirty.get().0);
        self.dirty.set(frame);
    }

    /// Where the information word of the frame is that `at` is in.
    #[inline(always)]
    pub(super) fn info_at(&self, at: PhysAddr) -> PhysAddr {
        PhysAddr(self.info_base.get().wrapping_add(at.0 >> 9 & !7))
    }

    fn insert_clean(&self, frame: PhysAddr) {
        let buddy = PhysAddr(frame.0 ^ PAGE);
        if self.machine.load(self.info_at(buddy)) == FREE {
            self.unlink_single(buddy);
            self.push_pair(PhysAddr(frame.0 & !PAGE));
        } else {
            self.push_single(frame);
        }
    }

    fn take_pair(&self) -> Option<PhysAddr> {
        let pair = self.pairs.get();
        if !pair.is_null() {
            self.pairs.set(PhysAddr(self.machine.load(pair.plus(NEXT))));
            self.machine.store(pair.plus(NEXT), 0);
            return Some(pair);
        }
        let fresh = self.fresh.get();
        (fresh < self.end.get()).then(|| {
            self.fresh.set(fresh.plus(PAIR));
            fresh
        })
    }

    fn push_pair(&self, pair: PhysAddr) {
        self.machine.store(pair.plus(NEXT), self.pairs.get().0);
        self.pairs.set(pair);
    }

    fn push_single(&self, frame: PhysAddr) {
        let first = self.singles.get();
        self.machine.store(frame.plus(NEXT), first.0);
        if !first.is_null() {
            self.machine.store(first.plus(PREV), frame.0);
        }
        self.singles.set(frame);
        self.machine.store(self.info_at(frame), FREE);
    }

    /// Takes a frame off the list of single ones and leaves it zeroed.
    fn unlink_single(&self, frame: PhysAddr) {
        let next = PhysAddr(self.machine.load(frame.plus(NEXT)));
        let prev = PhysAddr(self.machine.load(frame.plus(PREV)));
        if prev.is_null() {
            self.singles.set(next);
        } else {
            self.machine.store(prev.plus(NEXT), next.0);
            self.machine.store(frame.plus(PREV), 0);
        }
        if !next.is_null() {
            self.machine.store(next.plus(PREV), prev.0);
            self.machine.store(frame.plus(NEXT), 0);
        }
        self.machine.store(self.info_at(frame), 0);
    }

    fn pop_dirty(&self) -> Option<PhysAddr> {
        let frame = self.dirty.get();
        (!frame.is_null()).then(|| {
            self.dirty.set(PhysAddr(self.machine.load(frame.plus(NEXT))));
            frame
        })
    }

    /// Clears a dirty frame and puts it with the clean ones.
    #[cold]
    fn clean_one(&self) -> Result<(), NoMemory> {
        let frame = self.pop_dirty().ok_or(NoMemory)?;
        self.machine.fill(frame, PAGE / 8, 0);
        self.insert_clean(frame);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::mem::VirtAddr;
    use std::vec::Vec;

    /// Pool of 66 frames from 0x1000: the first is not at a pair, and one pair is for information words.
    struct Words(Vec<Cell<u64>>);

    impl Machine for Words {
        fn load(&self, at: PhysAddr) -> u64 {
            self.0[at.0 as usize / 8].get()
        }
        fn store(&self, at: PhysAddr, value: u64) {
            self.0[at.0 as usize / 8].set(value);
        }
        fn set_bits(&self, at: PhysAddr, bits: u64) {
            self.store(at, self.load(at) | bits);
        }
        fn fill(&self, at: PhysAddr, words: u64, value: u64) {
            (0..words).for_each(|n| self.store(at.plus(n * 8), value));
        }
        fn flush(&self, _: PhysAddr, _: VirtAddr) {}
    }

    const USABLE: u64 = 62;

    fn frames() -> Frames<Words> {
        let frames = Frames::new(Words((0..67 * 512).map(|_| Cell::new(0)).collect()));
        frames.init(PhysAddr(0x1000)..PhysAddr(67 * 0x1000));
        frames
    }

    #[test]
    fn all_frames_are_given_out_once_and_zeroed() {
        let frames = frames();
        assert_eq!(frames.free_count(), USABLE);
        let mut all: Vec<_> = (0..USABLE).map(|_| frames.alloc().expect("free")).collect();
        assert_eq!(frames.alloc(), Err(NoMemory));
        assert!(all.iter().all(|f| (0..512).all(|n| frames.machine.load(f.plus(n * 8)) == 0)));
        all.sort();
        all.dedup();
        assert_eq!(all.len() as u64, USABLE);
        assert!(all[0] >= PhysAddr(0x4000), "not the information words");
    }

    #[test]
    fn single_frames_become_pairs_again() {
        let frames = frames();
        let all: Vec<_> = (0..USABLE).map(|_| frames.alloc().expect("free")).collect();
        let (even, odd): (Vec<_>, Vec<_>) = all.into_iter().partition(|f| f.0 & PAGE == 0);
        even.iter().for_each(|&f| frames.free(f));
        assert_eq!(frames.alloc_pair(), Err(NoMemory), "no two are side by side");
        odd.iter().for_each(|&f| frames.free(f));
        for _ in 0..USABLE / 2 {
            let pair = frames.alloc_pair().expect("merged");
            assert_eq!(pair.0 % PAIR, 0);
            assert!((0..1024).all(|n| frames.machine.load(pair.plus(n * 8)) == 0));
        }
        assert_eq!(frames.free_count(), 0);
    }

    #[test]
    fn dirty_frames_are_cleaned_when_there_are_no_others() {
        let frames = frames();
        let all: Vec<_> = (0..USABLE / 2).map(|_| frames.alloc_pair().expect("free")).collect();
        for pair in all {
            for frame in [pair, pair.plus(PAGE)] {
                frames.machine.fill(frame, 512, u64::MAX);
                frames.free_dirty(frame);
            }
        }
        assert_eq!(frames.free_count(), USABLE);
        let dirty = frames.alloc_dirty().expect("free");
        assert_eq!(frames.machine.load(dirty.plus(8)), u64::MAX, "as it was given back");
        let pair = frames.alloc_pair().expect("two that can be merged");
        assert!((0..1024).all(|n| frames.machine.load(pair.plus(n * 8)) == 0));
        let clean = frames.alloc().expect("free");
        assert!((0..512).all(|n| frames.machine.load(clean.plus(n * 8)) == 0));
        assert_eq!(frames.free_count(), USABLE - 4);
    }
}
