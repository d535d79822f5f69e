//! The kernel's lock, and how its holder keeps other CPUs from their own threads.
//!
//! One lock covers everything in the kernel but the fast path (`docs/kernel.md`), which takes none: it touches only threads of its own CPU that run or
//! wait for a message. So a CPU that holds the lock and is about to change a thread of another CPU first sees that CPU *quiet*: it interrupts
//! it ([`Lock::own`]) and waits until it has entered the kernel and waits for the lock. Quiet it stays until the lock is
//! given back. A CPU that idles is quiet, too.
//!
//! ```text
//!            enter                         (its turn)
//!   User ──────────▶ Waiting (quiet) ──────────────────▶ Inside
//!    ▲                      ▲                            │   │
//!    └──────────────────────┼───────── leave ────────────┘   │ idle
//!                           └───── enter ── Idle (quiet) ◀───┘
//! ```
//!
//! While it waits a CPU does what the holder asks it to ([`Lock::ask`]) that only it can do: save its FPU, leave an address space.
//! The lock is a ticket lock, so that CPUs are served in the order in which they came.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU32, Ordering};

#[cfg(not(loom))]
use core::sync::atomic::{AtomicU32, Ordering};

/// What the kernel is made for: boot refuses more.
pub const MAX_CPUS: usize = 64;

/// The CPU runs user code, or is on the fast path.
const USER: u32 = 0;
const WAITING: u32 = 1;
const INSIDE: u32 = 2;
const IDLE: u32 = 3;

/// Where a CPU is, and what it is asked to do. A cache line of its own: it is polled.
#[repr(align(64))]
struct Place {
    at: AtomicU32,
    asked: AtomicU32,
}

/// See the module. CPUs are named by their numbers.
pub struct Lock<const CPUS: usize> {
    next: AtomicU32,
    serving: AtomicU32,
    places: [Place; CPUS],
}

