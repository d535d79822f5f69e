//! The real thing: `ukernel_core::ipc` and the real scheduler, with as much of a kernel around them as they need.
//!
//! It does what the entry code and `kernel/src/{trap,cpu,kernel,task}.rs` do around a call: save the registers of the thread that runs, tell the scheduler who that
//! is, act, choose. With [`Rig::fast`] every SYSCALL and every page fault goes through the kernel's assembler first.

use std::cell::{Cell, RefCell};

use ukernel_abi::call::{Call, Status, is_l4_call};
use ukernel_abi::msg::MapItem;
use ukernel_abi::utcb::Regs;
use ukernel_abi::{Rights, ThreadId};
use ukernel_core::ipc::{self, Env, Lacking, NotMapped, Windows};
use ukernel_core::irq::Irqs;
use ukernel_core::sched::{Queues, Sched};
use ukernel_core::thread::{Outgoing, Thread, ThreadRef, UtcbCells};
use ukernel_core::timeout::Timeouts;

use crate::fast::{Exit, Fast};
use crate::naive::Mapped;
use crate::world::{self, Slot};

/// Page-fault error code (SDM vol. 3, 4.7).
pub const FAULT_PRESENT: u64 = 1 << 0;
pub const FAULT_WRITE: u64 = 1 << 1;
pub const FAULT_USER: u64 = 1 << 2;
pub const FAULT_FETCH: u64 = 1 << 4;

/// What IPC needs of the kernel.
pub struct Kernel {
    pub queues: &'static Queues,
    pub sched: Sched,
    pub timeouts: Timeouts,
    pub irqs: Irqs,
    pub threads: RefCell<Vec<ThreadRef>>,
    pub now: Cell<u64>,
    pub mapped: RefCell<Vec<Mapped>>,
    pub lost: RefCell<Vec<ThreadId>>,
    /// Whose state the FPU holds.
    pub fpu_owner: Cell<Option<ThreadRef>>,
}

impl Env for Kernel {
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
        world::chief_of(task)
    }
    fn first_thread(&self, task: u16) -> Option<ThreadRef> {
        let is_first = |t: &ThreadRef| t.id.get().task() == task && t.id.get().lthread() == 0;
        self.threads.borrow().iter().copied().find(is_first)
    }
    fn for_each_thread(&self, f: &mut dyn FnMut(ThreadRef)) {
        for t in self.threads.borrow().clone() {
            f(t);
        }
    }
    fn deadline(&self, us: u32) -> u64 {
        self.now.get() + u64::from(us) * world::TICKS_PER_US
    }
    fn map(&self, from: ThreadRef, item: MapItem, to: ThreadRef, windows: Windows) -> Result<(), NotMapped> {
        self.mapped.borrow_mut().push((from.id.get(), item, to.id.get(), windows.memory, windows.io));
        if world::map_fails(item) { Err(NotMapped) } else { Ok(()) }
    }
    fn copy(&self, _: ThreadRef, _: u64, _: ThreadRef, _: u64, _: u64) -> Result<u64, Lacking> {
        panic!("a string is copied: there are none in the model")
    }
    fn may_attach(&self, t: ThreadRef, line: u8) -> bool {
        world::may_attach(t.id.get(), line)
    }
    fn irq_attached(&self, _: u8, _: bool) {}
    fn orphaned(&self, t: ThreadRef) {
        self.lost.borrow_mut().push(t.id.get());
    }
}

pub struct Rig<'a> {
    pub kernel: Kernel,
    /// Whose registers the CPU has; none while idle.
    pub running: Option<ThreadRef>,
    /// These registers.
    pub live: Regs,
    pub fast: Option<&'a Fast>,
}

impl<'a> Rig<'a> {
    pub fn new(fast: Option<&'a Fast>) -> Self {
        let queues: &'static Queues = Box::leak(Box::default());
        let kernel = Kernel {
            queues,
            sched: Sched::new(queues),
            timeouts: Timeouts::new(),
            irqs: Irqs::new(),
            threads: RefCell::default(),
            now: Cell::new(0),
            mapped: RefCell::default(),
            lost: RefCell::default(),
            fpu_owner: Cell::new(None),
        };
        Self { kernel, running: None, live: Regs::default(), fast }
    }

