//! Tasks: a space and its threads, and whose they are.

use core::cell::Cell;

use ukernel_abi::call::Status;
use ukernel_abi::utcb::Regs;
use ukernel_abi::{Rights, ThreadId, layout};
use ukernel_core::ipc::{self, Env};
use ukernel_core::queue::{Link, Queue};
use ukernel_core::thread::{Thread, ThreadRef, UtcbCells};

use crate::arch::layout::{PTE_ADDR, phys_to_virt};
use crate::arch::xstate::{self, Needs};
use crate::arch::{boot, fpu, insn, segments};
use crate::cpu::cpu;
use crate::events::Event;
use crate::kernel::kernel;
use crate::mem::{MEM, NoMemory, PhysAddr, Space, VirtAddr};
use crate::tcb::{self, Array};

/// Default time slice.
const TIMESLICE_US: u32 = 10_000;
const LINK: ukernel_core::queue::LinkOf = |t: &'static Thread| -> &'static Link { &t.task_link };

/// A task. It lies in the TCB page of its first thread.
pub struct Task {
    /// 0 where there is no task.
    pub number: Cell<u16>,
    pub chief: Cell<u16>,
    /// Identifier of its first thread, living or dead: it stays the task's name.
    first: Cell<ThreadId>,
    pub space: Cell<Option<Space>>,
    pub threads: Queue,
    /// The tasks that this one made, as a list through `next` and `prev`; 0 ends it.
    first_child: Cell<u16>,
    next: Cell<u16>,
    prev: Cell<u16>,
}

impl Task {
    pub const fn new() -> Self {
        Self {
            number: Cell::new(0),
            chief: Cell::new(0),
            first: Cell::new(ThreadId::NIL),
            space: Cell::new(None),
            threads: Queue::new(),
            first_child: Cell::new(0),
            next: Cell::new(0),
            prev: Cell::new(0),
        }
    }

    pub fn number(&self) -> u16 {
        self.number.get()
    }
    pub fn chief(&self) -> u16 {
        self.chief.get()
    }
    #[inline(always)]
    pub fn space(&self) -> Space {
        match self.space.get() {
            Some(space) => space,
            None => self.has_no_space(),
        }
    }

    #[cold]
    fn has_no_space(&self) -> ! {
        panic!("task {} has no space", self.number.get())
    }
}

/// What a new thread starts with.
pub struct Start {
    pub regs: Regs,
    pub pager: ThreadId,
    pub handler: ThreadId,
    pub trampoline: u64,
    pub priority: u8,
    pub uses_fpu: bool,
    pub with_utcb: bool,
    pub stopped: bool,
}

/// All tasks.
pub struct Tasks {
    pub tcbs: Array,
    /// Bit n of word m: task number 64 m + n is in use; and the same of the words.
    pub used: [Cell<u64>; ThreadId::TASKS / 64],
    full: [Cell<u64>; ThreadId::TASKS / 64 / 64],
}

impl Tasks {
    pub const fn new() -> Self {
        Self {
            tcbs: Array::new(),
            used: [const { Cell::new(0) }; ThreadId::TASKS / 64],
            full: [const { Cell::new(0) }; ThreadId::TASKS / 64 / 64],
        }
    }

    /// Reserve the lowest free task number. 0 is never one.
    pub fn take_number(&self) -> Option<u16> {
        let summary = self.full.iter().position(|w| w.get() != u64::MAX)?;
        let word = summary * 64 + (!self.full[summary].get()).trailing_zeros() as usize;
        let bits = &self.used[word];
        let bit = (!bits.get()).trailing_zeros() as usize;
        bits.set(bits.get() | 1 << bit);
        if bits.get() == u64::MAX {
            self.full[summary].set(self.full[summary].get() | 1 << (word % 64));
        }
        let number = (word * 64 + bit) as u16;
        // Number 0 is the interrupts': it is taken by the first call and never given back.
        if number == 0 { self.take_number() } else { Some(number) }
    }

    fn free_number(&self, number: u16) {
        let word = number as usize / 64;
        self.used[word].set(self.used[word].get() & !(1 << (number % 64)));
        self.full[word / 64].set(self.full[word / 64].get() & !(1 << (word % 64)));
    }

