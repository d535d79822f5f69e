//! Features of the processor that the kernel uses only where kernel mode is the processor's own.
//!
//! An emulated kernel mode (see [`super`]) has neither XSAVE nor PCID, but its CPUID says so all the same. So nothing of the kind is
//! done before the first system call of all, σ0's, has shown what sort of machine this is: SYSCALL that arrives at LSTAR in
//! kernel mode has been executed by a processor. Only σ0 and root exist then, and they have no FPU state.

use core::sync::atomic::{AtomicU8, Ordering};

use super::{entry, insn, xstate};
use crate::kernel::kernel;

const UNKNOWN: u8 = 0;
const NATIVE: u8 = 1;
const EMULATED: u8 = 2;

static KERNEL_MODE: AtomicU8 = AtomicU8::new(UNKNOWN);

fn is_known() -> bool {
    KERNEL_MODE.load(Ordering::Relaxed) != UNKNOWN
}

/// SYSCALL has led to kernel mode, for the first time: [`crate::smp`] sees that all CPUs hear of it.
pub fn kernel_mode_is_native() {
    if !is_known() {
        KERNEL_MODE.store(NATIVE, Ordering::Relaxed);
        xstate::choose_for_native();
        kernel().tags.choose();
    }
    enable();
}

/// SYSCALL has arrived as a page fault. Returns whether that is news. A program can jump to LSTAR anywhere and at any time:
/// what the first system call has shown stays.
pub fn kernel_mode_is_emulated() -> bool {
    if is_known() {
        return false;
    }
    KERNEL_MODE.store(EMULATED, Ordering::Relaxed);
    xstate::choose_for_emulated();
    true
}

/// Enable what was chosen on this CPU, and have SYSCALL take the fast path. CPUs that wait when the choice is made are told; one that starts later calls this.
pub fn enable() {
    if KERNEL_MODE.load(Ordering::Relaxed) == NATIVE {
        xstate::enable();
        kernel().tags.enable();
        // SAFETY: the entry is the kernel's, and made for SYSCALL.
        unsafe { insn::wrmsr(insn::MSR_LSTAR, entry::fast_syscall_address()) };
    }
}
