//! Which vector registers programs may use here.

use core::arch::asm;
use core::arch::x86_64::__cpuid_count;

/// The vector registers that programs may use here.
pub enum Vectors {
    Sse,
    Avx,
    Avx512,
}

impl Vectors {
    pub fn find() -> Self {
        const OSXSAVE: u32 = 1 << 27;
        const AVX: u32 = 1 << 28;
        /// AVX512F and AVX512DQ.
        const AVX512: u32 = 1 << 16 | 1 << 17;
        let [one, seven] = [1, 7].map(|leaf| __cpuid_count(leaf, 0));
        if one.ecx & (OSXSAVE | AVX) != OSXSAVE | AVX {
            return Self::Sse;
        }
        let enabled: u32;
        // SAFETY: XGETBV reads a register, and is there when CPUID shows OSXSAVE.
        unsafe { asm!("xgetbv", in("ecx") 0, out("eax") enabled, out("edx") _, options(nomem, nostack)) };
        match enabled & 0xe6 {
            0xe6 if seven.ebx & AVX512 == AVX512 => Self::Avx512,
            bits if bits & 6 == 6 => Self::Avx,
            _ => Self::Sse,
        }
    }
}
