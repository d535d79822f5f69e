//! What belongs to one CPU.
//!
//! It begins the page that the CPU's TSS ends, so that one base register, GS in kernel mode, reaches both; most of what the fast path
//! needs is in the first cache line and in the TSS. The running thread is kept in one place only, the one that the processor itself
//! uses: `tss.rsp0` is the end of that thread's frame.

use core::arch::asm;
use core::cell::Cell;
use core::mem::offset_of;

use ukernel_abi::utcb::RunState;
use ukernel_core::debug;
use ukernel_core::sched::{Queues, Sched};
use ukernel_core::thread::{FRAME_END, Frame, ThreadRef};

use crate::arch::fpu::{self, Step};
use crate::arch::layout::{TCB_BASE, TSS_BASE, phys_to_virt};
use crate::arch::segments::{self, ROOM_OFFSET, Segments, TSS_OFFSET, TSS_STRIDE};
use crate::arch::{ap, apic::Apic, boot, entry, features, insn};
use crate::kernel::kernel;
use crate::mem::{MEM, tlb};

/// One CPU's own. GS base points here while the CPU is in the kernel.
#[repr(C, align(64))]
pub struct Cpu {
    /// Address of this structure, for [`cpu`].
    this: Cell<u64>,
    /// Top of the CPU's stack.
    stack: Cell<u64>,
    /// Of the SYSCALL entry, which has no register to spare.
    scratch: Cell<u64>,
    /// Where the TCB array is.
    tcbs: Cell<u64>,
    /// First word of the state of a thread of this CPU's that only waits for a message (see [`ukernel_core::thread::Thread`]).
    open: Cell<u64>,
    index: Cell<u32>,
    pub sched: Sched,
    pub fpu: fpu::Owner,
    pub apic: Apic,
    pub segments: Segments,
    /// TSC reading at which the time slice is used up, if one runs.
    slice_end: Cell<u64>,
    /// The running thread has been changed by another CPU while this one waited for the lock.
    pub trap_void: Cell<bool>,
    /// Translations have to be forgotten before user mode goes on.
    flush_owed: Cell<bool>,
}

const _: () = assert!(size_of::<Cpu>() <= ROOM_OFFSET as usize);

pub const CPU_STACK: usize = offset_of!(Cpu, stack);
pub const CPU_SCRATCH: usize = offset_of!(Cpu, scratch);
pub const CPU_TCBS: usize = offset_of!(Cpu, tcbs);
pub const CPU_OPEN: usize = offset_of!(Cpu, open);
pub const CPU_INDEX: usize = offset_of!(Cpu, index);
pub const CPU_FLOOR: usize = offset_of!(Cpu, sched) + offset_of!(Sched, floor);
pub const CPU_IN_STUB: usize = offset_of!(Cpu, fpu) + fpu::IN_STUB;
pub const CPU_FPU_OWNER: usize = offset_of!(Cpu, fpu) + fpu::OWNER;
pub const CPU_CURRENT: usize = offset_of!(Cpu, sched) + debug::CURRENT;
/// `rsp0` of the TSS, as an offset from the CPU's structure.
pub const CPU_RSP0: usize = TSS_OFFSET as usize + 4;

fn address(index: u32) -> u64 {
    TSS_BASE + u64::from(index) * TSS_STRIDE
}

/// The CPU that this runs on.
#[inline(always)]
pub fn cpu() -> &'static Cpu {
    let this: *const Cpu;
    // SAFETY: GS base is the address of this CPU's `Cpu` from `Cpu::make` on, and all code that asks runs after that.
    unsafe {
        asm!("mov {}, gs:[0]", out(reg) this, options(pure, readonly, nostack, preserves_flags));
        &*this
    }
}

impl Cpu {
    /// Make the structure of CPU `index`, on which this runs: its page must be mapped and not yet used.
    pub fn make(index: u32, stack_top: u64, queues: &'static Queues) -> &'static Self {
        let address = address(index);
        let new = Self {
            this: Cell::new(address),
            stack: Cell::new(stack_top),
            scratch: Cell::new(0),
            tcbs: Cell::new(TCB_BASE),
            open: Cell::new(u64::from(index) << 32 | RunState::Receiving as u64),
            index: Cell::new(index),
            sched: Sched::new(queues),
            fpu: fpu::Owner::none(),
            apic: Apic::new(),
            segments: Segments::new(),
            slice_end: Cell::new(0),
            trap_void: Cell::new(false),
            flush_owed: Cell::new(false),
        };
        // SAFETY: the page is the kernel's and nobody refers to it yet. Nothing uses GS before; from now on it is as `cpu` says. User
        // mode starts with a GS base of 0.
        let this = unsafe {
            let this = address as *mut Self;
            this.write(new);
            insn::wrmsr(insn::MSR_GS_BASE, address);
            insn::wrmsr(insn::MSR_KERNEL_GS_BASE, 0);
            &*this
        };
        this.segments.load(address);
        this
    }

    /// The structure of CPU `index`, which must have been made.
    pub fn at(index: u32) -> &'static Self {
        // SAFETY: `make` has written it there, and it lives as long as the kernel.
        unsafe { &*(address(index) as *const Self) }
    }

    pub fn index(&self) -> u32 {
        self.index.get()
    }

    /// The kernel has been entered from user mode. Returns the thread that was running.
    #[inline(always)]
    pub fn entered(&self) -> ThreadRef {
        // SAFETY: user mode runs with the frame of a living thread as kernel stack (`enter`), unless the FPU's stub runs, which
        // does not come here.
        let t = unsafe { &*((segments::kernel_stack() - FRAME_END as u64) as *const _) };
        self.sched.set_current(Some(t));
        t
    }

