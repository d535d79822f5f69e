//! What belongs to one CPU.

use core::arch::asm;
use core::cell::Cell;
use core::mem::offset_of;

use ukernel_core::sched::Sched;
use ukernel_core::thread::{FRAME_END, Frame, ThreadRef};

use crate::arch::fpu::{self, Step};
use crate::arch::{apic::Apic, insn, segments};
use crate::kernel::kernel;

/// One CPU's own. GS base points here while the CPU is in the kernel.
#[repr(C, align(64))]
pub struct Cpu {
    /// Address of this structure, for [`cpu`].
    this: Cell<u64>,
    /// Top of the CPU's stack.
    stack: Cell<u64>,
    /// End of the running thread's frame (as `tss.rsp0`).
    frame_end: Cell<u64>,
    /// Of the SYSCALL entry, which has no register to spare.
    scratch: Cell<u64>,
    /// Its frame must end at a multiple of 16.
    pub fpu: fpu::Owner,
    pub sched: Sched,
    pub apic: Apic,
    /// Page-table root in CR3.
    cr3: Cell<u64>,
    /// TSC reading at which the running thread has used up its time slice; 0 while nobody waits for that.
    slice_end: Cell<u64>,
}

const _: () = assert!(offset_of!(Cpu, fpu) % 16 == 0);

pub const CPU_STACK: usize = offset_of!(Cpu, stack);
pub const CPU_FRAME_END: usize = offset_of!(Cpu, frame_end);
pub const CPU_SCRATCH: usize = offset_of!(Cpu, scratch);

/// The CPU that this runs on.
#[inline(always)]
pub fn cpu() -> &'static Cpu {
    let this: *const Cpu;
    // SAFETY: GS base is the address of this CPU's `Cpu` from `Cpu::init` on, and all kernel code runs after that.
    unsafe {
        asm!("mov {}, gs:[0]", out(reg) this, options(pure, readonly, nostack, preserves_flags));
        &*this
    }
}

impl Cpu {
    pub const fn new() -> Self {
        Self {
            this: Cell::new(0),
            stack: Cell::new(0),
            frame_end: Cell::new(0),
            scratch: Cell::new(0),
            fpu: fpu::Owner::none(),
            sched: Sched::new(),
            apic: Apic::new(),
            cr3: Cell::new(0),
            slice_end: Cell::new(0),
        }
    }

    /// Make this the structure of the CPU that runs this.
    pub fn init(&'static self, stack_top: u64) {
        self.this.set(self as *const Self as u64);
        self.stack.set(stack_top);
        self.cr3.set(insn::cr3());
        // SAFETY: nothing uses GS before; from now on it is as `cpu` says. User mode starts with a GS base of 0.
        unsafe {
            insn::wrmsr(insn::MSR_GS_BASE, self as *const Self as u64);
            insn::wrmsr(insn::MSR_KERNEL_GS_BASE, 0);
        }
    }

    /// The thread that was running when the kernel was entered from user mode.
    pub fn current(&self) -> ThreadRef {
        match self.sched.current() {
            Some(t) => t,
            None => panic!("entered from user mode with no thread running"),
        }
    }

    /// Choose the thread to run and make the CPU ready for it; wait if there is none. Returns the frame to leave with.
    pub fn leave(&'static self) -> &'static Frame {
        if let Some(t) = self.sched.unchanged() {
            return &t.frame;
        }
        loop {
            let choice = self.sched.choose();
            self.set_timer(choice.is_some_and(|c| c.contended));
            if let Some(choice) = choice {
                return self.switch_to(choice.thread);
            }
            insn::wait_for_interrupt();
        }
    }

    /// Make the CPU ready for `t`. Returns the frame to leave with: that of `t`, or of the stub that has to run before.
    fn switch_to(&'static self, t: ThreadRef) -> &'static Frame {
        if t.uses_fpu.get() && !self.fpu.is(t) {
            match self.fpu.switch(t) {
                Step::Done => {}
                Step::Stub(stub) => return self.enter(stub.frame, stub.cr3, stub.frame_end),
            }
        }
        self.enter(&t.frame, t.cr3.get(), t as *const _ as u64 + FRAME_END as u64)
    }

    /// The stub that saves or restores vector registers has come back.
    pub fn stub_done(&'static self, well: bool) -> &'static Frame {
        let t = self.current();
        match self.fpu.stub_done(well) {
            Step::Done => self.enter(&t.frame, t.cr3.get(), t as *const _ as u64 + FRAME_END as u64),
            Step::Stub(stub) => self.enter(stub.frame, stub.cr3, stub.frame_end),
        }
    }

    fn enter(&self, frame: &'static Frame, cr3: u64, frame_end: u64) -> &'static Frame {
        if self.frame_end.get() != frame_end {
            self.frame_end.set(frame_end);
            segments::set_kernel_stack(frame_end);
            self.set_space(cr3);
        }
        frame
    }

    /// Switch to the space whose page-table root is `root`.
    pub fn set_space(&self, root: u64) {
        if self.cr3.get() != root {
            self.cr3.set(root);
            // SAFETY: roots come from `mem`, which gives every space the kernel's half, or are the template itself.
            unsafe { insn::set_cr3(root) };
        }
    }

    /// Page-table root in CR3.
    pub fn space(&self) -> u64 {
        self.cr3.get()
    }

    /// `t` dies: nothing of the CPU may refer to it any more.
    pub fn forget(&self, t: ThreadRef) {
        self.fpu.forget(t);
        if self.frame_end.get() == t as *const _ as u64 + FRAME_END as u64 {
            self.frame_end.set(0);
        }
    }

    fn set_timer(&self, contended: bool) {
        let mut due = kernel().timeouts.next_deadline().unwrap_or(u64::MAX);
        if !contended {
            self.slice_end.set(0);
        } else {
            if self.slice_end.get() == 0 {
                let slice = self.sched.current().map_or(0, |t| t.timeslice.get());
                self.slice_end.set(insn::rdtsc().saturating_add(slice).max(1));
            }
            due = due.min(self.slice_end.get());
        }
        if due != u64::MAX {
            self.apic.arm(due, &kernel().clock);
        }
    }

    /// The timer has fired: whether the running thread has used up its time slice.
    pub fn slice_used_up(&self, now: u64) -> bool {
        if self.slice_end.get() != 0 && now >= self.slice_end.get() {
            self.slice_end.set(0);
            return true;
        }
        false
    }
}
