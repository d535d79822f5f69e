//! A thread's registers as its chief sees and sets them.

use ukernel_abi::utcb::{FIXED_FLAGS, Regs, USER_FLAGS};
use ukernel_core::thread::Thread;

use crate::arch::segments::{USER_CS, USER_SS};

/// End of the addresses that user code may have: above it an instruction pointer is not canonical.
const USER_LIMIT: u64 = 1 << 47;

/// The registers with which `t` will go on in user mode.
pub fn get(t: &Thread) -> Regs {
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

/// Whether user code may be at `rip`.
pub fn rip_is_valid(rip: u64) -> bool {
    rip < USER_LIMIT
}

/// Let `t` go on with `r`, whose `rip` is valid. Selectors are always the user's, flags those that user mode may have.
pub fn set(t: &Thread, r: &Regs) {
    let f = &t.frame;
    f.r15.set(r.r15);
    f.r14.set(r.r14);
    f.r13.set(r.r13);
    f.r12.set(r.r12);
    f.rbp.set(r.rbp);
    f.rbx.set(r.rbx);
    f.r11.set(r.r11);
    f.r10.set(r.r10);
    f.r9.set(r.r9);
    f.r8.set(r.r8);
    f.rax.set(r.rax);
    f.rcx.set(r.rcx);
    f.rdx.set(r.rdx);
    f.rsi.set(r.rsi);
    f.rdi.set(r.rdi);
    f.entry.set(0);
    f.rip.set(r.rip);
    f.cs.set(USER_CS);
    f.rflags.set(user_flags(r.rflags));
    f.rsp.set(r.rsp);
    f.ss.set(USER_SS);
}

/// `flags` as user mode may have them.
pub fn user_flags(flags: u64) -> u64 {
    flags & USER_FLAGS | FIXED_FLAGS
}
