//! FPU, FS and GS state: what programs have and servers have not.
//!
//! Servers are built soft-float and use no thread-local segments, so this state changes hands only when a thread that owns some runs after
//! another one that does, not with every switch. CR0.TS is never used: not every KVM honours it.

use core::arch::asm;
use core::cell::Cell;

use ukernel_abi::utcb::FpuState;
use ukernel_core::thread::{FpuArea, Thread, ThreadRef};

use super::insn::*;

/// Whose state the registers hold.
#[derive(Default)]
pub struct Owner(Cell<Option<ThreadRef>>);

impl Owner {
    pub const fn none() -> Self {
        Self(Cell::new(None))
    }

    fn is(&self, t: &Thread) -> bool {
        self.0.get().is_some_and(|o| core::ptr::eq(o, t))
    }

    /// Give the registers to `t`, which uses them.
    #[inline]
    pub fn switch(&self, t: ThreadRef) {
        if self.is(t) {
            return;
        }
        if let Some(old) = self.0.get() {
            save(old);
        }
        load(t);
        self.0.set(Some(t));
    }

    /// Bring the copy of `t`'s state in its TCB up to date.
    pub fn sync(&self, t: ThreadRef) {
        if self.is(t) {
            save(t);
        }
    }

    /// The copy in the TCB of `t` has been changed, or `t` dies: the registers do not count any more.
    pub fn forget(&self, t: &Thread) {
        if self.is(t) {
            self.0.set(None);
        }
    }
}

fn save(t: &Thread) {
    fxsave(&t.fpu);
    t.fs_base.set(rdmsr(MSR_FS_BASE));
    // In the kernel the user's GS base is in the other MSR.
    t.gs_base.set(rdmsr(MSR_KERNEL_GS_BASE));
}

fn load(t: &Thread) {
    // SAFETY: the area holds what FXSAVE wrote, `FpuState::INIT`, or a state that `sanitise` has made loadable. FS and
    // user GS base are not used by the kernel, and `set_bases` keeps them canonical.
    unsafe {
        asm!("fxrstor64 [{}]", in(reg) t.fpu.0.as_ptr(), options(nostack));
        wrmsr(MSR_FS_BASE, t.fs_base.get());
        wrmsr(MSR_KERNEL_GS_BASE, t.gs_base.get());
    }
}

fn fxsave(area: &FpuArea) {
    // SAFETY: the area is 512 bytes, 16-aligned, and a Cell: nobody holds a reference into it.
    unsafe { asm!("fxsave64 [{}]", in(reg) area.0.as_ptr(), options(nostack)) };
}

/// Set FS and GS base of `t`. False if one is not canonical.
pub fn set_bases(t: &Thread, fs: u64, gs: u64) -> bool {
    let canonical = |a: u64| (a as i64) << 16 >> 16 == a as i64;
    if !canonical(fs) || !canonical(gs) {
        return false;
    }
    t.fs_base.set(fs);
    t.gs_base.set(gs);
    true
}

/// Make a state from user memory one that FXRSTOR takes: no reserved bits in MXCSR (SDM vol. 1, 10.5.1.2).
pub fn sanitise(state: &mut FpuState) {
    let mxcsr = u32::from_le_bytes([state.0[24], state.0[25], state.0[26], state.0[27]]);
    // The default mask of the architecture: what every processor with FXSAVE has.
    let clean = mxcsr & 0xffbf;
    state.0[24..28].copy_from_slice(&clean.to_le_bytes());
}
