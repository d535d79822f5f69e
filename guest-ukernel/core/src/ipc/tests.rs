//! The state machine against a mock kernel: threads in a table, items only recorded.

use super::strings::tests::Memory;
use super::*;
use crate::sched::Sched;
use crate::thread::UtcbRef;
use core::cell::{Cell, RefCell};
use std::boxed::Box;
use std::vec::Vec;
use ukernel_abi::call::Call;
use ukernel_abi::msg::Label;

pub(super) struct Mock {
    sched: Sched,
    pub timeouts: Timeouts,
    irqs: Irqs,
    threads: RefCell<Vec<ThreadRef>>,
    now: Cell<u64>,
    mapped: RefCell<Vec<(ThreadId, MapItem, ThreadId)>>,
    map_fails: Cell<bool>,
    pub orphans: RefCell<Vec<ThreadId>>,
    pub memory: Memory,
    lines: Cell<u64>,
}

impl Env for Mock {
    fn own(&self, _: ThreadRef) {}
    fn wake(&self, t: ThreadRef) {
        self.sched.wake(t);
    }
    fn timeout_changed(&self) {
        self.sched.touch();
    }
    fn forget(&self, t: ThreadRef) {
        self.sched.forget(t);
    }
    fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }
    fn irqs(&self) -> &Irqs {
        &self.irqs
    }
    fn thread(&self, id: ThreadId) -> Option<ThreadRef> {
        self.threads.borrow().iter().copied().find(|t| t.id.get() == id)
    }
    fn chief_of(&self, task: u16) -> u16 {
        self.threads.borrow().iter().find(|t| t.id.get().task() == task).map_or(0, |t| t.chief.get())
    }
    fn first_thread(&self, task: u16) -> Option<ThreadRef> {
        self.threads.borrow().iter().copied().find(|t| t.id.get().task() == task && t.id.get().lthread() == 0)
    }
    fn for_each_thread(&self, f: &mut dyn FnMut(ThreadRef)) {
        for t in self.threads.borrow().clone() {
            f(t);
        }
    }
    fn deadline(&self, us: u32) -> u64 {
        self.now.get() + us as u64
    }
    fn map(&self, from: ThreadRef, item: MapItem, to: ThreadRef, _: Windows) -> Result<(), NotMapped> {
        self.mapped.borrow_mut().push((from.id.get(), item, to.id.get()));
        if self.map_fails.get() { Err(NotMapped) } else { Ok(()) }
    }
    fn copy(&self, from: ThreadRef, src: u64, to: ThreadRef, dst: u64, len: u64) -> Result<u64, Lacking> {
        self.memory.copy((from.id.get(), src), (to.id.get(), dst), len)
    }
    fn may_attach(&self, _: ThreadRef, line: u8) -> bool {
        self.lines.get() >> line & 1 != 0
    }
    fn irq_attached(&self, _: u8, _: bool) {}
    fn orphaned(&self, t: ThreadRef) {
        self.orphans.borrow_mut().push(t.id.get());
    }
}

impl Mock {
    pub fn new() -> Self {
        Self {
            sched: Sched::new(Box::leak(Box::default())),
            timeouts: Timeouts::new(),
            irqs: Irqs::new(),
            threads: RefCell::default(),
            now: Cell::new(0),
            mapped: RefCell::default(),
            map_fails: Cell::new(false),
            orphans: RefCell::default(),
            memory: Memory::default(),
            lines: Cell::new(u32::MAX.into()),
        }
    }

    pub fn utcb() -> UtcbRef {
        Box::leak(Box::default())
    }

    /// A thread of task `task`, whose chief is task 9.
    pub fn thread_of(&self, task: u16) -> ThreadRef {
        let t: ThreadRef = Box::leak(Box::default());
        t.id.set(ThreadId::new(task, 0, 1));
        t.chief.set(9);
        self.threads.borrow_mut().push(t);
        t
    }

    pub fn call(&self, t: ThreadRef, to: ThreadId, from: ThreadId, word: u64, timeouts: TimeoutArgs) {
        self.call_tagged(t, to, from, Tag::new(Label(7), 1, 0), word, timeouts);
    }

