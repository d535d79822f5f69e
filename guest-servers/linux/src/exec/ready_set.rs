//! The tasks that were woken: a bitmap that any waker can set a bit in.
//!
//! A `Waker` must be `Send` and `Sync`, and a queue that is so needs a lock; bits in atomics need neither lock nor
//! allocation, and waking a task twice is naturally once.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Tasks that there can be: more than L4 has tasks.
pub const CAPACITY: usize = GROUPS * 64 * 64;
const GROUPS: usize = 16;

pub struct ReadySet {
    /// Bit n of word w: task 64·w + n.
    words: Box<[AtomicU64]>,
    /// Bit n of group g: word 64·g + n is not zero.
    groups: [AtomicU64; GROUPS],
    /// Whether any may be: most often the answer is no, and then it is one load.
    any: AtomicBool,
}

impl ReadySet {
    pub fn new() -> Self {
        let words: Vec<AtomicU64> = (0..GROUPS * 64).map(|_| AtomicU64::new(0)).collect();
        Self {
            words: words.into_boxed_slice(),
            groups: [const { AtomicU64::new(0) }; GROUPS],
            any: AtomicBool::new(false),
        }
    }

    pub fn insert(&self, task: usize) {
        self.words[task / 64].fetch_or(1 << (task % 64), Ordering::AcqRel);
        self.groups[task / 64 / 64].fetch_or(1 << (task / 64 % 64), Ordering::AcqRel);
        self.any.store(true, Ordering::Release);
    }

    /// Whether there is nothing to [`drain`](Self::drain).
    #[inline]
    pub fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    /// Takes all tasks out, in groups of up to 64, and calls `each` for them. Tasks that are inserted meanwhile may or may not
    /// be among them.
    pub fn drain(&self, mut each: impl FnMut(usize)) {
        self.any.store(false, Ordering::Release);
        for (g, group) in self.groups.iter().enumerate() {
            for w in bits(group.swap(0, Ordering::AcqRel)) {
                let word = 64 * g + w;
                for n in bits(self.words[word].swap(0, Ordering::AcqRel)) {
                    each(64 * word + n);
                }
            }
        }
    }
}

/// The positions of the bits that are set.
fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        (word != 0).then(|| {
            let n = word.trailing_zeros() as usize;
            word &= word - 1;
            n
        })
    })
}
