//! FPU, FS and GS state: what programs have and servers have not.
//!
//! Servers are built soft-float and use no thread-local segments, so this state changes hands only when a thread that owns some runs after
//! another one that does, not with every switch. CR0.TS is never used: not every KVM honours it.
//!
//! *The upper parts.* How the state is saved is [`super::xstate`]'s business, and with XSAVE that is all. Where kernel mode is emulated, user
//! mode has AVX and AVX-512 whatever the kernel says, and the emulator has no XSAVE.
//! There the upper parts are saved and restored by a stub in the gate page, which the kernel runs in user mode, in the space of the
//! thread whose registers they are, with interrupts off: it leaves with the stub's frame in place of the thread's, and
//! goes on when the stub's breakpoint comes back. Two transitions more for a switch between two programs, none for all others.

use core::cell::Cell;

use ukernel_abi::layout;
use ukernel_core::mem::{Machine, PhysAddr};
use ukernel_core::thread::{Frame, Thread, ThreadRef};

use super::insn::*;
use super::segments::{USER_CS, USER_SS};
use super::xstate::{self, Needs};
use crate::mem::Physmap;

/// XSTATE_BV, in the header of the area: zero means that all components are in their initial state.
const AREA_HEADER: u64 = 512;

/// `t` has just got what `xstate::needs` says it needs.
pub fn prepare(t: &Thread) {
    if xstate::needs() == Needs::UserPage {
        prepare_user_page(t.vector_frame.get());
    }
    xstate::prepare(t);
}

/// Make the frame at `area` one that the stub's XSAVE can write to. KVM write-protects frames in which it has seen page tables and emulates
/// the writes to them, and it cannot emulate XSAVE. An odd write of ours tells it that there is no table there any more.
fn prepare_user_page(area: u64) {
    // SAFETY: the frame is the kernel's, mapped in the physmap, and nobody has a reference into it.
    unsafe { (super::layout::phys_to_virt(area) as *mut u16).write_volatile(0) };
}

/// How a switch goes on.
pub enum Step {
    /// The registers are the new owner's.
    Done,
    /// Leave the kernel for the stub.
    Stub(Stub),
}

/// What to leave the kernel with to run the stub.
pub struct Stub {
    pub frame: &'static Frame,
    pub frame_end: u64,
    pub cr3: u64,
}

#[derive(Clone, Copy)]
enum Phase {
    Idle,
    /// The upper parts of the old owner are being saved; the thread comes next.
    Saving(ThreadRef),
    /// The upper parts of the thread are being restored; whether that was tried before.
    Restoring(ThreadRef, bool),
    /// The upper parts of the thread, which moves to another CPU, are being saved; nobody's if it has died meanwhile.
    Evicting(Option<ThreadRef>),
}

/// Whose state the registers hold.
#[repr(C, align(16))]
pub struct Owner {
    _align: Cell<u64>,
    /// Like a thread's frame, for the stub; it ends at a multiple of 16.
    frame: Frame,
    owner: Cell<Option<ThreadRef>>,
    phase: Cell<Phase>,
    /// Whether the phase is another than `Idle`.
    in_stub: Cell<bool>,
    /// The owner moves to another CPU: its upper parts have to be saved before anything else runs.
    evict: Cell<bool>,
}

/// Offsets for the fast path.
pub const OWNER: usize = core::mem::offset_of!(Owner, owner);
pub const IN_STUB: usize = core::mem::offset_of!(Owner, in_stub);
/// Offset of the end of the stub's frame.
const STUB_FRAME_END: u64 = 8 + size_of::<Frame>() as u64;

impl Owner {
    pub const fn none() -> Self {
        Self {
            _align: Cell::new(0),
            frame: Frame::new(),
            owner: Cell::new(None),
            phase: Cell::new(Phase::Idle),
            in_stub: Cell::new(false),
            evict: Cell::new(false),
        }
    }

    #[inline]
    pub fn is(&self, t: &Thread) -> bool {
        self.owner.get().is_some_and(|o| core::ptr::eq(o, t))
    }

    /// Whether the stub is what was left for last.
    #[inline]
    pub fn in_stub(&self) -> bool {
        self.in_stub.get()
    }

    fn set_phase(&self, phase: Phase) {
        self.phase.set(phase);
        self.in_stub.set(!matches!(phase, Phase::Idle));
    }

    /// Give the registers to `t`, which is not their owner.
    pub fn switch(&'static self, t: ThreadRef) -> Step {
        let old = self.owner.take();
        if let Some(old) = old {
            save(old);
        }
        if xstate::needs() != Needs::UserPage {
            load(t);
            self.owner.set(Some(t));
            return Step::Done;
        }
        match old {
            Some(old) => {
                self.set_phase(Phase::Saving(t));
                Step::Stub(self.stub(old, layout::VECTOR_SAVE))
            }
            None => self.restore(t, false),
        }
    }

    fn restore(&'static self, t: ThreadRef, again: bool) -> Step {
        self.set_phase(Phase::Restoring(t, again));
        Step::Stub(self.stub(t, layout::VECTOR_RESTORE))
    }

