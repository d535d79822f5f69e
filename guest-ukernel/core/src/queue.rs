//! Intrusive doubly-linked lists of threads: putting in, taking out from anywhere and taking the first cost the same few
//! instructions, and nothing is ever allocated.
//!
//! A thread is in at most one list per [`Link`]. A list names the link that it uses by a function, which the compiler
//! sees through.

use core::cell::Cell;

use crate::thread::ThreadRef;

/// Neighbours in a list.
#[derive(Default)]
pub struct Link {
    pub(crate) next: Cell<Option<ThreadRef>>,
    prev: Cell<Option<ThreadRef>>,
}

impl Link {
    pub const fn new() -> Self {
        Self { next: Cell::new(None), prev: Cell::new(None) }
    }
    pub fn next(&self) -> Option<ThreadRef> {
        self.next.get()
    }
    pub fn clear(&self) {
        self.next.set(None);
        self.prev.set(None);
    }
}

/// First and last of a list.
#[derive(Default)]
pub struct Queue {
    pub(crate) head: Cell<Option<ThreadRef>>,
    tail: Cell<Option<ThreadRef>>,
}

/// Which of a thread's links a list uses.
pub type LinkOf = fn(&'static crate::thread::Thread) -> &'static Link;

impl Queue {
    pub const fn new() -> Self {
        Self { head: Cell::new(None), tail: Cell::new(None) }
    }

    pub fn first(&self) -> Option<ThreadRef> {
        self.head.get()
    }
    pub fn is_empty(&self) -> bool {
        self.head.get().is_none()
    }
    pub fn clear(&self) {
        self.head.set(None);
        self.tail.set(None);
    }

    #[inline(always)]
    pub fn push_back(&self, t: ThreadRef, link: LinkOf) {
        let l = link(t);
        l.next.set(None);
        l.prev.set(self.tail.get());
        match self.tail.get() {
            Some(last) => link(last).next.set(Some(t)),
            None => self.head.set(Some(t)),
        }
        self.tail.set(Some(t));
    }

    #[inline(always)]
    pub fn push_front(&self, t: ThreadRef, link: LinkOf) {
        let l = link(t);
        l.prev.set(None);
        l.next.set(self.head.get());
        match self.head.get() {
            Some(first) => link(first).prev.set(Some(t)),
            None => self.tail.set(Some(t)),
        }
        self.head.set(Some(t));
    }

    /// Put `t` before `other`, which is in the list.
    pub fn insert_before(&self, t: ThreadRef, other: ThreadRef, link: LinkOf) {
        let l = link(t);
        let prev = link(other).prev.get();
        l.next.set(Some(other));
        l.prev.set(prev);
        link(other).prev.set(Some(t));
        match prev {
            Some(p) => link(p).next.set(Some(t)),
            None => self.head.set(Some(t)),
        }
    }

    /// Take `t`, which is in this list, out of it.
    #[inline(always)]
    pub fn remove(&self, t: ThreadRef, link: LinkOf) {
        let l = link(t);
        match l.prev.get() {
            Some(p) => link(p).next.set(l.next.get()),
            None => self.head.set(l.next.get()),
        }
        match l.next.get() {
            Some(n) => link(n).prev.set(l.prev.get()),
            None => self.tail.set(l.prev.get()),
        }
        l.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thread::Thread;
    use std::boxed::Box;
    use std::vec::Vec;

    fn link(t: &'static Thread) -> &'static Link {
        &t.send_link
    }
    fn ids(q: &Queue) -> Vec<u64> {
        let mut out = Vec::new();
        let mut at = q.first();
        while let Some(t) = at {
            out.push(t.id.get().0);
            at = t.send_link.next();
        }
        out
    }
    fn thread(n: u64) -> ThreadRef {
        let t: ThreadRef = Box::leak(Box::default());
        t.id.set(ukernel_abi::ThreadId(n));
        t
    }

    #[test]
    fn order_and_removal() {
        let q = Queue::new();
        let t: Vec<ThreadRef> = (1..=5).map(thread).collect();
        q.push_back(t[0], link);
        q.push_back(t[1], link);
        q.push_front(t[2], link);
        q.insert_before(t[3], t[1], link);
        q.insert_before(t[4], t[2], link);
        assert_eq!(ids(&q), [5, 3, 1, 4, 2]);
        q.remove(t[0], link);
        assert_eq!(ids(&q), [5, 3, 4, 2]);
        q.remove(t[4], link);
        q.remove(t[1], link);
        assert_eq!(ids(&q), [3, 4]);
        q.remove(t[2], link);
        q.remove(t[3], link);
        assert!(q.is_empty());
        q.push_back(t[0], link);
        assert_eq!(ids(&q), [1]);
    }
}
