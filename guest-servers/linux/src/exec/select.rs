//! Waiting for whichever of several things comes first.

use alloc::vec::Vec;
use core::pin::{Pin, pin};
use core::task::Poll;

use super::wait_queue::{Wait, WaitQueue};

/// Which of two futures completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Either<A, B> {
    First(A),
    Second(B),
}

/// Completes with the first of the two that does; the first named wins a tie.
pub async fn select<A: Future, B: Future>(a: A, b: B) -> Either<A::Output, B::Output> {
    let mut a = pin!(a);
    let mut b = pin!(b);
    core::future::poll_fn(move |cx| {
        if let Poll::Ready(output) = a.as_mut().poll(cx) {
            return Poll::Ready(Either::First(output));
        }
        b.as_mut().poll(cx).map(Either::Second)
    })
    .await
}

/// Completes when any of the queues is woken.
pub async fn wait_any(queues: &[WaitQueue]) {
    let mut waits: Vec<Wait> = queues.iter().map(WaitQueue::wait).collect();
    core::future::poll_fn(move |cx| {
        // All are polled, so that all are registered.
        let woken = waits.iter_mut().fold(false, |woken, w| woken | Pin::new(w).poll(cx).is_ready());
        if woken { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
