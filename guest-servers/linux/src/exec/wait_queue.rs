//! Waiting until somebody says that something has changed.
//!
//! The user is a loop: test the condition, and if it does not hold, `queue.wait().await` and test again. Between the test and
//! the wait nothing else runs, so no change is missed; a wake says only that testing again is worthwhile.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

/// A handle to a queue; a clone is the same queue.
#[derive(Clone, Default)]
pub struct WaitQueue(Rc<RefCell<Waiters>>);

#[derive(Default)]
struct Waiters {
    next: u64,
    /// In the order of their keys, which is the order in which they came.
    queue: VecDeque<(u64, Waker)>,
}

impl Waiters {
    fn position(&self, key: u64) -> Option<usize> {
        self.queue.binary_search_by_key(&key, |&(k, _)| k).ok()
    }
}

impl WaitQueue {
    pub fn new() -> Self {
        Self::default()
    }

    /// Completes at the next wake after its first poll.
    pub fn wait(&self) -> Wait {
        Wait { queue: self.clone(), state: State::New }
    }

    /// Wakes the one that has waited longest.
    pub fn wake_one(&self) {
        let first = self.0.borrow_mut().queue.pop_front();
        if let Some((_, waker)) = first {
            waker.wake();
        }
    }

    pub fn wake_all(&self) {
        // Waking only marks a task as ready: no code of a task runs here.
        for (_, waker) in self.0.borrow_mut().queue.drain(..) {
            waker.wake();
        }
    }

    /// Whether anybody waits.
    pub fn has_waiters(&self) -> bool {
        !self.0.borrow().queue.is_empty()
    }

    /// Whether both are the same queue.
    pub fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WaitQueue({} waiting)", self.0.borrow().queue.len())
    }
}

/// The future of [`WaitQueue::wait`].
pub struct Wait {
    queue: WaitQueue,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    New,
    Waiting(u64),
    Done,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut waiters = this.queue.0.borrow_mut();
        match this.state {
            State::New => {
                let key = waiters.next;
                waiters.next += 1;
                waiters.queue.push_back((key, cx.waker().clone()));
                this.state = State::Waiting(key);
                Poll::Pending
            }
            State::Waiting(key) => match waiters.position(key) {
                Some(at) => {
                    waiters.queue[at].1.clone_from(cx.waker());
                    Poll::Pending
                }
                None => {
                    this.state = State::Done;
                    Poll::Ready(())
                }
            },
            State::Done => Poll::Ready(()),
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let State::Waiting(key) = self.state else { return };
        let mut waiters = self.queue.0.borrow_mut();
        if let Some(at) = waiters.position(key) {
            waiters.queue.remove(at);
            return;
        }
        drop(waiters);
        // It was woken and never noticed (its task was interrupted first): the wake is the next one's.
        self.queue.wake_one();
    }
}