    /// Choose the thread to run and make the CPU ready for it; wait if there is none. Returns the frame to leave with.
    pub fn leave(&'static self) -> &'static Frame {
        let frame = if let Some(t) = self.sched.unchanged() {
            &t.frame
        } else if let Some(t) = self.sched.handed_over() {
            self.switch_to(t)
        } else {
            self.next()
        };
        kernel().smp.leave(self);
        frame
    }

    fn next(&'static self) -> &'static Frame {
        loop {
            if let Some(stub) = self.fpu.begin_eviction() {
                return self.enter(stub.frame, stub.cr3, stub.frame_end);
            }
            let choice = self.sched.choose();
            self.set_timer(choice.is_some_and(|c| c.contended));
            if let Some(choice) = choice {
                return self.switch_to(choice.thread);
            }
            kernel().smp.idle(self);
        }
    }

    /// Make the CPU ready for `t`. Returns the frame to leave with: that of `t`, or of the stub that has to run before.
    fn switch_to(&'static self, t: ThreadRef) -> &'static Frame {
        if t.uses_fpu.get() && !self.fpu.is(t) {
            return self.switch_fpu(t);
        }
        self.enter_thread(t)
    }

    /// As [`Self::switch_to`], and the FPU's state changes hands. Not part of it, so that other switches save no registers for it.
    #[inline(never)]
    fn switch_fpu(&'static self, t: ThreadRef) -> &'static Frame {
        match self.fpu.switch(t) {
            Step::Done => self.enter_thread(t),
            Step::Stub(stub) => self.enter(stub.frame, stub.cr3, stub.frame_end),
        }
    }

    fn enter_thread(&self, t: ThreadRef) -> &'static Frame {
        self.enter(&t.frame, t.cr3.get(), t as *const _ as u64 + FRAME_END as u64)
    }

    /// The stub that saves or restores vector registers has come back. Returns the frame to leave with.
    #[cold]
    pub fn stub_done(&'static self, well: bool) -> &'static Frame {
        kernel().smp.enter_alone(self);
        if let Some(evicted) = self.fpu.evicted() {
            if let Some(t) = evicted {
                t.moving.set(false);
                kernel().smp.wake(t);
            }
            self.sched.touch();
        }
        let frame = match self.sched.current().filter(|t| t.is_runnable()) {
            // Whoever has become ready meanwhile: what was begun is ended first, or it might never be.
            Some(t) => match self.fpu.stub_done(well) {
                Step::Stub(stub) => self.enter(stub.frame, stub.cr3, stub.frame_end),
                Step::Done if self.sched.unchanged().is_some() => {
                    self.enter(&t.frame, t.cr3.get(), t as *const _ as u64 + FRAME_END as u64)
                }
                Step::Done => self.next(),
            },
            // Another CPU has stopped or killed it.
            None => {
                self.fpu.abandon();
                self.next()
            }
        };
        kernel().smp.leave(self);
        frame
    }

    /// From now on entries from user mode save registers below `frame_end`, in the space `cr3`. The thread that user mode runs is always
    /// in its own space: the fast path relies on it.
    fn enter(&self, frame: &'static Frame, cr3: u64, frame_end: u64) -> &'static Frame {
        segments::set_kernel_stack(frame_end);
        self.set_space(cr3);
        frame
    }

    /// Switch to the space that `cr3` names, as [`crate::mem::tags`] has it.
    pub fn set_space(&self, cr3: u64) {
        // The highest bit is not part of the register.
        if (insn::cr3() ^ cr3) << 1 != 0 {
            // SAFETY: roots come from `mem`, which gives every space the kernel's half, or are the template itself.
            unsafe { insn::set_cr3(cr3) };
        }
    }

    /// Have [`Self::flush_owed`] forget translations. The CPU is quiet.
    pub fn owe_flush(&self) {
        self.flush_owed.set(true);
    }

    /// Forget translations if other CPUs have changed any.
    pub fn flush_owed(&self) {
        if self.flush_owed.take() {
            tlb::flush_all();
        }
    }

    fn set_timer(&self, contended: bool) {
        let mut due = kernel().timeouts.next_deadline().unwrap_or(u64::MAX);
        if contended && !self.sched.sliced() {
            let slice = self.sched.current().map_or(0, |t| t.timeslice.get());
            self.slice_end.set(insn::rdtsc().saturating_add(slice));
            self.sched.begin_slice();
        }
        if self.sched.sliced() {
            due = due.min(self.slice_end.get());
        }
        if due != u64::MAX {
            self.apic.arm(due, &kernel().clock);
        }
    }

    /// The timer has fired: whether the time slice is used up.
    pub fn slice_used_up(&self, now: u64) -> bool {
        self.sched.sliced() && now >= self.slice_end.get()
    }
}

/// CPU `index`, another than the first, begins on the stack that ends at `stack_top`.
pub fn start_ap(index: u32, stack_top: u64) -> ! {
    segments::load_flat();
    let cpu = Cpu::make(index, stack_top, new_queues());
    cpu.set_space(boot::template_root());
    cpu.apic.init();
    features::enable();
    kernel().smp.join(cpu, || ap::arrived(index));
    entry::enter_user(cpu.leave())
}

fn new_queues() -> &'static Queues {
    const { assert!(size_of::<Queues>() == 4096) };
    let Ok(frame) = MEM.frames.alloc() else { panic!("too little memory for another CPU") };
    // SAFETY: the frame is zeroed, which is what empty queues are, and the CPU's for ever. The first CPU waits for this one: nobody else
    // uses `MEM`.
    unsafe { &*(phys_to_virt(frame.0) as *const Queues) }
}