    /// `t` moves to another CPU. False if its state is in memory and can be loaded there; else it must not run before [`Self::evicted`]
    /// has returned it. This CPU has to be made to choose what to run.
    pub fn evict(&self, t: ThreadRef) -> bool {
        if !self.is(t) {
            return false;
        }
        if xstate::needs() == Needs::UserPage {
            self.evict.set(true);
            return true;
        }
        self.owner.set(None);
        false
    }

    /// What to leave the kernel with before anything else runs, if somebody has to go.
    pub fn begin_eviction(&'static self) -> Option<Stub> {
        if !self.evict.take() {
            return None;
        }
        let owner = self.owner.take()?;
        save(owner);
        self.set_phase(Phase::Evicting(Some(owner)));
        Some(self.stub(owner, layout::VECTOR_SAVE))
    }

    /// Whether the stub that has come back was an eviction, and whose.
    pub fn evicted(&self) -> Option<Option<ThreadRef>> {
        let Phase::Evicting(t) = self.phase.get() else { return None };
        self.set_phase(Phase::Idle);
        Some(t)
    }

    /// Have the stub at `offset` of the gate page run in the space of `t`.
    fn stub(&'static self, t: ThreadRef, offset: u64) -> Stub {
        self.frame.rip.set(layout::GATE + offset);
        self.frame.rbx.set(layout::vector_area(t.id.get().lthread()));
        self.frame.rax.set(xstate::VECTORS);
        self.frame.rdx.set(0);
        self.frame.cs.set(USER_CS);
        self.frame.ss.set(USER_SS);
        self.frame.rsp.set(0);
        // Interrupts stay off: the registers are nobody's for the moment.
        self.frame.rflags.set(2);
        let frame_end = self as *const Self as u64 + STUB_FRAME_END;
        Stub { frame: &self.frame, frame_end, cr3: t.cr3.get() }
    }

    /// The stub has ended: with its breakpoint, or with an exception.
    pub fn stub_done(&'static self, well: bool) -> Step {
        match self.phase.get() {
            Phase::Saving(t) => self.restore(t, false),
            Phase::Restoring(t, false) if !well => {
                // The program has scribbled on its area. It gets the initial state.
                clear_vectors(t);
                self.restore(t, true)
            }
            Phase::Restoring(t, _) => {
                self.set_phase(Phase::Idle);
                load(t);
                self.owner.set(Some(t));
                Step::Done
            }
            Phase::Idle | Phase::Evicting(_) => Step::Done,
        }
    }

    /// What the stub was for is not to happen any more: nobody's state is in the registers.
    pub fn abandon(&self) {
        self.set_phase(Phase::Idle);
    }

    /// Bring the copy in memory of the owner's state up to date.
    pub fn sync_owner(&self) {
        if let Some(owner) = self.owner.get() {
            save(owner);
        }
    }

    /// The copy in memory of the owner's state has been changed after it was brought up to date: the registers follow. What no
    /// instruction of the kernel can save lies in them alone, and stays there.
    pub fn reload_owner(&self) {
        if let Some(owner) = self.owner.get() {
            load(owner);
        }
    }

    /// Bring the copy of `t`'s state in memory up to date.
    pub fn sync(&self, t: ThreadRef) {
        if self.is(t) {
            save(t);
        }
    }

    /// `t` has been reset, or dies: the registers do not count any more.
    pub fn forget(&self, t: &Thread) {
        if self.is(t) {
            self.owner.set(None);
        }
        if let Phase::Evicting(Some(e)) = self.phase.get()
            && core::ptr::eq(e, t)
        {
            self.set_phase(Phase::Evicting(None));
        }
    }
}

/// Back to the state of a new thread.
pub fn reset(t: &Thread) {
    xstate::reset(t);
    set_bases(t, 0, 0);
    clear_vectors(t);
}

/// All upper parts of `t`'s registers become zero.
fn clear_vectors(t: &Thread) {
    let area = t.vector_frame.get();
    if area != 0 && xstate::needs() == Needs::UserPage {
        Physmap.fill(PhysAddr(area + AREA_HEADER), 8, 0);
    }
}

fn save(t: &Thread) {
    xstate::save(t);
    t.fs_base.set(rdmsr(MSR_FS_BASE));
    // In the kernel the user's GS base is in the other MSR.
    t.gs_base.set(rdmsr(MSR_KERNEL_GS_BASE));
}

fn load(t: &Thread) {
    xstate::load(t);
    // SAFETY: FS and user GS base are not used by the kernel, and `set_bases` keeps them canonical.
    unsafe {
        wrmsr(MSR_FS_BASE, t.fs_base.get());
        wrmsr(MSR_KERNEL_GS_BASE, t.gs_base.get());
    }
}

/// Set FS and GS base of `t`. False if one is not canonical.
pub fn set_bases(t: &Thread, fs: u64, gs: u64) -> bool {
    let canonical = |a: u64| ((a as i64) << 16) >> 16 == a as i64;
    if !canonical(fs) || !canonical(gs) {
        return false;
    }
    t.fs_base.set(fs);
    t.gs_base.set(gs);
    true
}
