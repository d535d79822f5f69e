//! Bytes from and to memory that another task may write to meanwhile.
//!
//! The compiler does not look into the instruction, so that a concurrent writer can only make bytes come out mixed. By words of eight bytes: what processors without
//! fast short copies, and the lab, count is iterations.

use core::arch::asm;

const WORD: usize = 8;

/// # Safety
///
/// `from` is readable and `to` writable for `len` bytes, and they do not overlap.
pub unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: words and then the rest are `len` bytes together, for which the caller promises; the direction flag is clear by the ABI.
    unsafe {
        asm!(
            "rep movsq",
            "mov rcx, {rest}",
            "rep movsb",
            rest = in(reg) len % WORD,
            inout("rdi") to => _,
            inout("rsi") from => _,
            inout("rcx") len / WORD => _,
            options(nostack, preserves_flags)
        );
    }
}