    /// A new thread, with these registers.
    pub fn create(
        &mut self,
        slot: &Slot,
        id: ThreadId,
        pager: ThreadId,
        handler: ThreadId,
        regs: &Regs,
    ) -> ThreadRef {
        let t: ThreadRef = Box::leak(Box::default());
        t.id.set(id);
        t.chief.set(slot.chief);
        t.cr3.set(world::cr3(slot.task));
        t.priority.set(slot.priority);
        t.uses_fpu.set(slot.uses_fpu);
        t.pager.set(pager);
        t.handler.set(handler);
        if slot.has_utcb {
            t.utcb.set(Some(Box::leak(Box::new(UtcbCells::default()))));
        }
        save(t, regs);
        self.enter();
        self.kernel.threads.borrow_mut().push(t);
        self.kernel.sched.wake(t);
        self.leave();
        t
    }

    pub fn thread(&self, id: ThreadId) -> Option<ThreadRef> {
        self.kernel.thread(id)
    }

    /// SYSCALL, by the thread that runs.
    pub fn syscall(&mut self) {
        let Some(me) = self.running else { panic!("nobody runs") };
        self.live.rcx = self.live.rip;
        self.live.r11 = self.live.rflags;
        if let Some(fast) = self.fast {
            match fast.syscall(&self.kernel, me, &self.live) {
                Exit::User(regs, running) => {
                    self.live = regs;
                    self.running = Some(running);
                    return;
                }
                Exit::Slow(regs) => self.live = regs,
            }
        }
        self.live.entry = 0;
        self.enter();
        self.serve(me);
        self.leave();
    }

    /// SYSCALL, by the thread that runs, on a machine where it does not change the privilege level: the program is to go on in the
    /// kernel, and faults. Where there is no fast path there is no such address.
    pub fn disguised_syscall(&mut self) {
        let (Some(me), Some(fast)) = (self.running, self.fast) else { return self.syscall() };
        let live = &mut self.live;
        (live.rcx, live.r11) = (live.rip, live.rflags);
        (live.rip, live.entry) = (fast.first_syscall(), FAULT_FETCH | FAULT_USER);
        match fast.page_fault(&self.kernel, me, &self.live, fast.first_syscall()) {
            Exit::User(..) => panic!("a SYSCALL is taken for a page fault"),
            Exit::Slow(regs) => self.live = Regs { rip: regs.rcx, rflags: regs.r11, entry: 0, ..regs },
        }
        self.enter();
        self.serve(me);
        self.leave();
    }

    /// The thread that runs gets a page fault at `addr`. The error code is in its registers.
    pub fn page_fault(&mut self, addr: u64) {
        let Some(me) = self.running else { panic!("nobody runs") };
        if let Some(fast) = self.fast {
            match fast.page_fault(&self.kernel, me, &self.live, addr) {
                Exit::User(regs, running) => {
                    self.live = regs;
                    self.running = Some(running);
                    return;
                }
                Exit::Slow(regs) => self.live = regs,
            }
        }
        let access = match self.live.entry {
            error if error & FAULT_FETCH != 0 => Rights::X,
            error if error & FAULT_WRITE != 0 => Rights::W,
            _ => Rights::R,
        };
        self.fault(Outgoing::PageFault { addr, access: access.0.into() });
    }

    fn serve(&self, me: ThreadRef) {
        const IPC: u64 = Call::Ipc.rax();
        const ID_NEAREST: u64 = Call::IdNearest.rax();
        let frame = &me.frame;
        match frame.rax.get() & u64::from(u32::MAX) {
            number if !is_l4_call(number) => match me.trampoline.get() {
                0 => ipc::fault(&self.kernel, me, Outgoing::Foreign),
                trampoline => frame.rip.set(trampoline),
            },
            IPC => ipc::ipc(&self.kernel, me),
            ID_NEAREST => {
                // Whoever is asked for here can be sent to.
                if frame.r12.get() == 0 {
                    frame.r12.set(me.id.get().0);
                }
                frame.rax.set(Status::Ok as u64);
            }
            _ => frame.rax.set(Status::NoSuchCall as u64),
        }
    }

    /// The thread that runs gets another exception. The error code is in its registers.
    pub fn exception(&mut self, vector: u64) {
        self.fault(Outgoing::Exception { vector });
    }