impl<const CPUS: usize> Lock<CPUS> {
    /// Free; all CPUs count as in user mode.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self {
            next: AtomicU32::new(0),
            serving: AtomicU32::new(0),
            places: [const { Place { at: AtomicU32::new(USER), asked: AtomicU32::new(0) } }; CPUS],
        }
    }

    #[cfg(loom)]
    pub fn new() -> Self {
        Self {
            next: AtomicU32::new(0),
            serving: AtomicU32::new(0),
            places: core::array::from_fn(|_| Place { at: AtomicU32::new(USER), asked: AtomicU32::new(0) }),
        }
    }

    /// Take the lock if nobody has it. The caller may have been interrupted by a holder who waits for it to be quiet; then this fails.
    pub fn try_enter(&self, me: usize) -> bool {
        let free = self.serving.load(Ordering::Acquire);
        let taken = self
            .next
            .compare_exchange(free, free.wrapping_add(1), Ordering::Acquire, Ordering::Relaxed)
            .is_ok();
        if taken {
            self.places[me].at.store(INSIDE, Ordering::Relaxed);
        }
        taken
    }

    /// Take the lock; until it is had, the caller is quiet and does with `serve` what it is asked to.
    pub fn enter(&self, me: usize, mut serve: impl FnMut(u32)) {
        let place = &self.places[me];
        // From here on the holder may touch this CPU's threads: what was done to them comes before.
        place.at.store(WAITING, Ordering::Release);
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        while self.serving.load(Ordering::Acquire) != ticket {
            let asked = place.asked.load(Ordering::Acquire);
            if asked != 0 {
                serve(asked);
                place.asked.store(0, Ordering::Release);
            }
            relax();
        }
        place.at.store(INSIDE, Ordering::Relaxed);
    }

    /// Give the lock back and go to user mode.
    pub fn leave(&self, me: usize) {
        self.give_back(me, USER);
    }

    /// Give the lock back and wait for interrupts, each of which enters again.
    pub fn idle(&self, me: usize) {
        self.give_back(me, IDLE);
    }

    /// Wait for interrupts without having had the lock: for a CPU that has just been started.
    pub fn begin_idle(&self, me: usize) {
        self.places[me].at.store(IDLE, Ordering::Release);
    }

    fn give_back(&self, me: usize, to: u32) {
        // Before the next holder comes, who has to see that this CPU is not quiet any more.
        self.places[me].at.store(to, Ordering::Relaxed);
        self.serving.store(self.serving.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    /// For the holder: see that `cpu`, another one, is quiet. `interrupt` makes it enter.
    pub fn own(&self, cpu: usize, interrupt: impl FnOnce()) {
        let place = &self.places[cpu];
        if place.at.load(Ordering::Acquire) != USER {
            return;
        }
        interrupt();
        while place.at.load(Ordering::Acquire) == USER {
            relax();
        }
    }

    /// For the holder: have `cpu`, another one, do what the bits of `what` mean, and wait until it has.
    pub fn ask(&self, cpu: usize, what: u32, interrupt: impl FnOnce()) {
        let place = &self.places[cpu];
        place.asked.store(what, Ordering::Release);
        if place.at.load(Ordering::Acquire) != WAITING {
            interrupt();
        }
        while place.asked.load(Ordering::Acquire) != 0 {
            relax();
        }
    }

    /// For the holder: whether `cpu` waits for interrupts.
    pub fn is_idle(&self, cpu: usize) -> bool {
        self.places[cpu].at.load(Ordering::Acquire) == IDLE
    }
}

#[cfg(not(loom))]
impl<const CPUS: usize> Default for Lock<CPUS> {
    fn default() -> Self {
        Self::new()
    }
}

#[inline(always)]
fn relax() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    core::hint::spin_loop();
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64};
    use std::thread;

    /// Threads play CPUs: in "user mode" they change a word of their own without the lock, under it those of others that are quiet.
    #[test]
    fn a_quiet_cpu_is_not_disturbed() {
        const CPUS: usize = 3;
        const ROUNDS: u64 = 60;
        struct Machine {
            lock: Lock<CPUS>,
            interrupted: [AtomicBool; CPUS],
            done: AtomicU64,
            /// Changed by load and store: an update is lost if two do it at once.
            words: [AtomicU64; CPUS],
        }
        let m = Arc::new(Machine {
            lock: Lock::new(),
            interrupted: [const { AtomicBool::new(false) }; CPUS],
            done: AtomicU64::new(0),
            words: [const { AtomicU64::new(0) }; CPUS],
        });
        let add = |word: &AtomicU64| {
            let old = word.load(Ordering::Relaxed);
            thread::yield_now();
            word.store(old + 1, Ordering::Relaxed);
        };
        let run = |me: usize, m: Arc<Machine>| {
            let handle = |me: usize| {
                m.interrupted[me].store(false, Ordering::SeqCst);
                m.lock.enter(me, |_| ());
                m.lock.leave(me);
            };
            for round in 0..ROUNDS {
                if m.interrupted[me].load(Ordering::SeqCst) {
                    handle(me);
                }
                add(&m.words[me]);
                if round % 3 == 0 {
                    let other = (me + 1 + round as usize / 3 % (CPUS - 1)) % CPUS;
                    m.lock.enter(me, |_| ());
                    m.lock.own(other, || m.interrupted[other].store(true, Ordering::SeqCst));
                    add(&m.words[other]);
                    m.lock.leave(me);
                }
            }
            m.done.fetch_add(1, Ordering::SeqCst);
            while m.done.load(Ordering::SeqCst) != CPUS as u64 {
                if m.interrupted[me].load(Ordering::SeqCst) {
                    handle(me);
                }
                thread::yield_now();
            }
        };
        thread::scope(|s| {
            for me in 0..CPUS {
                let m = m.clone();
                s.spawn(move || run(me, m));
            }
        });
        let sum: u64 = m.words.iter().map(|w| w.load(Ordering::Relaxed)).sum();
        assert_eq!(sum, CPUS as u64 * (ROUNDS + ROUNDS / 3));
    }
}
