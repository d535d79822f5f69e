//! The last things that happened, for the kernel's last words. What happens all the time, messages and page faults and interrupts, is not
//! noted: it would cost instructions and push out the rest.

use core::cell::Cell;

use ukernel_abi::ThreadId;
use ukernel_abi::debug::event;

#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub enum Event {
    None = event::NONE,
    Exception = event::EXCEPTION,
    TaskNew = event::TASK_NEW,
    TaskDelete = event::TASK_DELETE,
    ThreadNew = event::THREAD_NEW,
    ThreadDelete = event::THREAD_DELETE,
    Orphan = event::ORPHAN,
}

/// What the ring consists of.
pub type Entry = (Event, ThreadId, u64);

pub const COUNT: usize = 32;

/// A ring of the most recent events.
pub struct Events {
    pub next: Cell<usize>,
    pub ring: [Cell<Entry>; COUNT],
}

impl Events {
    pub const fn new() -> Self {
        Self { next: Cell::new(0), ring: [const { Cell::new((Event::None, ThreadId::NIL, 0)) }; COUNT] }
    }

    #[inline]
    pub fn record(&self, event: Event, thread: ThreadId, value: u64) {
        let n = self.next.get();
        self.next.set((n + 1) % COUNT);
        self.ring[n % COUNT].set((event, thread, value));
    }

    /// Oldest first.
    pub fn for_each(&self, mut f: impl FnMut(Event, ThreadId, u64)) {
        for n in 0..COUNT {
            let (event, thread, value) = self.ring[(self.next.get() + n) % COUNT].get();
            if !matches!(event, Event::None) {
                f(event, thread, value);
            }
        }
    }
}
