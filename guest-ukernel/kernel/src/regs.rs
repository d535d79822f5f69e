//! A thread's registers as its chief sees and sets them.

use core::cell::Cell;
use core::mem::offset_of;

use ukernel_abi::utcb::{FIXED_FLAGS, Regs, USER_FLAGS};
use ukernel_core::thread::{Frame, Thread};

use crate::arch::segments::{USER_CS, USER_SS};

/// End of the addresses that user code may have: above it an instruction pointer is not canonical.
const USER_LIMIT: u64 = 1 << 47;

/// A thread's frame as the structure that programs know.
fn cell(t: &Thread) -> &Cell<Regs> {
    // SAFETY: `Frame` is the registers of `Regs` as cells, in the same order (both are `repr(C)`; size and order are asserted here and beside `Frame`),
    // and a `Cell` of them all may be had where each of them is one: nothing refers to what is in them.
    unsafe { &*(&raw const t.frame).cast() }
}

const _: () = assert!(size_of::<Frame>() == size_of::<Regs>() && align_of::<Frame>() == align_of::<Regs>());
const _: () = assert!(
    offset_of!(Frame, r15) == offset_of!(Regs, r15) && offset_of!(Frame, rax) == offset_of!(Regs, rax)
);
const _: () = assert!(
    offset_of!(Frame, rdi) == offset_of!(Regs, rdi) && offset_of!(Frame, entry) == offset_of!(Regs, entry)
);
const _: () =
    assert!(offset_of!(Frame, rip) == offset_of!(Regs, rip) && offset_of!(Frame, ss) == offset_of!(Regs, ss));

/// The registers with which `t` will go on in user mode.
#[inline(never)]
pub fn get(t: &Thread) -> Regs {
    t.complete_foreign();
    let mut regs = cell(t).get();
    regs.rip = t.rip().get();
    regs
}

/// Whether user code may be at `rip`.
pub fn rip_is_valid(rip: u64) -> bool {
    rip < USER_LIMIT
}

/// Let `t` go on with `r`, whose `rip` is valid. Selectors are always the user's, flags those that user mode may have.
#[inline(never)]
pub fn set(t: &Thread, r: &Regs) {
    cell(t).set(*r);
    let f = &t.frame;
    f.entry.set(0);
    f.cs.set(USER_CS);
    f.rflags.set(user_flags(r.rflags));
    f.ss.set(USER_SS);
}

/// `flags` as user mode may have them.
pub fn user_flags(flags: u64) -> u64 {
    flags & USER_FLAGS | FIXED_FLAGS
}
