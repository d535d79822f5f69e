//! The parts of user address space that the kernel gives a meaning.
//!
//! ```text
//! 0x0000_0000_0000_0000 – 0x0000_7eff_ffff_ffff   the task's own
//! 0x0000_7f00_0000_0000 + n · 4 KiB               UTCB of lthread n, if it has one
//! 0x0000_7f01_0000_0000 + n · 4 KiB               vector state of lthread n, on machines that need it there
//! 0x0000_7f80_0000_0000 – 0x0000_7fff_ffff_ffff   the kernel's, the same in every task:
//!     0x0000_7fff_0000_0000                           gate page
//!     0x0000_7fff_0000_1000                           kernel interface page
//! ```

pub const PAGE: u64 = 4096;
pub const SUPERPAGE: u64 = 2 << 20;

/// End of the memory that a task may map things into.
pub const USER_END: u64 = 0x7f00_0000_0000;
/// UTCB of lthread 0.
pub const UTCB_BASE: u64 = 0x7f00_0000_0000;
/// System calls are made by `call`ing this address. It holds `syscall; ret` or `int3; ret`, chosen at boot by
/// what works on the machine.
pub const GATE: u64 = 0x7fff_0000_0000;
/// The kernel interface page.
pub const KIP: u64 = 0x7fff_0000_1000;

/// Address of the UTCB of lthread `n`.
pub const fn utcb(lthread: u16) -> u64 {
    UTCB_BASE + lthread as u64 * PAGE
}

/// Address of the page in which the kernel keeps the upper parts of the vector registers of lthread `n`, on machines where only
/// user mode can save them. The thread may write to it, to nobody's harm but its own.
pub const fn vector_area(lthread: u16) -> u64 {
    UTCB_BASE + (1 << 32) + lthread as u64 * PAGE
}
/// Offset in the gate page of a breakpoint at which a thread goes on copying strings. It is of no use to programs.
pub const CONTINUE: u64 = 0x20;
/// Offsets in the gate page of the code that saves and restores these registers. It is of no use to programs.
pub const VECTOR_SAVE: u64 = 0x40;
pub const VECTOR_RESTORE: u64 = 0x60;