    /// The task `number`, if it exists.
    pub fn find(&self, number: u16) -> Option<&'static Task> {
        let task = tcb::task_at(number);
        (number != 0 && task.number() == number).then_some(task)
    }

    /// The task that `id` names: that of its first thread, even if that has died, or any living one.
    pub fn named(&self, id: ThreadId) -> Option<&'static Task> {
        let task = self.find(id.task())?;
        (task.first.get() == id || tcb::find(id).is_some()).then_some(task)
    }

    /// Make a task of chief `chief` with the kernel-memory limit `limit` (frames) and its first thread.
    pub fn create(&self, chief: u16, limit: u32, start: &Start) -> Result<ThreadRef, NoMemory> {
        let mem = &*MEM;
        let parent = self.find(chief);
        let number = self.take_number().ok_or(NoMemory)?;
        let space = match mem.new_space(parent.map(|p| p.space()), limit) {
            Ok(space) => space,
            Err(e) => {
                self.free_number(number);
                return Err(e);
            }
        };
        kernel().tags.give(mem.cr3(space));
        let thread = mem.charge(space, 1).and_then(|()| self.tcbs.create(number, 0));
        let t = match thread {
            Ok(t) => t,
            Err(e) => {
                kernel().tags.take_back(mem.cr3(space));
                mem.destroy(space);
                self.free_number(number);
                return Err(e);
            }
        };
        let task = tcb::task_at(number);
        task.number.set(number);
        task.chief.set(chief);
        task.first.set(t.id.get());
        task.space.set(Some(space));
        if let Some(parent) = parent {
            self.link(task, parent);
        }
        if let Err(e) = self.set_up(t, task, start) {
            self.delete(task);
            return Err(e);
        }
        kernel().events.record(Event::TaskNew, t.id.get(), start.regs.rip);
        Ok(t)
    }

    /// Make a further thread of `task`.
    pub fn create_thread(
        &self,
        task: &'static Task,
        lthread: u16,
        start: &Start,
    ) -> Result<ThreadRef, NoMemory> {
        let mem = &*MEM;
        mem.charge(task.space(), 1)?;
        let t = match self.tcbs.create(task.number(), lthread) {
            Ok(t) => t,
            Err(e) => {
                mem.refund(task.space(), 1);
                return Err(e);
            }
        };
        if let Err(e) = self.set_up(t, task, start) {
            self.delete_thread(t);
            return Err(e);
        }
        kernel().events.record(Event::ThreadNew, t.id.get(), start.regs.rip);
        Ok(t)
    }

    fn set_up(&self, t: ThreadRef, task: &'static Task, start: &Start) -> Result<(), NoMemory> {
        task.threads.push_back(t, LINK);
        t.cr3.set(kernel().tags.cr3(MEM.cr3(task.space())));
        t.chief.set(task.chief());
        t.cpu.set(cpu().index());
        kernel().smp.space_used_on(t.cr3.get(), cpu());
        t.priority.set(start.priority);
        t.pager.set(start.pager);
        t.handler.set(start.handler);
        t.trampoline.set(start.trampoline);
        t.uses_fpu.set(start.uses_fpu);
        t.timeslice.set(kernel().clock.ticks(TIMESLICE_US));
        t.stopped.set(true);
        crate::regs::set(t, &start.regs);
        if start.with_utcb {
            self.give_utcb(t, task)?;
        }
        if start.uses_fpu {
            self.give_fpu_area(t, task)?;
        }
        t.stopped.set(start.stopped);
        kernel().wake(t);
        Ok(())
    }

    fn give_utcb(&self, t: ThreadRef, task: &Task) -> Result<(), NoMemory> {
        let frame = give_page(task, layout::utcb(t.id.get().lthread()))?;
        // SAFETY: the frame is zeroed (a valid UtcbCells), kernel memory mapped in the physmap, and stays so until
        // `take_pages` has removed this reference. User code may change it at any time: all fields are cells.
        t.utcb.set(Some(unsafe { &*(phys_to_virt(frame) as *const UtcbCells) }));
        Ok(())
    }

    fn give_fpu_area(&self, t: ThreadRef, task: &Task) -> Result<(), NoMemory> {
        let frame = match xstate::needs() {
            Needs::Nothing => return Ok(()),
            Needs::Frame => give_frame(task)?.0,
            Needs::UserPage => give_page(task, layout::vector_area(t.id.get().lthread()))?,
        };
        t.vector_frame.set(frame);
        fpu::prepare(t);
        Ok(())
    }

    /// Take back the frames that `t` has got besides its TCB.
    fn take_pages(&self, t: ThreadRef, task: &Task) {
        let lthread = t.id.get().lthread();
        if t.utcb.take().is_some() {
            take_page(task, layout::utcb(lthread));
        }
        match (t.vector_frame.take(), xstate::needs()) {
            (0, _) => {}
            (_, Needs::UserPage) => take_page(task, layout::vector_area(lthread)),
            (frame, _) => take_frame(task, PhysAddr(frame)),
        }
    }

    /// Delete the thread `t`. With the last thread of a task the task stays, without threads.
    pub fn delete_thread(&self, t: ThreadRef) {
        let task = tcb::task_of(t);
        self.take_pages(t, task);
        kernel().smp.own(t).fpu.forget(t);
        let id = t.id.get();
        task.threads.remove(t, LINK);
        kernel().events.record(Event::ThreadDelete, id, 0);
        t.id.set(ThreadId::NIL);
        ipc::kill(kernel(), t, id);
        // The page of lthread 0 holds the task as well and goes with it.
        if id.lthread() != 0 {
            self.tcbs.destroy(id);
            MEM.refund(task.space(), 1);
        }
    }

    /// Delete `task` and all tasks that it made, and they, and so on: leaves first, without recursion.
    pub fn delete(&self, task: &'static Task) {
        let top = task.number();
        let mut at = task;
        loop {
            if let Some(child) = self.find(at.first_child.get()) {
                at = child;
                continue;
            }
            let (number, chief) = (at.number(), at.chief());
            self.delete_leaf(at);
            if number == top {
                return;
            }
            match self.find(chief) {
                Some(parent) => at = parent,
                None => return,
            }
        }
    }

    fn delete_leaf(&self, task: &'static Task) {
        let (number, space) = (task.number(), task.space());
        kernel().events.record(Event::TaskDelete, ThreadId::new(number, 0, 0), 0);
        while let Some(t) = task.threads.first() {
            self.delete_thread(t);
        }
        if let Some(parent) = self.find(task.chief()) {
            self.unlink(task, parent);
        }
        let root = MEM.cr3(space);
        if (insn::cr3() ^ root.0) & PTE_ADDR == 0 {
            cpu().set_space(boot::template_root());
        }
        kernel().smp.leave_space(root.0);
        kernel().tags.take_back(root);
        task.number.set(0);
        MEM.destroy(space);
        kernel().rights_taken();
        self.tcbs.destroy(ThreadId::new(number, 0, 0));
        self.free_number(number);
    }

    fn link(&self, task: &Task, parent: &Task) {
        let first = parent.first_child.replace(task.number());
        task.next.set(first);
        if let Some(first) = self.find(first) {
            first.prev.set(task.number());
        }
    }

    fn unlink(&self, task: &Task, parent: &Task) {
        match self.find(task.prev.get()) {
            Some(prev) => prev.next.set(task.next.get()),
            None => parent.first_child.set(task.next.get()),
        }
        if let Some(next) = self.find(task.next.get()) {
            next.prev.set(task.prev.get());
        }
    }

    /// Every thread of every task.
    pub fn for_each_thread(&self, f: &mut dyn FnMut(ThreadRef)) {
        for (m, word) in self.used.iter().enumerate().filter(|(_, w)| w.get() != 0) {
            for n in (0..64).filter(|n| word.get() & 1 << n != 0) {
                let Some(task) = self.find((m * 64 + n) as u16) else { continue };
                let mut at = task.threads.first();
                while let Some(t) = at {
                    at = t.task_link.next();
                    f(t);
                }
            }
        }
    }
}

