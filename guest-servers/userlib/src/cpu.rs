//! What the processor says about itself, and its random numbers.

use core::arch::asm;
use core::arch::x86_64::__cpuid;

/// CPUID.1:ECX (SDM vol. 2, CPUID).
const RDRAND: u32 = 1 << 30;

/// EDX of CPUID leaf 1: what Linux passes to programs as `AT_HWCAP`.
pub fn features() -> u32 {
    __cpuid(1).edx
}

/// The brand string: 48 bytes, padded with NULs; all NULs if there is none.
pub fn brand() -> [u8; 48] {
    let mut text = [0; 48];
    if __cpuid(0x8000_0000).eax < 0x8000_0004 {
        return text;
    }
    for (leaf, part) in (0x8000_0002..).zip(text.chunks_exact_mut(16)) {
        let r = __cpuid(leaf);
        for (word, value) in part.chunks_exact_mut(4).zip([r.eax, r.ebx, r.ecx, r.edx]) {
            word.copy_from_slice(&value.to_le_bytes());
        }
    }
    text
}

/// A number from the processor's generator; `None` if it has none, or none ready.
pub fn random() -> Option<u64> {
    if __cpuid(1).ecx & RDRAND == 0 {
        return None;
    }
    let (mut value, mut ready): (u64, u8);
    for _ in 0..10 {
        // SAFETY: the processor has the instruction; it writes a register and the carry flag.
        unsafe { asm!("rdrand {}", "setc {}", out(reg) value, out(reg_byte) ready, options(nomem, nostack)) };
        if ready != 0 {
            return Some(value);
        }
    }
    None
}
