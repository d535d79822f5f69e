//! Makes things happen, to the kernel and to the model.

use ukernel_abi::call::{Call, L4_CALL, Status, Timeout, Timeouts};
use ukernel_abi::msg::{StringItem, WORDS};
use ukernel_abi::utcb::{FIXED_FLAGS, Regs, USER_FLAGS};
use ukernel_abi::{Fpage, Rights, ThreadId};
use ukernel_core::ipc;
use ukernel_core::thread::ThreadRef;

use crate::compare;
use crate::fast::Fast;
use crate::naive::{Doing, Fault, Known, Model, Thread, Utcb};
use crate::op::{Op, Pose, Shape, Wait, Who};
use crate::rig::{FAULT_FETCH, FAULT_PRESENT, FAULT_USER, FAULT_WRITE, Rig};
use crate::world::SLOTS;

/// Selectors of user mode; any will do, as long as they stay.
const SELECTORS: (u64, u64) = (0x33, 0x2b);
const TRAMPOLINE: u64 = 0x7777_0000;
/// Of the four bits of a tag that are mostly reserved, the one that says that a message is sent in another's name.
const PROPAGATED: u32 = 1 << 2;

/// In every so many steps, SYSCALL does not change the privilege level.
const DISGUISED: u64 = 16;

/// A message of nothing.
const EMPTY: Shape = Shape { label: 0, words: 0, items: 0, reserved: 0 };

/// Bit of an item's second word that makes it a string.
const STRING: u64 = StringItem::new(0, 0).word;

/// Both sides.
pub struct Pair<'a> {
    pub rig: Rig<'a>,
    pub model: Model,
    /// Who is at each slot, or was.
    pub ids: Vec<ThreadId>,
    versions: u32,
    /// Number of the step, from which all values are made: no two are the same.
    step: u64,
    /// Since the time slice ended, who has waited for the processor for how many ends.
    pub passed_over: Vec<(ThreadId, usize)>,
}

impl<'a> Pair<'a> {
    pub fn new(fast: Option<&'a Fast>) -> Self {
        let mut pair = Self {
            rig: Rig::new(fast),
            model: Model::default(),
            ids: Vec::new(),
            versions: 0,
            step: 0,
            passed_over: Vec::new(),
        };
        pair.ids = SLOTS.iter().map(|s| ThreadId::new(s.task, s.lthread, 1)).collect();
        for slot in 0..SLOTS.len() {
            pair.create(slot);
        }
        pair
    }

    /// Let `op` happen, and compare. What cannot happen now does not.
    pub fn apply(&mut self, op: &Op) -> Result<(), String> {
        self.step += 1;
        self.randomise();
        let before = compare::Before::of(self);
        match op.is_a_threads() && self.running().is_none() {
            true => self.revive(),
            false => self.act(op),
        }
        compare::compare(self, op, &before)
    }

    fn act(&mut self, op: &Op) {
        match *op {
            Op::Ipc { to, from, shape, send, receive } => self.ipc(to, from, shape, send, receive),
            Op::Pose { slot, pose } => self.pose(slot, pose),
            Op::Propagate { to, from, name, shape } => self.propagate(to, from, name, shape),
            Op::ReplyAndWait { shape } => self.ipc(Who::LastSender, Who::Any, shape, Wait::Not, Wait::Never),
            Op::Call { to, shape } => self.ipc(Who::At(to), Who::At(to), shape, Wait::Never, Wait::Never),
            Op::Typical { shape, what } => self.typical(shape, what),
            Op::Foreign { number, disguised } => self.foreign(number, disguised),
            Op::IdNearest { of } => self.id_nearest(of),
            Op::NoSuchCall => self.no_such_call(),
            Op::Attach { line } => self.ipc(Who::Nil, Who::Line(line), EMPTY, Wait::Never, Wait::Not),
            Op::PageFault { access, at_syscall } => self.page_fault(access, at_syscall),
            Op::Exception => self.exception(6),
            Op::Kill { slot } => self.kill(slot),
            Op::Create { slot } => {
                if self.model.find(self.ids[slot]).is_none() {
                    self.create(slot);
                }
            }
            Op::Time { ticks } => {
                let now = self.model.now + ticks;
                self.rig.expire(now);
                self.model.expire(now);
            }
            Op::EndSlice => self.rig.act(|kernel| {
                if kernel.sched.sliced() {
                    kernel.sched.end_slice();
                }
            }),
            Op::Interrupt { line } => {
                self.rig.act(|kernel| ipc::interrupt(kernel, line));
                self.model.interrupt(line);
            }
            Op::Switch { to } => self.switch(to),
            Op::Change { slot, .. }
            | Op::SetPager { slot, .. }
            | Op::SetHandler { slot, .. }
            | Op::SetTrampoline { slot, .. }
            | Op::Move { slot, .. }
            | Op::Priority { slot, .. } => {
                if let Some(t) = self.rig.thread(self.ids[slot]) {
                    self.change(t, self.ids[slot], op);
                }
            }
        }
    }

