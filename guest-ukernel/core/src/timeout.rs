//! Threads that wait for a time, in the order of their deadlines.
//!
//! A list, not a heap: it holds the threads that wait with a finite timeout, and those are the few servers; Linux programs sleep in
//! their server's own timer queue.

use crate::queue::{Link, Queue};
use crate::thread::{Thread, ThreadRef};

#[derive(Default)]
pub struct Timeouts {
    queue: Queue,
}

fn link(t: &'static Thread) -> &'static Link {
    &t.timeout_link
}

impl Timeouts {
    pub const fn new() -> Self {
        Self { queue: Queue::new() }
    }

    /// Deadline of the thread that is due first.
    pub fn next_deadline(&self) -> Option<u64> {
        self.queue.first().map(|t| t.deadline.get())
    }

    /// Let `t` be due at `deadline` (TSC).
    pub fn insert(&self, t: ThreadRef, deadline: u64) {
        self.remove(t);
        t.deadline.set(deadline);
        t.timeout_queued.set(true);
        let mut at = self.queue.first();
        while let Some(other) = at {
            if other.deadline.get() > deadline {
                return self.queue.insert_before(t, other, link);
            }
            at = other.timeout_link.next();
        }
        self.queue.push_back(t, link);
    }

    #[inline(always)]
    pub fn remove(&self, t: ThreadRef) {
        if t.timeout_queued.get() {
            t.timeout_queued.set(false);
            self.queue.remove(t, link);
        }
    }

    /// Take out a thread whose deadline has passed.
    pub fn pop_due(&self, now: u64) -> Option<ThreadRef> {
        let t = self.queue.first().filter(|t| t.deadline.get() <= now)?;
        self.remove(t);
        Some(t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;

    #[test]
    fn in_order_of_deadlines() {
        let list = Timeouts::new();
        let t: [ThreadRef; 4] = core::array::from_fn(|_| Box::leak(Box::default()) as ThreadRef);
        for (thread, deadline) in t.iter().zip([30, 10, 20, 10]) {
            list.insert(thread, deadline);
        }
        assert_eq!(list.next_deadline(), Some(10));
        assert!(core::ptr::eq(list.pop_due(15).unwrap(), t[1]), "first of equals is first");
        assert!(core::ptr::eq(list.pop_due(15).unwrap(), t[3]));
        assert!(list.pop_due(15).is_none());
        list.insert(t[0], 5);
        assert_eq!(list.next_deadline(), Some(5));
        list.remove(t[0]);
        list.remove(t[0]);
        assert!(core::ptr::eq(list.pop_due(20).unwrap(), t[2]));
        assert!(list.next_deadline().is_none());
    }
}
