//! Features of the processor that the kernel uses only where kernel mode is the processor's own.
//!
//! An emulated kernel mode (see [`super`]) has neither XSAVE nor PCID, but its CPUID says so all the same. So nothing of the kind is
//! done before the first system call of all, σ0's, has shown what sort of machine this is: SYSCALL that arrives at LSTAR in
//! kernel mode has been executed by a processor. Only σ0 and root exist then, and they have no FPU state.

use core::sync::atomic::{AtomicU8, Ordering};

use super::xstate;
use crate::kernel::kernel;

const UNKNOWN: u8 = 0;
const NATIVE: u8 = 1;
const EMULATED: u8 = 2;

static KERNEL_MODE: AtomicU8 = AtomicU8::new(UNKNOWN);

pub fn is_known() -> bool {
    KERNEL_MODE.load(Ordering::Relaxed) != UNKNOWN
}

/// SYSCALL has led to kernel mode. To be called with the first one, on the CPU that it came on.
pub fn kernel_mode_is_native() {
    if is_known() {
        return;
    }
    KERNEL_MODE.store(NATIVE, Ordering::Relaxed);
    xstate::choose_for_native();
    kernel().tags.choose();
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

/// Enable what was chosen on this CPU. CPUs that wait when the choice is made are told; one that starts later calls this.
pub fn enable() {
    if KERNEL_MODE.load(Ordering::Relaxed) == NATIVE {
        xstate::enable();
        kernel().tags.enable();
    }
}