    fn typical(&mut self, shape: Shape, what: usize) {
        let Some(me) = self.running() else { return };
        let slot = self.ids.iter().position(|&id| id == me).unwrap_or(0);
        match (SLOTS[slot].is_server(), what) {
            (true, 0) => self.act(&Op::Call { to: 2, shape }),
            (true, 1) => self.act(&Op::Call { to: 4, shape }),
            (true, _) => self.act(&Op::ReplyAndWait { shape }),
            (false, 0) => self.ipc(Who::Nil, Who::Any, shape, Wait::Never, Wait::Never),
            (false, 1..5) => self.act(&Op::Foreign { number: 1, disguised: false }),
            (false, 5) => self.page_fault(Rights::R, false),
            (false, _) => self.act(&Op::Call { to: SLOTS[slot].handler, shape }),
        }
    }

    fn pose(&mut self, slot: usize, pose: Pose) {
        let Some(t) = self.rig.thread(self.ids[slot]).filter(|t| t.is_runnable()) else { return };
        let priority = t.priority.get();
        self.rig.act(|kernel| kernel.sched.requeue(t, u8::MAX));
        self.randomise();
        match pose {
            Pose::Wait => self.ipc(Who::Nil, Who::Any, EMPTY, Wait::Never, Wait::Never),
            Pose::Typical { what } => self.typical(EMPTY, what),
            Pose::Attach { line } => self.act(&Op::Attach { line }),
            Pose::Foreign => self.act(&Op::Foreign { number: 0, disguised: false }),
            Pose::PageFault => self.page_fault(Rights::W, false),
            Pose::Call { to } => self.act(&Op::Call { to, shape: EMPTY }),
        }
        self.rig.act(|kernel| kernel.sched.requeue(t, priority));
    }

    fn propagate(&mut self, to: Who, from: Who, name: Who, shape: Shape) {
        let Some(me) = self.running() else { return };
        let name = self.identifier(name, ThreadId(self.rig.live.r12));
        if let (Some(cells), Some(utcb)) =
            (self.rig.thread(me).and_then(|t| t.utcb.get()), &mut self.model.thread_mut(me).utcb)
        {
            cells.virtual_sender.set(name);
            utcb.virtual_sender = name;
        }
        let shape = Shape { reserved: shape.reserved | PROPAGATED, ..shape };
        self.ipc(to, from, shape, Wait::Never, Wait::Never);
    }

    /// Set one thread going, of those that are there, or make one.
    fn revive(&mut self) {
        let slot = self.step as usize % SLOTS.len();
        match self.model.find(self.ids[slot]) {
            Some(_) => self.act(&Op::Change { slot, cancel: true, stop: Some(false) }),
            None => self.create(slot),
        }
    }

    /// What `lthread_ex_regs` and `thread_schedule` do to `t`.
    fn change(&mut self, t: ThreadRef, id: ThreadId, op: &Op) {
        match *op {
            Op::Change { cancel, stop, .. } => {
                self.rig.act(|kernel| {
                    if cancel {
                        ipc::cancel(kernel, t);
                    }
                    t.stopped.set(stop.unwrap_or(t.stopped.get()));
                    kernel.sched.wake(t);
                });
                if cancel {
                    self.model.cancel(id);
                }
                let thread = self.model.thread_mut(id);
                thread.stopped = stop.unwrap_or(thread.stopped);
            }
            Op::SetPager { pager, .. } => {
                let pager = self.identifier(pager, ThreadId::NIL);
                t.pager.set(pager);
                self.model.thread_mut(id).pager = pager;
            }
            Op::SetHandler { handler, .. } => {
                let handler = self.identifier(handler, ThreadId::NIL);
                t.handler.set(handler);
                self.model.thread_mut(id).handler = handler;
            }
            Op::SetTrampoline { on, .. } => {
                let trampoline = if on { TRAMPOLINE } else { 0 };
                t.trampoline.set(trampoline);
                self.model.thread_mut(id).trampoline = trampoline;
            }
            Op::Move { cpu, .. } => t.cpu.set(cpu),
            Op::Priority { priority, .. } => self.rig.act(|kernel| kernel.sched.requeue(t, priority)),
            _ => {}
        }
    }

    fn switch(&mut self, to: Option<usize>) {
        let to = to.and_then(|slot| self.rig.thread(self.ids[slot]));
        if self.rig.running.is_some() {
            self.rig.act(|kernel| match to {
                Some(t) => kernel.sched.donate(t),
                None => kernel.sched.yield_current(),
            });
        }
    }