    pub fn call_tagged(
        &self,
        t: ThreadRef,
        to: ThreadId,
        from: ThreadId,
        tag: Tag,
        word: u64,
        timeouts: TimeoutArgs,
    ) {
        t.frame.rax.set(tag.to_rax() | Call::Ipc.rax());
        t.frame.rbx.set(word);
        t.frame.r12.set(to.0);
        t.frame.r13.set(from.0);
        t.frame.r14.set(timeouts.0);
        ipc(self, t);
    }
}

pub(super) const NEVER: TimeoutArgs = TimeoutArgs::ALL_NEVER;

pub(super) fn status(t: ThreadRef) -> Status {
    Status::from_rax(t.frame.rax.get()).expect("a status")
}
pub(super) fn is(t: ThreadRef, state: RunState) -> bool {
    t.state.get() == state
}

#[test]
fn call_and_reply_whoever_comes_first() {
    for server_first in [true, false] {
        let m = Mock::new();
        let (client, server) = (m.thread_of(1), m.thread_of(2));
        if server_first {
            m.call(server, ThreadId::NIL, ThreadId::ANY, 0, NEVER);
            assert!(is(server, RunState::Receiving));
        }
        m.call(client, server.id.get(), server.id.get(), 42, NEVER);
        if !server_first {
            assert!(is(client, RunState::Sending));
            m.call(server, ThreadId::NIL, ThreadId::ANY, 0, NEVER);
        }
        assert!(is(server, RunState::Ready) && is(client, RunState::Receiving));
        assert_eq!((server.frame.rbx.get(), server.frame.r12.get()), (42, client.id.get().0));
        assert_eq!(Tag::from_rax(server.frame.rax.get()), Tag::new(Label(7), 1, 0));
        m.call(server, client.id.get(), ThreadId::ANY, 43, NEVER);
        assert!(is(client, RunState::Ready) && is(server, RunState::Receiving));
        assert_eq!((client.frame.rbx.get(), status(client)), (43, Status::Ok));
    }
}

#[test]
fn closed_receive_takes_only_its_partner() {
    let m = Mock::new();
    let (a, b, c) = (m.thread_of(1), m.thread_of(2), m.thread_of(3));
    m.call(b, c.id.get(), ThreadId::NIL, 1, NEVER);
    m.call(c, ThreadId::NIL, a.id.get(), 0, NEVER);
    assert!(is(c, RunState::Receiving) && is(b, RunState::Sending));
    m.call(a, c.id.get(), ThreadId::NIL, 2, NEVER);
    assert_eq!((c.frame.rbx.get(), status(a)), (2, Status::Ok));
    m.call(c, ThreadId::NIL, ThreadId::ANY, 0, NEVER);
    assert_eq!((c.frame.rbx.get(), status(b)), (1, Status::Ok));
}

#[test]
fn senders_are_served_in_order_and_a_chain_completes() {
    let m = Mock::new();
    let t: Vec<_> = (1..=4).map(|n| m.thread_of(n)).collect();
    // 1 sends to 2 and then receives from anybody; 3 waits to send to 1, 4 to send to 3.
    m.call(t[3], t[2].id.get(), ThreadId::NIL, 40, NEVER);
    m.call(t[2], t[0].id.get(), ThreadId::ANY, 30, NEVER);
    m.call(t[0], t[1].id.get(), ThreadId::ANY, 10, NEVER);
    m.call(t[1], ThreadId::NIL, ThreadId::ANY, 0, NEVER);
    for (thread, word) in [(1, 10), (0, 30), (2, 40)] {
        assert!(is(t[thread], RunState::Ready));
        assert_eq!(t[thread].frame.rbx.get(), word);
    }
    assert!(is(t[3], RunState::Ready));
}

