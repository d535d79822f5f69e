//! A vCPU in a note of our own, since Linux's notes know neither control registers nor a time stamp counter.
//!
//! Words of 64 bits, little-endian: index; flags; TSC; rax and so on in the order of [`Registers::general`], rip, rflags; selectors of cs, ss, ds,
//! es, fs, gs; bases of fs and gs, IA32_KERNEL_GS_BASE; cr0, cr2, cr3, cr4, cr8, EFER. Then an XSAVE area.

use crate::debug::registers::{Registers, Vector};
use crate::debug::xsave::XSAVE;

/// Whether the registers are known, the TSC is, and the CPU has AVX.
const REGISTERS: u64 = 1;
const TSC: u64 = 1 << 1;
const AVX: u64 = 1 << 2;

const WORDS: usize = 3 + 16 + 2 + 6 + 3 + 6;
const SIZE: usize = 8 * WORDS + XSAVE;

/// What is known of a vCPU.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Vcpu {
    /// `None` if it was never started, or KVM did not tell.
    pub registers: Option<Registers>,
    pub tsc: Option<u64>,
}

impl Vcpu {
    pub fn to_bytes(&self, index: usize) -> Vec<u8> {
        let nothing = Registers::default();
        let r = self.registers.as_ref().unwrap_or(&nothing);
        let flag = |is: bool, flag: u64| if is { flag } else { 0 };
        let flags = flag(self.registers.is_some(), REGISTERS)
            | flag(self.tsc.is_some(), TSC)
            | flag(r.vector.ymm_high.is_some(), AVX);
        let mut words = vec![index as u64, flags, self.tsc.unwrap_or(0)];
        words.extend(r.general);
        words.extend([r.rip, r.rflags]);
        words.extend(r.segments.map(u64::from));
        words.extend([r.fs_base, r.gs_base, r.kernel_gs_base, r.cr0, r.cr2, r.cr3, r.cr4, r.cr8, r.efer]);
        let mut bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
        bytes.extend(r.vector.to_xsave());
        bytes
    }

    /// Index and vCPU. `None` if `bytes` are not of one.
    pub fn from_bytes(bytes: &[u8]) -> Option<(usize, Self)> {
        let bytes: &[u8; SIZE] = bytes.try_into().ok()?;
        let (words, area) = bytes.split_at(8 * WORDS);
        let mut words = words.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
        let mut next = || words.next().unwrap_or(0);
        let (index, flags, tsc) = (next(), next(), next());
        let registers = Registers {
            general: std::array::from_fn(|_| next()),
            rip: next(),
            rflags: next(),
            segments: std::array::from_fn(|_| next() as u16),
            fs_base: next(),
            gs_base: next(),
            kernel_gs_base: next(),
            cr0: next(),
            cr2: next(),
            cr3: next(),
            cr4: next(),
            cr8: next(),
            efer: next(),
            vector: Vector::from_xsave(area.try_into().ok()?, flags & AVX != 0),
        };
        let this = Self {
            registers: (flags & REGISTERS != 0).then_some(registers),
            tsc: (flags & TSC != 0).then_some(tsc),
        };
        Some((usize::try_from(index).ok()?, this))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut registers = Registers {
            general: std::array::from_fn(|i| i as u64 * 3),
            rip: 0xffff_ffff_8010_0000,
            rflags: 0x202,
            segments: [0x33, 0x2b, 1, 2, 3, 4],
            fs_base: 5,
            gs_base: 6,
            kernel_gs_base: 7,
            cr0: 8,
            cr2: 9,
            cr3: 10,
            cr4: 11,
            cr8: 12,
            efer: 13,
            vector: Vector { xmm: [14; 16], ymm_high: Some([15; 16]), ..Default::default() },
        };
        // All empty is what no tags say.
        registers.vector.ftag = 0xffff;
        let vcpu = Vcpu { registers: Some(registers), tsc: Some(u64::MAX) };
        assert_eq!(Vcpu::from_bytes(&vcpu.to_bytes(3)), Some((3, vcpu)));
        let unknown = Vcpu::default();
        assert_eq!(Vcpu::from_bytes(&unknown.to_bytes(63)), Some((63, unknown)));
    }

    #[test]
    fn other_bytes_are_no_vcpu() {
        assert_eq!(Vcpu::from_bytes(&[]), None);
        assert_eq!(Vcpu::from_bytes(&[0; SIZE + 1]), None);
    }
}