    fn ipc(&mut self, to: Who, from: Who, shape: Shape, send: Wait, receive: Wait) {
        let Some(me) = self.running() else { return };
        let last = ThreadId(self.model.find(me).map_or(0, |t| t.regs.r12));
        let (to, from) = (self.identifier(to, last), self.identifier(from, last));
        let now = self.model.now;
        let timeouts = Timeouts(u64::from(self.timeout(receive)) | u64::from(self.timeout(send)) << 32);
        for (wait, which) in [(send, 0), (receive, 1)] {
            if let Wait::Until(ticks) = wait {
                self.set_deadline(me, which, now.saturating_add_signed(ticks.into()));
            }
        }
        let tag = u64::from(shape.label) << 16
            | u64::from(shape.reserved) << 12
            | (shape.items as u64) << 6
            | shape.words as u64;
        let live = &mut self.rig.live;
        live.rax = tag << 32 | Call::Ipc.rax();
        (live.r12, live.r13, live.r14) = (to.0, from.0, timeouts.0);
        self.syscall(me);
        self.model.ipc(me);
    }

    fn foreign(&mut self, number: u32, disguised: bool) {
        let Some(me) = self.running() else { return };
        if disguised {
            let handler = self.model.find(me).map_or(0, |t| t.handler.0);
            let live = &mut self.rig.live;
            (live.rax, live.r12, live.r13, live.r14) = (number.into(), handler, handler, 0);
            return self.forward(me);
        }
        // What is in the high half does not make it another call.
        self.rig.live.rax = u64::from(number) | self.step << 32;
        self.forward(me);
    }

    fn forward(&mut self, me: ThreadId) {
        self.syscall(me);
        let thread = self.model.thread_mut(me);
        match thread.trampoline {
            0 => self.model.fault(me, Fault::Foreign),
            trampoline => thread.regs.rip = trampoline,
        }
    }

    fn id_nearest(&mut self, of: Who) {
        let Some(me) = self.running() else { return };
        let of = self.identifier(of, ThreadId::NIL);
        (self.rig.live.rax, self.rig.live.r12) = (Call::IdNearest.rax(), of.0);
        self.syscall(me);
        let regs = &mut self.model.thread_mut(me).regs;
        (regs.rax, regs.r12) = (Status::Ok as u64, if of.is_nil() { me.0 } else { of.0 });
    }

    fn no_such_call(&mut self) {
        let Some(me) = self.running() else { return };
        self.rig.live.rax = L4_CALL | 7;
        self.syscall(me);
        self.model.thread_mut(me).regs.rax = Status::NoSuchCall as u64;
    }

    fn page_fault(&mut self, access: Rights, at_syscall: bool) {
        let Some(me) = self.running() else { return };
        let kind = match access {
            Rights::X => FAULT_FETCH,
            Rights::W => FAULT_WRITE,
            _ => 0,
        };
        let present = if self.step.is_multiple_of(3) { FAULT_PRESENT } else { 0 };
        self.rig.live.entry = FAULT_USER | kind | present;
        let addr = match self.rig.fast {
            // Without jumping there, it is an address like others.
            Some(fast) if at_syscall => fast.first_syscall(),
            _ => self.value(40),
        };
        self.sync_arguments(me);
        self.rig.page_fault(addr);
        self.model.fault(me, Fault::Page { addr, access: access.0.into() });
    }

    fn exception(&mut self, vector: u64) {
        let Some(me) = self.running() else { return };
        self.rig.live.entry = self.value(41);
        self.sync_arguments(me);
        self.rig.exception(vector);
        self.model.fault(me, Fault::Exception { vector });
    }

    fn syscall(&mut self, me: ThreadId) {
        self.sync_arguments(me);
        // What SYSCALL does to its caller.
        let regs = &mut self.model.thread_mut(me).regs;
        (regs.rcx, regs.r11) = (regs.rip, regs.rflags);
        match self.step.is_multiple_of(DISGUISED) {
            true => self.rig.disguised_syscall(),
            false => self.rig.syscall(),
        }
    }

    fn kill(&mut self, slot: usize) {
        let id = self.ids[slot];
        if let Some(t) = self.rig.thread(id) {
            self.rig.kill(t);
            self.model.kill(id);
        }
    }

    fn create(&mut self, slot: usize) {
        let s = &SLOTS[slot];
        self.versions += 1;
        let id = ThreadId::new(s.task, s.lthread, self.versions);
        let old = std::mem::replace(&mut self.ids[slot], id);
        if self.step.is_multiple_of(2) {
            self.repoint(old, id);
        }
        let (pager, handler) = (self.ids[s.pager], self.ids[s.handler]);
        let regs = self.registers();
        let t = self.rig.create(s, id, pager, handler, &regs);
        self.model.threads.push(Thread {
            id,
            chief: s.chief,
            doing: Doing::Ready,
            stopped: false,
            regs,
            known: Known::All,
            utcb: s.has_utcb.then(|| self.utcb(t)),
            pager,
            handler,
            trampoline: 0,
        });
    }

