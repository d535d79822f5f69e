//! Ending a wait because a signal came.
//!
//! A process's thread has one [`Interrupt`]. The signal code raises it when a signal becomes deliverable and clears it
//! when it has dealt with all of them; a blocked call runs under [`Interrupt::guard`] and so ends early.

use core::cell::Cell;
use core::pin::pin;
use core::task::{Context, Poll};

use super::wait_queue::WaitQueue;

/// A level, not an edge: while it is raised, guarded waits end at once.
#[derive(Default, Debug)]
pub struct Interrupt {
    raised: Cell<bool>,
    queue: WaitQueue,
}

/// The wait was ended by an interrupt. Which error that is (EINTR, ERESTARTSYS …) is the caller's to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interrupted;

impl Interrupt {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn raise(&self) {
        self.raised.set(true);
        self.queue.wake_all();
    }

    pub fn clear(&self) {
        self.raised.set(false);
    }

    pub fn is_raised(&self) -> bool {
        self.raised.get()
    }

    /// Runs `future` until it completes or the interrupt is raised. A future that can complete without waiting does so even
    /// while the interrupt is raised, as a Linux call that need not block is not interrupted.
    pub async fn guard<F: Future>(&self, future: F) -> Result<F::Output, Interrupted> {
        let mut future = pin!(future);
        let mut wait = pin!(self.queue.wait());
        core::future::poll_fn(move |cx: &mut Context<'_>| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            if self.is_raised() {
                return Poll::Ready(Err(Interrupted));
            }
            if wait.as_mut().poll(cx).is_ready() {
                // Raised and cleared again before this was polled: wait for the next.
                wait.set(self.queue.wait());
                let _ = wait.as_mut().poll(cx);
            }
            Poll::Pending
        })
        .await
    }
}
