//! Words of physical memory, through the map of all of it.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::arch::layout::phys_to_virt;
use ukernel_core::mem::{Machine, PhysAddr, VirtAddr};

/// Physical memory. Words are accessed atomically, as the processor does when it walks tables and sets accessed and dirty bits;
/// on x86-64 that is a plain MOV.
pub struct Physmap;

impl Physmap {
    #[inline(always)]
    fn word(at: PhysAddr) -> &'static AtomicU64 {
        debug_assert!(at.0.is_multiple_of(8));
        // SAFETY: `Machine` is called by the core alone, and only with aligned addresses of words in frames of the kernel's pool or of
        // boot-time tables (contract of the trait). The physmap maps them writable for ever; frames given out
        // for other use are not touched by the core until they come back; all other accesses to tables are the processor's, and atomic.
        unsafe { AtomicU64::from_ptr(phys_to_virt(at.0) as *mut u64) }
    }
}

impl Machine for Physmap {
    #[inline(always)]
    fn load(&self, at: PhysAddr) -> u64 {
        Self::word(at).load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn store(&self, at: PhysAddr, value: u64) {
        Self::word(at).store(value, Ordering::Relaxed);
    }

    fn set_bits(&self, at: PhysAddr, bits: u64) {
        Self::word(at).fetch_or(bits, Ordering::Relaxed);
    }

    fn fill(&self, at: PhysAddr, words: u64, value: u64) {
        // REP STOSQ: one instruction, even where each is emulated.
        // SAFETY: the words are the core's to write, as in `word`; the direction flag is clear in kernel mode.
        unsafe {
            core::arch::asm!(
                "rep stosq",
                inout("rdi") phys_to_virt(at.0) => _,
                inout("rcx") words => _,
                in("rax") value,
                options(nostack, preserves_flags),
            );
        }
    }

    #[inline(always)]
    fn flush(&self, cr3: PhysAddr, va: VirtAddr) {
        super::tlb::flush(cr3, va);
    }
}

/// Copies `len` bytes of physical memory.
///
/// # Safety
///
/// Both ranges are RAM of programs', and each lies in one page. They may overlap: then the result is some of the bytes.
pub unsafe fn copy(to: PhysAddr, from: PhysAddr, len: u64) {
    // REP MOVSQ, then the bytes that are left: where kernel mode is emulated, REP MOVSB would be taken byte by byte.
    // SAFETY: the physmap maps RAM; by the caller's promise nothing of the kernel's is there, and nothing of Rust's refers to it.
    // The direction flag is clear in kernel mode.
    unsafe {
        core::arch::asm!(
            "rep movsq",
            "mov ecx, eax",
            "and ecx, 7",
            "jz 3f",
            "2: movsb",
            "dec ecx",
            "jnz 2b",
            "3:",
            inout("rdi") phys_to_virt(to.0) => _,
            inout("rsi") phys_to_virt(from.0) => _,
            inout("rcx") len / 8 => _,
            in("rax") len,
            options(nostack),
        );
    }
}
