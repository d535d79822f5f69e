//! Which thread runs next: 256 priorities, round robin within one, direct hand-over in IPC.
//!
//! *Lazy.* A thread that blocks stays in its ready queue until the scheduler comes across it there; one that is handed
//! the processor directly never enters one. So an IPC that blocks one thread and wakes another touches no queue, and the
//! assembler fast path need not call the scheduler at all: [`Sched::floor`] tells it whom it may let run.
//! The invariant: every runnable thread but the running one is in the queue of its priority.
//!
//! *Time slices* are donated: what a server does for a client is done in the client's slice. A slice begins when somebody starts to wait for
//! the processor, and when it ends while a server of higher priority works, it ends for the client that runs next.

use core::cell::Cell;

use crate::queue::{Link, Queue};
use crate::thread::{Thread, ThreadRef};

fn link(t: &'static Thread) -> &'static Link {
    &t.ready_link
}

/// The ready queues of one CPU, by priority: one page.
pub struct Queues([Queue; 256]);

impl Queues {
    pub const fn new() -> Self {
        Self([const { Queue::new() }; 256])
    }

    /// The queue of one priority.
    pub fn of(&self, priority: u8) -> &Queue {
        &self.0[priority as usize]
    }
}

impl Default for Queues {
    fn default() -> Self {
        Self::new()
    }
}

/// The scheduler of one CPU.
#[repr(C)]
pub struct Sched {
    /// A thread of at least this priority may be handed the processor without asking further. Above the highest priority in a queue, or equal
    /// to it while a time slice runs; above all priorities when the slice is over.
    /// First, so that it lies with the rest of what the fast path reads of the CPU.
    pub floor: Cell<u32>,
    queues: &'static Queues,
    /// Bit n of word m: the queue of priority 64 m + n is not empty.
    bitmap: [Cell<u64>; 4],
    /// Number of threads in the queues.
    queued: Cell<u32>,
    /// The thread whose registers the CPU has; none while idle.
    pub(crate) current: Cell<Option<ThreadRef>>,
    /// Woken by the running system call: next, if nothing speaks against it.
    handover: Cell<Option<ThreadRef>>,
    /// A time slice runs: the timer will end it.
    sliced: Cell<bool>,
    /// The running thread is to be put behind others of its priority.
    yielding: Cell<bool>,
    /// The time slice has ended; those who wait have not had their turn yet.
    slice_over: Cell<bool>,
    /// Since the last choice more has happened than that the running thread has blocked or that one thread has become ready.
    changed: Cell<bool>,
}

/// [`Sched::floor`] that no priority reaches.
const ABOVE_ALL: u32 = 256;

/// The chosen thread.
#[derive(Clone, Copy)]
pub struct Choice {
    pub thread: ThreadRef,
    /// Others of its priority wait for the processor: the time slice counts.
    pub contended: bool,
    /// It is its turn: a new time slice.
    pub fresh: bool,
}

impl Sched {
    pub const fn new(queues: &'static Queues) -> Self {
        Self {
            queues,
            bitmap: [const { Cell::new(0) }; 4],
            queued: Cell::new(0),
            current: Cell::new(None),
            handover: Cell::new(None),
            floor: Cell::new(0),
            sliced: Cell::new(false),
            yielding: Cell::new(false),
            slice_over: Cell::new(false),
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
        match self.handover.get() {
            None => self.handover.set(Some(t)),
            Some(first) => {
                if !core::ptr::eq(first, t) {
                    self.changed.set(true);
                    self.enqueue(t);
                }
            }
        }
    }

    /// There is a new timeout, or the timer has fired: the CPU has to look at its timer.
    pub fn touch(&self) {
        self.changed.set(true);
    }

    /// The time slice is used up: whoever waits at the priority of the running thread, or of the one that goes on when that has done what
    /// it does at a higher one, is next.
    pub fn end_slice(&self) {
        self.changed.set(true);
        self.sliced.set(false);
        self.slice_over.set(true);
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
            self.queued.set(self.queued.get() + 1);
            let p = t.priority.get();
            self.queues.of(p).push_back(t, link);
            self.floor.set(self.floor.get().max(self.above(p.into())));
            let word = &self.bitmap[p as usize / 64];
            word.set(word.get() | 1 << (p % 64));
        }
    }

    fn dequeue(&self, t: ThreadRef) {
        t.ready_queued.set(false);
        self.queued.set(self.queued.get() - 1);
        let p = t.priority.get();
        let queue = self.queues.of(p);
        queue.remove(t, link);
        if queue.is_empty() {
            let word = &self.bitmap[p as usize / 64];
            word.set(word.get() & !(1 << (p % 64)));
        }
    }

    /// First runnable thread of the highest priority; drops those that have blocked meanwhile.
    fn first_ready(&self) -> Option<ThreadRef> {
        while self.queued.get() != 0 {
            let t = self.queues.0[self.top() as usize].first()?;
            if t.is_runnable() {
                return Some(t);
            }
            self.dequeue(t);
        }
        None
    }

    /// The running thread, if nothing has happened that could let another one run.
    #[inline]
    pub fn unchanged(&self) -> Option<ThreadRef> {
        let nothing = !self.changed.get() && self.handover.get().is_none();
        self.current.get().filter(|t| nothing && t.is_runnable())
    }

    /// The thread that has become ready, if it is clear that it runs next and the timer need not be looked at. It becomes the current one.
    #[inline]
    pub fn handed_over(&self) -> Option<ThreadRef> {
        let to = self.handover.get()?;
        let priority = to.priority.get();
        if self.changed.get()
            || !to.is_runnable()
            || to.ready_queued.get()
            || u32::from(priority) < self.floor.get()
        {
            return None;
        }
        if let Some(current) = self.current.get().filter(|c| c.is_runnable()) {
            if priority <= current.priority.get() {
                return None;
            }
            self.enqueue(current);
        }
        self.handover.set(None);
        self.current.set(Some(to));
        Some(to)
    }

    /// The thread to run now, or none. It becomes the current one.
    pub fn choose(&self) -> Option<Choice> {
        self.changed.set(false);
        let handover = self.handover.take().filter(|h| h.is_runnable());
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
        // Everything that can run is in a queue but for the candidate: where nothing is queued, there is nothing to compare.
        let first = if self.queued.get() == 0 { None } else { self.first_ready() };
        let (thread, fresh) = match (candidate, first) {
            (Some(c), Some(f)) if f.priority.get() > c.priority.get() => {
                self.enqueue(c);
                (f, false)
            }
            (Some(c), Some(f)) if self.slice_over.get() && f.priority.get() == c.priority.get() => {
                self.enqueue(c);
                (f, true)
            }
            (Some(c), _) => (c, false),
            (None, Some(f)) => (f, true),
            (None, None) => {
                self.current.set(None);
                self.settle(true);
                return None;
            }
        };
        if thread.ready_queued.get() {
            self.dequeue(thread);
        }
        self.current.set(Some(thread));
        let contended = self.settle(fresh) == Some(thread.priority.get().into());
        Some(Choice { thread, contended, fresh })
    }

    /// The timer is set to the end of a time slice, which begins.
    pub fn begin_slice(&self) {
        self.sliced.set(true);
        if self.floor.get() != ABOVE_ALL {
            self.floor.set(self.floor.get() - 1);
        }
    }

    /// Bring `floor` up to date when the choice is made. Returns the highest priority in a queue.
    fn settle(&self, fresh: bool) -> Option<u32> {
        if self.queued.get() == 0 {
            self.slice_over.set(false);
            self.sliced.set(false);
            self.floor.set(0);
            return None;
        }
        if fresh {
            self.slice_over.set(false);
            self.sliced.set(false);
        }
        let top = self.top();
        self.floor.set(if self.slice_over.get() { ABOVE_ALL } else { self.above(top) });
        Some(top)
    }

    /// The floor when `top` is the highest priority in a queue.
    fn above(&self, top: u32) -> u32 {
        top + u32::from(!self.sliced.get())
    }

    /// Whether a time slice runs.
    pub fn sliced(&self) -> bool {
        self.sliced.get()
    }

    /// Highest priority whose queue is not empty; one of them is not.
    fn top(&self) -> u32 {
        let word = (0..4).rev().find(|&m| self.bitmap[m].get() != 0).unwrap_or(0);
        word as u32 * 64 + 63 - (self.bitmap[word].get() | 1).leading_zeros()
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
    fn sched() -> Sched {
        Sched::new(Box::leak(Box::default()))
    }
    fn run(s: &Sched) -> ThreadRef {
        s.choose().expect("a runnable thread").thread
    }
    fn same(a: ThreadRef, b: ThreadRef) -> bool {
        core::ptr::eq(a, b)
    }

    #[test]
    fn highest_priority_first_and_idle_when_none() {
        let s = sched();
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
        let s = sched();
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
        let s = sched();
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
        let s = sched();
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
        let s = sched();
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
    fn a_slice_that_ends_in_a_server_ends_for_its_client() {
        let s = sched();
        let (a, b, server) = (thread(5), thread(5), thread(9));
        s.wake(a);
        s.wake(b);
        let choice = s.choose().unwrap();
        assert!(same(choice.thread, a) && choice.contended);
        assert_eq!(s.floor.get(), 6, "no slice runs yet");
        s.begin_slice();
        assert_eq!(s.floor.get(), 5);
        // a calls the server, whose work takes until the slice is over.
        a.state.set(RunState::Receiving);
        s.wake(server);
        assert!(same(run(&s), server));
        s.end_slice();
        assert!(same(run(&s), server));
        assert!(s.floor.get() > 255, "the answer must come past the scheduler");
        server.state.set(RunState::Receiving);
        a.state.set(RunState::Ready);
        s.wake(a);
        let choice = s.choose().unwrap();
        assert!(same(choice.thread, b) && choice.fresh && choice.contended);
        s.begin_slice();
        assert_eq!(s.floor.get(), 5);
        s.end_slice();
        assert!(same(run(&s), a));
    }

    #[test]
    fn a_hand_over_that_is_clear() {
        let s = sched();
        let (a, b, server, high) = (thread(5), thread(5), thread(9), thread(10));
        s.wake(a);
        assert!(same(run(&s), a));
        // a calls the server, which answers.
        a.state.set(RunState::Receiving);
        s.wake(server);
        assert!(same(s.handed_over().unwrap(), server) && same(s.current().unwrap(), server));
        assert!(s.handed_over().is_none() && same(s.unchanged().unwrap(), server));
        server.state.set(RunState::Receiving);
        a.state.set(RunState::Ready);
        s.wake(a);
        assert!(same(s.handed_over().unwrap(), a));
        // Somebody of higher priority takes the processor from a, which waits in its queue.
        s.wake(high);
        assert!(same(s.handed_over().unwrap(), high));
        high.state.set(RunState::Receiving);
        s.wake(b);
        assert!(s.handed_over().is_none(), "no slice runs that would let a have its turn");
        let choice = s.choose().unwrap();
        assert!(same(choice.thread, b) && choice.contended);
        // Neither equals nor lower ones take it from the running thread.
        s.begin_slice();
        let equal = thread(5);
        s.wake(equal);
        assert!(s.handed_over().is_none());
        assert!(same(run(&s), b));
        server.state.set(RunState::Ready);
        s.wake(server);
        assert!(same(s.handed_over().unwrap(), server));
    }

    #[test]
    fn the_floor_is_never_below_what_waits() {
        let s = sched();
        let (running, zero, high) = (thread(200), thread(0), thread(130));
        s.wake(running);
        assert!(same(run(&s), running));
        assert_eq!(s.floor.get(), 0);
        s.wake(zero);
        s.wake(high);
        run(&s);
        assert_eq!(s.floor.get(), 131);
        s.forget(high);
        running.state.set(RunState::Receiving);
        assert!(same(run(&s), zero));
        zero.state.set(RunState::Receiving);
        assert!(s.choose().is_none());
    }

    #[test]
    fn forgotten_threads_do_not_run() {
        let s = sched();
        let (a, b) = (thread(1), thread(1));
        s.wake(a);
        s.wake(b);
        s.forget(a);
        s.forget(b);
        assert!(s.choose().is_none());
    }
}