    fn fault(&mut self, outgoing: Outgoing) {
        let Some(me) = self.running else { panic!("nobody runs") };
        self.enter();
        ipc::fault(&self.kernel, me, outgoing);
        self.leave();
    }

    /// Do something else in the kernel.
    pub fn act(&mut self, body: impl FnOnce(&Kernel)) {
        self.enter();
        body(&self.kernel);
        self.leave();
    }

    /// The timer.
    pub fn expire(&mut self, now: u64) {
        self.act(|kernel| {
            kernel.now.set(now);
            kernel.sched.touch();
            ipc::expire(kernel, now);
        });
    }

    pub fn kill(&mut self, t: ThreadRef) {
        self.act(|kernel| {
            if kernel.fpu_owner.get().is_some_and(|owner| core::ptr::eq(owner, t)) {
                kernel.fpu_owner.set(None);
            }
            kernel.threads.borrow_mut().retain(|other| !core::ptr::eq(*other, t));
            let id = t.id.replace(ThreadId::NIL);
            ipc::kill(kernel, t, id);
        });
    }

    fn enter(&mut self) {
        if let Some(t) = self.running {
            save(t, &self.live);
            self.kernel.sched.set_current(Some(t));
        }
    }

    fn leave(&mut self) {
        let sched = &self.kernel.sched;
        self.running = sched.unchanged().or_else(|| sched.handed_over()).or_else(|| {
            let choice = sched.choose()?;
            if choice.contended && !sched.sliced() {
                sched.begin_slice();
            }
            Some(choice.thread)
        });
        if let Some(t) = self.running {
            if t.uses_fpu.get() {
                self.kernel.fpu_owner.set(Some(t));
            }
            self.live = registers(t);
        }
    }

    /// Registers of `t`, wherever they are.
    pub fn registers(&self, t: ThreadRef) -> Regs {
        match self.running {
            Some(running) if core::ptr::eq(running, t) => self.live,
            _ => registers(t),
        }
    }
}

/// Registers in the frame of `t`.
pub fn registers(t: &Thread) -> Regs {
    let f = &t.frame;
    Regs {
        r15: f.r15.get(),
        r14: f.r14.get(),
        r13: f.r13.get(),
        r12: f.r12.get(),
        rbp: f.rbp.get(),
        rbx: f.rbx.get(),
        r11: f.r11.get(),
        r10: f.r10.get(),
        r9: f.r9.get(),
        r8: f.r8.get(),
        rax: f.rax.get(),
        rcx: f.rcx.get(),
        rdx: f.rdx.get(),
        rsi: f.rsi.get(),
        rdi: f.rdi.get(),
        entry: f.entry.get(),
        rip: f.rip.get(),
        cs: f.cs.get(),
        rflags: f.rflags.get(),
        rsp: f.rsp.get(),
        ss: f.ss.get(),
    }
}

fn save(t: &Thread, r: &Regs) {
    let f = &t.frame;
    for (cell, value) in [
        (&f.r15, r.r15),
        (&f.r14, r.r14),
        (&f.r13, r.r13),
        (&f.r12, r.r12),
        (&f.rbp, r.rbp),
        (&f.rbx, r.rbx),
        (&f.r11, r.r11),
        (&f.r10, r.r10),
        (&f.r9, r.r9),
        (&f.r8, r.r8),
        (&f.rax, r.rax),
        (&f.rcx, r.rcx),
        (&f.rdx, r.rdx),
        (&f.rsi, r.rsi),
        (&f.rdi, r.rdi),
        (&f.entry, r.entry),
        (&f.rip, r.rip),
        (&f.cs, r.cs),
        (&f.rflags, r.rflags),
        (&f.rsp, r.rsp),
        (&f.ss, r.ss),
    ] {
        cell.set(value);
    }
}

/// Whether `t` is in the ready queue of its priority, by looking for it there.
pub fn is_queued(kernel: &Kernel, t: ThreadRef) -> bool {
    let mut at = kernel.queues.of(t.priority.get()).first();
    while let Some(other) = at {
        if core::ptr::eq(other, t) {
            return true;
        }
        at = other.ready_link.next();
    }
    false
}