#[test]
fn errors_of_the_send_phase() {
    let m = Mock::new();
    let (a, b) = (m.thread_of(1), m.thread_of(2));
    m.call(a, b.id.get(), ThreadId::ANY, 0, TimeoutArgs::new(0, 0));
    assert_eq!(status(a), Status::SendTimeout);
    m.call(a, ThreadId::new(2, 0, 7), ThreadId::NIL, 0, NEVER);
    assert_eq!(status(a), Status::NotExistent, "stale version");
    m.call(a, a.id.get(), ThreadId::NIL, 0, NEVER);
    assert_eq!(status(a), Status::BadArgument, "itself");
    m.call_tagged(a, b.id.get(), ThreadId::NIL, Tag::new(Label::FOREIGN, 1, 0), 0, NEVER);
    assert_eq!(status(a), Status::BadArgument, "a label of the kernel's");
    m.call_tagged(a, b.id.get(), ThreadId::NIL, Tag::new(Label(1), 8, 0), 0, NEVER);
    assert_eq!(status(a), Status::BadArgument, "words in a UTCB that is not there");
    for tag in [0x1000, 0x2000, Tag::REDIRECTED] {
        m.call_tagged(a, b.id.get(), ThreadId::NIL, Tag(tag), 0, NEVER);
        assert_eq!(status(a), Status::BadArgument, "reserved bits");
    }
    m.call_tagged(a, b.id.get(), ThreadId::NIL, Tag(Tag::PROPAGATED), 0, NEVER);
    assert_eq!(status(a), Status::BadArgument, "in the name of nobody");
    assert!(is(a, RunState::Ready) && b.senders.is_empty());
}

#[test]
fn timeouts_of_each_phase() {
    let m = Mock::new();
    let (a, b) = (m.thread_of(1), m.thread_of(2));
    m.call(a, b.id.get(), ThreadId::ANY, 0, TimeoutArgs::new(100, 50));
    expire(&m, 99);
    assert!(is(a, RunState::Sending));
    expire(&m, 100);
    assert_eq!((a.state.get(), status(a)), (RunState::Ready, Status::SendTimeout));
    assert!(b.senders.is_empty());
    m.now.set(200);
    m.call(a, ThreadId::NIL, b.id.get(), 0, TimeoutArgs::new(0, 50));
    expire(&m, 249);
    assert!(is(a, RunState::Receiving));
    expire(&m, 250);
    assert_eq!((a.state.get(), status(a)), (RunState::Ready, Status::ReceiveTimeout));
    // A message in time takes the thread out of the list.
    m.call(a, ThreadId::NIL, ThreadId::ANY, 0, TimeoutArgs::new(0, 50));
    m.call(b, a.id.get(), ThreadId::NIL, 5, NEVER);
    assert!(m.timeouts.next_deadline().is_none());
    m.call(a, ThreadId::NIL, ThreadId::ANY, 0, TimeoutArgs::new(0, 0));
    assert_eq!(status(a), Status::ReceiveTimeout, "poll");
}

#[test]
fn a_message_of_the_kernels_ends_the_timeout_too() {
    for server_first in [true, false] {
        let m = Mock::new();
        let (program, server, other) = (m.thread_of(1), m.thread_of(9), m.thread_of(2));
        program.handler.set(server.id.get());
        if !server_first {
            fault(&m, program, Outgoing::Foreign);
        }
        m.call(server, ThreadId::NIL, ThreadId::ANY, 0, TimeoutArgs::new(0, 50));
        if server_first {
            fault(&m, program, Outgoing::Foreign);
        }
        assert!(is(program, RunState::Foreign) && is(server, RunState::Ready));
        assert!(m.timeouts.next_deadline().is_none());
        // The next wait, which is for ever, must not be ended by it.
        m.call(server, ThreadId::NIL, other.id.get(), 0, NEVER);
        expire(&m, 1000);
        assert!(is(server, RunState::Receiving));
    }
}

