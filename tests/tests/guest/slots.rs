//! How many tests work at the same time.
//!
//! Every test has a thread, and works while it has one of the slots, of which there are as many as CPUs. Many tests wait for what others do: a lab is
//! started once for all that have something to look at in it. While a test waits for that, its slot is another's: else half of the CPUs would idle.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};

pub struct Slots {
    free: Mutex<usize>,
    given_back: Condvar,
}

impl Slots {
    pub fn new(count: usize) -> Self {
        Self { free: Mutex::new(count), given_back: Condvar::new() }
    }

    /// Waits for a slot, works with it, and gives it back, even if `work` panics.
    pub fn with<R>(&self, work: impl FnOnce() -> R) -> R {
        self.take();
        let _slot = AtEnd(|| self.give_back());
        work()
    }

    /// Gives the caller's slot back, waits, and gets a slot again.
    fn without<R>(&self, wait: impl FnOnce() -> R) -> R {
        self.give_back();
        let _slot = AtEnd(|| self.take());
        wait()
    }

    fn take(&self) {
        // Whoever panics does not hold the lock; the number is right in any case.
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.given_back.wait_while(free, |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
    }

    fn give_back(&self) {
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.given_back.notify_one();
    }
}

struct AtEnd<F: FnMut()>(F);

impl<F: FnMut()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// What several tests look at. The first that asks makes it.
pub struct Shared<T> {
    value: OnceLock<T>,
    has_maker: AtomicBool,
}

impl<T> Shared<T> {
    pub const fn new() -> Self {
        Self { value: OnceLock::new(), has_maker: AtomicBool::new(false) }
    }

    /// For a test with a slot.
    pub fn get(&self, slots: &Slots, make: impl FnOnce() -> T) -> &T {
        if self.value.get().is_some() || !self.has_maker.swap(true, Ordering::Relaxed) {
            self.value.get_or_init(make)
        } else {
            slots.without(|| self.value.get_or_init(make))
        }
    }
}
