//! Waiting for a point in time.
//!
//! Time is nanoseconds of the monotonic clock, told by the event loop ([`Timers::advance`]); [`Timers::next_deadline`] says
//! how long the loop may wait for messages.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

/// A handle to all timers; a clone is the same.
#[derive(Clone, Default)]
pub struct Timers(Rc<Inner>);

struct Inner {
    now: Cell<u64>,
    serial: Cell<u64>,
    /// By deadline, then by age.
    sleepers: RefCell<BTreeMap<(u64, u64), Waker>>,
    /// The first of these deadlines: both questions that every event asks are answered by one look at it. [`NEVER`] if there is none.
    first: Cell<u64>,
}

/// No deadline.
const NEVER: u64 = u64::MAX;

impl Default for Inner {
    fn default() -> Self {
        Self {
            now: Cell::default(),
            serial: Cell::default(),
            sleepers: RefCell::default(),
            first: Cell::new(NEVER),
        }
    }
}

impl Inner {
    fn note_first(&self, sleepers: &BTreeMap<(u64, u64), Waker>) {
        self.first.set(sleepers.first_key_value().map_or(NEVER, |(&(deadline, _), _)| deadline));
    }
}

impl Timers {
    pub fn new() -> Self {
        Self::default()
    }

    /// The time of the last `advance`, in nanoseconds.
    pub fn now(&self) -> u64 {
        self.0.now.get()
    }

    /// Sets the time and wakes those whose deadline has come. Time never goes back.
    #[inline]
    pub fn advance(&self, now: u64) {
        let now = self.0.now.get().max(now);
        self.0.now.set(now);
        if self.0.first.get() <= now {
            self.wake(now);
        }
    }

    #[inline(never)]
    fn wake(&self, now: u64) {
        let mut sleepers = self.0.sleepers.borrow_mut();
        while let Some(first) = sleepers.first_entry() {
            if first.key().0 > now {
                break;
            }
            first.remove().wake();
        }
        self.0.note_first(&sleepers);
    }

    /// When the next sleeper is to be woken.
    #[inline]
    pub fn next_deadline(&self) -> Option<u64> {
        Some(self.0.first.get()).filter(|&first| first != NEVER)
    }

    /// Completes when the time is `deadline` or later.
    pub fn sleep_until(&self, deadline: u64) -> Sleep {
        Sleep { timers: self.clone(), deadline, serial: None }
    }

    /// As `sleep_until`; without a deadline it never completes.
    pub async fn sleep_until_some(&self, deadline: Option<u64>) {
        match deadline {
            Some(deadline) => self.sleep_until(deadline).await,
            None => core::future::pending().await,
        }
    }
}

/// The future of [`Timers::sleep_until`].
pub struct Sleep {
    timers: Timers,
    deadline: u64,
    serial: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.timers.now() >= self.deadline {
            return Poll::Ready(());
        }
        let inner = self.timers.0.clone();
        let serial = *self.serial.get_or_insert_with(|| {
            inner.serial.set(inner.serial.get() + 1);
            inner.serial.get()
        });
        let mut sleepers = inner.sleepers.borrow_mut();
        sleepers.insert((self.deadline, serial), cx.waker().clone());
        inner.note_first(&sleepers);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(serial) = self.serial {
            let mut sleepers = self.timers.0.sleepers.borrow_mut();
            sleepers.remove(&(self.deadline, serial));
            self.timers.0.note_first(&sleepers);
        }
    }
}