#[test]
fn foreign_call_goes_to_the_handler_and_its_answer_into_rax() {
    for handler_first in [true, false] {
        let m = Mock::new();
        let (program, server) = (m.thread_of(1), m.thread_of(9));
        program.handler.set(server.id.get());
        if handler_first {
            m.call(server, ThreadId::NIL, ThreadId::ANY, 0, NEVER);
        }
        for (cell, value) in [&program.frame.rax, &program.frame.rdi, &program.frame.rsi, &program.frame.r9]
            .into_iter()
            .zip(1..)
        {
            cell.set(value);
        }
        fault(&m, program, Outgoing::Foreign);
        if !handler_first {
            assert!(is(program, RunState::Sending));
            m.call(server, ThreadId::NIL, ThreadId::ANY, 0, NEVER);
        }
        assert!(is(program, RunState::Foreign));
        assert_eq!(Tag::from_rax(server.frame.rax.get()), Tag::new(Label::FOREIGN, 7, 0));
        assert_eq!(
            server.frame.words().map(|w| w.get()),
            [1, 2, 3, program.frame.rdx.get(), program.frame.r10.get(), program.frame.r8.get(), 4]
        );
        // Nobody else can answer.
        let other = m.thread_of(4);
        m.call(other, program.id.get(), ThreadId::NIL, 99, TimeoutArgs::new(0, 0));
        assert_eq!(status(other), Status::SendTimeout);
        m.call(server, program.id.get(), ThreadId::ANY, 77, NEVER);
        assert_eq!((program.state.get(), program.frame.rax.get()), (RunState::Ready, 77));
        assert_eq!(program.frame.rdi.get(), 2, "other registers stay");
    }
}

#[test]
fn page_fault_is_answered_with_a_mapping() {
    let m = Mock::new();
    let (t, pager) = (m.thread_of(1), m.thread_of(2));
    t.pager.set(pager.id.get());
    t.frame.rax.set(123);
    t.frame.entry.set(6);
    m.call(pager, ThreadId::NIL, ThreadId::ANY, 0, NEVER);
    fault(&m, t, Outgoing::PageFault { addr: 0x1234, access: 2 });
    assert_eq!((pager.frame.rbx.get(), pager.frame.rsi.get(), pager.frame.rdx.get()), (0x1234, 2, 6));
    let fpage = Fpage::memory(0x8000, 12, ukernel_abi::Rights::RW);
    pager.frame.rdi.set(0x1000);
    m.call_tagged(pager, t.id.get(), ThreadId::NIL, Tag::new(Label(0), 0, 1), fpage.0, NEVER);
    assert_eq!(*m.mapped.borrow(), [(pager.id.get(), MapItem::map(fpage, 0x1000), t.id.get())]);
    assert_eq!((t.state.get(), t.frame.rax.get()), (RunState::Ready, 123), "no register changes");
    // A mapping that fails is the sender's error; the thread goes on (and faults again).
    m.map_fails.set(true);
    m.call(pager, ThreadId::NIL, ThreadId::ANY, 0, TimeoutArgs::new(0, 0));
    fault(&m, t, Outgoing::PageFault { addr: 0x1234, access: 2 });
    m.call(pager, ThreadId::NIL, ThreadId::ANY, 0, NEVER);
    m.call_tagged(pager, t.id.get(), ThreadId::ANY, Tag::new(Label(0), 0, 1), fpage.0, NEVER);
    assert_eq!((status(pager), t.state.get()), (Status::MapFailed, RunState::Ready));
}

#[test]
fn a_fault_that_nobody_can_handle_stops_the_thread() {
    let m = Mock::new();
    let t = m.thread_of(1);
    fault(&m, t, Outgoing::PageFault { addr: 0, access: 4 });
    assert!(t.stopped.get() && *m.orphans.borrow() == [t.id.get()]);
}

#[test]
fn cancel_in_each_state() {
    let m = Mock::new();
    let (t, other) = (m.thread_of(1), m.thread_of(2));
    t.handler.set(other.id.get());
    m.call(t, other.id.get(), ThreadId::NIL, 0, NEVER);
    cancel(&m, t);
    assert_eq!((status(t), t.state.get()), (Status::SendCancelled, RunState::Ready));
    assert!(other.senders.is_empty());
    m.call(t, ThreadId::NIL, ThreadId::ANY, 0, TimeoutArgs::new(0, 500));
    cancel(&m, t);
    assert_eq!((status(t), m.timeouts.next_deadline()), (Status::ReceiveCancelled, None));
    t.frame.rax.set(39);
    fault(&m, t, Outgoing::Foreign);
    cancel(&m, t);
    assert_eq!((t.frame.rax.get(), t.state.get()), (39, RunState::Ready), "registers are left alone");
    assert!(other.senders.is_empty());
}