/// Map a new page at `va`, above what the task can touch itself, and charge it. Returns its physical address.
fn give_page(task: &Task, va: u64) -> Result<u64, NoMemory> {
    let frame = give_frame(task)?;
    match MEM.map_kernel_page(task.space(), VirtAddr(va), frame, Rights::RW) {
        Ok(()) => Ok(frame.0),
        Err(e) => {
            take_frame(task, frame);
            Err(e)
        }
    }
}

fn take_page(task: &Task, va: u64) {
    if let Some(frame) = MEM.unmap_kernel_page(task.space(), VirtAddr(va)) {
        take_frame(task, frame);
    }
}

/// A zeroed frame, charged to `task`.
fn give_frame(task: &Task) -> Result<PhysAddr, NoMemory> {
    MEM.charge(task.space(), 1)?;
    MEM.frames.alloc().inspect_err(|_| MEM.refund(task.space(), 1))
}

fn take_frame(task: &Task, frame: PhysAddr) {
    MEM.frames.free_dirty(frame);
    MEM.refund(task.space(), 1);
}

/// Threads of a task that a caller may act on, or why not.
pub fn controlled(me: ThreadRef, id: ThreadId) -> Result<ThreadRef, Status> {
    let t = kernel().thread(id).ok_or(Status::NotExistent)?;
    if ukernel_core::clan::may_control(me, t) { Ok(t) } else { Err(Status::Denied) }
}

/// Selectors of user mode, for the frame of a thread that has not run yet.
pub const fn user_selectors() -> (u64, u64) {
    (segments::USER_CS, segments::USER_SS)
}