    /// Those who had `old` as pager or handler have `new`.
    fn repoint(&mut self, old: ThreadId, new: ThreadId) {
        for (t, model) in self.rig.kernel.threads.borrow().iter().zip(&mut self.model.threads) {
            for (cell, copy) in [(&t.pager, &mut model.pager), (&t.handler, &mut model.handler)] {
                if *copy == old {
                    cell.set(new);
                    *copy = new;
                }
            }
        }
    }

    /// Fill the UTCB of `t`, and say with what.
    fn utcb(&self, t: ThreadRef) -> Utcb {
        let utcb = Utcb {
            words: std::array::from_fn(|n| self.value(100 + n as u64) & !STRING),
            window: Fpage::memory(u64::from(t.id.get().version()) << 30, 20, Rights::RWX),
            io_window: Fpage::ports(0, 4),
            send_deadline: 0,
            receive_deadline: 0,
            virtual_sender: ThreadId::NIL,
        };
        let cells = t.utcb.get().expect("a UTCB");
        for n in 0..WORDS {
            cells.words[n].set(utcb.words[n]);
        }
        cells.window.set(utcb.window);
        cells.io_window.set(utcb.io_window);
        utcb
    }

    fn set_deadline(&mut self, me: ThreadId, which: usize, deadline: u64) {
        let Some(t) = self.rig.thread(me) else { return };
        if let (Some(cells), Some(utcb)) = (t.utcb.get(), &mut self.model.thread_mut(me).utcb) {
            match which {
                0 => (cells.send_deadline.set(deadline), utcb.send_deadline = deadline).1,
                _ => (cells.receive_deadline.set(deadline), utcb.receive_deadline = deadline).1,
            }
        }
    }

    /// The program that runs computes something: every register gets a new value.
    fn randomise(&mut self) {
        let Some(me) = self.running() else { return };
        let last_sender = self.rig.live.r12;
        self.rig.live = self.registers();
        self.rig.live.r12 = last_sender;
        let thread = self.model.thread_mut(me);
        thread.regs = self.rig.live;
        thread.known = Known::All;
    }

    /// Tell the model with which registers the thread that runs goes into the kernel.
    fn sync_arguments(&mut self, me: ThreadId) {
        self.model.thread_mut(me).regs = self.rig.live;
    }

    fn registers(&self) -> Regs {
        let v = |n| self.value(n);
        // No item is a string: those are not modelled.
        let word = |n| self.value(n) & !STRING;
        Regs {
            r15: v(0),
            r14: v(1),
            r13: v(2),
            r12: 0,
            rbp: v(4),
            rbx: word(5),
            r11: v(6),
            r10: word(7),
            r9: word(8),
            r8: word(9),
            rax: v(10),
            rcx: v(11),
            rdx: word(12),
            rsi: word(13),
            rdi: word(14),
            entry: 0,
            rip: v(15) & 0x7fff_ffff_ffff,
            cs: SELECTORS.0,
            rflags: v(16) & USER_FLAGS & !(1 << 16) | FIXED_FLAGS,
            rsp: v(17),
            ss: SELECTORS.1,
        }
    }

    /// A value that is the step's and `n`'s own, and looks like nothing else: an odd multiplier loses nothing.
    fn value(&self, n: u64) -> u64 {
        (self.step << 8 | n).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    pub fn running(&self) -> Option<ThreadId> {
        self.rig.running.map(|t| t.id.get())
    }

    fn identifier(&self, who: Who, last_sender: ThreadId) -> ThreadId {
        match who {
            Who::Nil => ThreadId::NIL,
            Who::Any => ThreadId::ANY,
            Who::At(slot) => self.ids[slot],
            Who::Stale(slot) => {
                let id = self.ids[slot];
                ThreadId::new(id.task(), id.lthread(), id.version() + 1000)
            }
            Who::LastSender => last_sender,
            Who::Line(line) => ThreadId::irq(line),
            Who::Garbage => ThreadId(self.ids[0].0 | 1 << 60),
        }
    }

    fn timeout(&self, wait: Wait) -> u32 {
        match wait {
            Wait::Never => Timeout::Never.bits(),
            Wait::Not => Timeout::Now.bits(),
            Wait::For(us) => Timeout::In(us).bits(),
            Wait::Until(_) => Timeout::Deadline.bits(),
            Wait::Senseless => u32::MAX,
        }
    }
}