#[test]
fn those_who_wait_for_the_dead_hear_of_it() {
    let m = Mock::new();
    let (server, sender, caller, faulter) = (m.thread_of(1), m.thread_of(2), m.thread_of(3), m.thread_of(4));
    faulter.handler.set(server.id.get());
    m.call(server, ThreadId::NIL, ThreadId::ANY, 0, NEVER);
    m.call(caller, server.id.get(), server.id.get(), 0, NEVER);
    m.call(sender, server.id.get(), ThreadId::NIL, 0, NEVER);
    fault(&m, faulter, Outgoing::Foreign);
    let id = server.id.replace(ThreadId::NIL);
    kill(&m, server, id);
    assert_eq!(status(sender), Status::NotExistent);
    assert_eq!(status(caller), Status::Aborted);
    assert_eq!(*m.orphans.borrow(), [faulter.id.get()]);
    assert!([sender, caller].iter().all(|t| t.is_runnable()) && !faulter.is_runnable());
}

#[test]
fn interrupts_are_counted_until_they_are_received() {
    let m = Mock::new();
    let t = m.thread_of(1);
    m.call(t, ThreadId::NIL, ThreadId::irq(40), 0, NEVER);
    assert_eq!(status(t), Status::Denied);
    m.call(t, ThreadId::NIL, ThreadId::irq(4), 0, TimeoutArgs::new(0, 0));
    assert_eq!(status(t), Status::ReceiveTimeout, "attached");
    interrupt(&m, 4);
    interrupt(&m, 4);
    interrupt(&m, 5);
    m.call(t, ThreadId::NIL, ThreadId::ANY, 0, NEVER);
    assert_eq!((t.frame.rbx.get(), t.frame.rdi.get()), (4, 2));
    assert_eq!(ThreadId(t.frame.r12.get()), ThreadId::irq(4));
    m.call(t, ThreadId::NIL, ThreadId::irq(4), 0, NEVER);
    assert!(is(t, RunState::Receiving));
    interrupt(&m, 4);
    assert_eq!((t.state.get(), t.frame.rdi.get()), (RunState::Ready, 1));
    let thief = m.thread_of(2);
    m.call(thief, ThreadId::NIL, ThreadId::irq(4), 0, NEVER);
    assert_eq!(status(thief), Status::Denied, "somebody else's");
}

#[test]
fn threads_without_the_right_to_a_line_are_detached() {
    let m = Mock::new();
    let (t, other) = (m.thread_of(1), m.thread_of(2));
    for line in [4, 5] {
        m.call(t, ThreadId::NIL, ThreadId::irq(line), 0, TimeoutArgs::new(0, 0));
        interrupt(&m, line);
    }
    m.lines.set(!(1 << 4));
    lose_lines(&m, 1 << 4 | 1 << 5);
    m.call(t, ThreadId::NIL, ThreadId::ANY, 0, NEVER);
    assert_eq!((status(t), t.frame.rbx.get()), (Status::Ok, 5), "the other line is still its own");
    m.call(t, ThreadId::NIL, ThreadId::ANY, 0, NEVER);
    lose_lines(&m, 1 << 4);
    assert!(is(t, RunState::Receiving), "it waits for others, too");
    m.lines.set(u64::MAX);
    m.call(other, ThreadId::NIL, ThreadId::irq(4), 0, NEVER);
    assert!(is(other, RunState::Receiving), "the line was free");
    m.lines.set(0);
    lose_lines(&m, 1 << 4);
    assert_eq!((other.state.get(), status(other)), (RunState::Ready, Status::Denied));
}
