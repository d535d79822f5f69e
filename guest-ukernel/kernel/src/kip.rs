//! The two pages that every task sees: the gate and the kernel interface page.

use ukernel_abi::kip::{FLAG_SYSCALL_FAULTS, Kip, MAGIC, VERSION};

use crate::arch::features;

unsafe extern "C" {
    static mut gate_page: [u8; 4096];
    static mut kip_page: Kip;
}

/// Have `write` fill the kernel interface page in place (it is too large for the stack). Called once, before any user code runs.
pub fn publish(write: impl FnOnce(&mut Kip)) {
    // SAFETY: the page is the kernel's to write, all zeroes are a valid `Kip`, nobody has a reference to it, and user code,
    // which only reads it, does not run yet.
    let kip = unsafe { &mut *core::ptr::addr_of_mut!(kip_page) };
    kip.magic = MAGIC;
    kip.version = VERSION;
    write(kip);
}

/// `int3; ret; ret`: a thread that entered by `syscall` returns to offset 2, one that entered by `int3` to offset 1.
const INT3_GATE: [u8; 3] = [0xcc, 0xc3, 0xc3];

/// SYSCALL has turned out not to change the privilege level: if that is so, and not a program's jump, breakpoints are the cheaper way in.
/// It happens with the first system call of all, σ0's, and is noted in the kernel interface page.
#[cold]
pub fn use_int3_gate() {
    if !features::kernel_mode_is_emulated() {
        return;
    }
    // SAFETY: both pages are the kernel's to write. No thread is between the changed bytes: the only one that has
    // used the gate is the current one, and it returns to offset 2, which stays what it is.
    unsafe {
        (&raw mut gate_page).cast::<[u8; 3]>().write_volatile(INT3_GATE);
        let flags = &raw mut kip_page.flags;
        flags.write_volatile(flags.read_volatile() | FLAG_SYSCALL_FAULTS);
    }
}
