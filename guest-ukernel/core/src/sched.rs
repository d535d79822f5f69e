//! Which thread runs next: 256 priorities, round robin within one, direct hand-over in IPC.
//!
//! *Lazy.* A thread that blocks stays in its ready queue until the scheduler comes across it there; one that is handed
//! the processor directly never enters one. So an IPC that blocks one thread and wakes another touches no queue.
//! The invariant: every runnable thread but the running one is in the queue of its priority.

use core::cell::Cell;

use crate::queue::{Link, Queue};
use crate::thread::{Thread, ThreadRef};

fn link(t: &'static Thread) -> &'static Link {
    &t.ready_link
}

/// The scheduler of one CPU.
pub struct Sched {
    queues: [Queue; 256],
    /// Bit n of word m: the queue of priority 64 m + n is not empty.
    bitmap: [Cell<u64>; 4],
    /// The thread whose registers the CPU has; none while idle.
    current: Cell<Option<ThreadRef>>,
    /// Woken by the running system call: next, if nothing speaks against it.
    handover: Cell<Option<ThreadRef>>,
    /// The running thread is to be put behind others of its priority.
    yielding: Cell<bool>,
    /// Something has become ready or changed its priority since the last choice.
    changed: Cell<bool>,
}

/// The chosen thread, and whether others of its priority wait for it to use up its time slice.
#[derive(Clone, Copy)]
pub struct Choice {
    pub thread: ThreadRef,
    pub contended: bool,
}

impl Default for Sched {
    fn default() -> Self {
        Self::new()
    }
}

impl Sched {
    pub const fn new() -> Self {
        Self {
            queues: [const { Queue::new() }; 256],
            bitmap: [const { Cell::new(0) }; 4],
            current: Cell::new(None),
            handover: Cell::new(None),
            yielding: Cell::new(false),
            changed: Cell::new(false),
        }
    }

    pub fn current(&self) -> Option<ThreadRef> {
        self.current.get()
    }
    pub fn set_current(&self, t: Option<ThreadRef>) {
        self.current.set(t);
    }

    /// `t` has become runnable. Call it after its state says so.
    #[inline]
    pub fn wake(&self, t: ThreadRef) {
        if !t.is_runnable() || self.current.get().is_some_and(|c| core::ptr::eq(c, t)) {
            return;
        }
        self.changed.set(true);
        match self.handover.get() {
            None => self.handover.set(Some(t)),
            Some(first) => {
                if !core::ptr::eq(first, t) {
                    self.enqueue(t);
                }
            }
        }
    }

    /// There is a new timeout, or the timer has fired: the CPU has to look at its timer.
    pub fn touch(&self) {
        self.changed.set(true);
    }

    /// The running thread lets others of its priority go first.
    pub fn yield_current(&self) {
        self.changed.set(true);
        self.yielding.set(true);
    }

    /// Run `to` next if it can run, although it need not be the first of its priority.
    pub fn donate(&self, to: ThreadRef) {
        if to.is_runnable() {
            self.yield_current();
            self.wake(to);
        }
    }

    /// `t` has got another priority.
    pub fn requeue(&self, t: ThreadRef, priority: u8) {
        self.changed.set(true);
        let queued = t.ready_queued.get();
        if queued {
            self.dequeue(t);
        }
        t.priority.set(priority);
        if queued {
            self.enqueue(t);
        }
        // A lowered running thread may no longer be the one to run.
        if self.current.get().is_some_and(|c| core::ptr::eq(c, t)) {
            self.yielding.set(true);
        }
    }

    /// Forget `t`, which dies.
    pub fn forget(&self, t: ThreadRef) {
        if t.ready_queued.get() {
            self.dequeue(t);
        }
        if self.handover.get().is_some_and(|h| core::ptr::eq(h, t)) {
            self.handover.set(None);
        }
        if self.current.get().is_some_and(|c| core::ptr::eq(c, t)) {
            self.current.set(None);
        }
    }

    fn enqueue(&self, t: ThreadRef) {
        if !t.ready_queued.get() {
            t.ready_queued.set(true);
            let p = t.priority.get();
            self.queues[p as usize].push_back(t, link);
            let word = &self.bitmap[p as usize / 64];
            word.set(word.get() | 1 << (p % 64));
        }
    }

    fn dequeue(&self, t: ThreadRef) {
        t.ready_queued.set(false);
        let p = t.priority.get();
        let queue = &self.queues[p as usize];
        queue.remove(t, link);
        if queue.is_empty() {
            let word = &self.bitmap[p as usize / 64];
            word.set(word.get() & !(1 << (p % 64)));
        }
    }

    /// First runnable thread of the highest priority; drops those that have blocked meanwhile.
    fn first_ready(&self) -> Option<ThreadRef> {
        loop {
            if self.bitmap.iter().fold(0, |all, word| all | word.get()) == 0 {
                return None;
            }
            let m = (0..4).rev().find(|&m| self.bitmap[m].get() != 0)?;
            let p = m * 64 + 63 - self.bitmap[m].get().leading_zeros() as usize;
            let t = self.queues[p].first()?;
            if t.is_runnable() {
                return Some(t);
            }
            self.dequeue(t);
        }
    }

    /// The running thread, if nothing has happened that could let another one run.
    #[inline]
    pub fn unchanged(&self) -> Option<ThreadRef> {
        self.current.get().filter(|t| !self.changed.get() && t.is_runnable())
    }

    /// The thread to run now, or none. It becomes the current one.
    pub fn choose(&self) -> Option<Choice> {
        self.changed.set(false);
        let handover = self.handover.take();
        let yielding = self.yielding.take();
        let current = self.current.get().filter(|c| c.is_runnable());
        let candidate = match (current, handover) {
            (Some(c), Some(h)) if h.priority.get() > c.priority.get() || yielding => {
                self.enqueue(c);
                Some(h)
            }
            (Some(c), Some(h)) => {
                self.enqueue(h);
                Some(c)
            }
            (Some(c), None) if yielding => {
                self.enqueue(c);
                None
            }
            (c, h) => c.or(h),
        };
        let first = self.first_ready();
        let thread = match (candidate, first) {
            (Some(c), Some(f)) if f.priority.get() > c.priority.get() => {
                self.enqueue(c);
                f
            }
            (Some(c), _) => c,
            (None, Some(f)) => f,
            (None, None) => {
                self.current.set(None);
                return None;
            }
        };
        if thread.ready_queued.get() {
            self.dequeue(thread);
        }
        self.current.set(Some(thread));
        let contended = !self.queues[thread.priority.get() as usize].is_empty();
        Some(Choice { thread, contended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use ukernel_abi::utcb::RunState;

    fn thread(priority: u8) -> ThreadRef {
        let t: ThreadRef = Box::leak(Box::default());
        t.priority.set(priority);
        t
    }
    fn run(s: &Sched) -> ThreadRef {
        s.choose().expect("a runnable thread").thread
    }
    fn same(a: ThreadRef, b: ThreadRef) -> bool {
        core::ptr::eq(a, b)
    }

    #[test]
    fn highest_priority_first_and_idle_when_none() {
        let s = Sched::new();
        let (low, high) = (thread(3), thread(250));
        assert!(s.choose().is_none());
        s.wake(low);
        s.wake(high);
        assert!(same(run(&s), high));
        high.state.set(RunState::Receiving);
        assert!(same(run(&s), low));
        low.state.set(RunState::Receiving);
        assert!(s.choose().is_none());
    }

    #[test]
    fn handover_beats_equals_but_not_higher() {
        let s = Sched::new();
        let (a, b, c, high) = (thread(5), thread(5), thread(5), thread(6));
        s.wake(a);
        s.wake(b);
        assert!(same(run(&s), a));
        // a calls c: a blocks, c runs at once although b has waited longer.
        a.state.set(RunState::Receiving);
        s.wake(c);
        let choice = s.choose().unwrap();
        assert!(same(choice.thread, c) && choice.contended);
        // With somebody higher ready, that one runs.
        c.state.set(RunState::Receiving);
        a.state.set(RunState::Ready);
        s.wake(a);
        s.wake(high);
        assert!(same(run(&s), high));
    }

    #[test]
    fn a_woken_lower_thread_does_not_preempt() {
        let s = Sched::new();
        let (a, low) = (thread(5), thread(4));
        s.wake(a);
        assert!(same(run(&s), a));
        s.wake(low);
        assert!(same(run(&s), a));
        a.stopped.set(true);
        assert!(same(run(&s), low));
    }

    #[test]
    fn yielding_goes_round() {
        let s = Sched::new();
        let t = [thread(9), thread(9), thread(9)];
        for x in t {
            s.wake(x);
        }
        let first = run(&s);
        let mut seen = std::vec![first];
        for _ in 0..5 {
            s.yield_current();
            seen.push(run(&s));
        }
        assert!(same(seen[0], seen[3]) && same(seen[1], seen[4]) && same(seen[2], seen[5]));
        assert!(!same(seen[0], seen[1]) && !same(seen[1], seen[2]));
    }

    #[test]
    fn unchanged_until_something_happens() {
        let s = Sched::new();
        let (a, b) = (thread(5), thread(4));
        assert!(s.unchanged().is_none());
        s.wake(a);
        assert!(s.unchanged().is_none());
        assert!(same(run(&s), a) && same(s.unchanged().unwrap(), a));
        s.wake(b);
        assert!(s.unchanged().is_none());
        assert!(same(run(&s), a));
        s.yield_current();
        assert!(s.unchanged().is_none());
        assert!(same(run(&s), a) && s.unchanged().is_some());
        s.requeue(a, 3);
        assert!(s.unchanged().is_none());
        assert!(same(run(&s), b));
        b.stopped.set(true);
        assert!(s.unchanged().is_none());
    }

    #[test]
    fn forgotten_threads_do_not_run() {
        let s = Sched::new();
        let (a, b) = (thread(1), thread(1));
        s.wake(a);
        s.wake(b);
        s.forget(a);
        s.forget(b);
        assert!(s.choose().is_none());
    }
}
