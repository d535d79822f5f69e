//! XCR0: which vector registers a vCPU has enabled when it starts.
//!
//! On a processor none are, and a guest sets XCR0 before it uses them. But QEMU's TCG does not intercept XSETBV for SVM, so in the lab
//! KVM does not hear of it, and takes the registers away with the next entry into the guest. It does not have to hear of what is so
//! already: a vCPU starts with all that a guest could enable. A guest that does not set CR4.OSXSAVE does not notice.

use crate::kvm::{KvmError, failed};
use kvm_bindings::{CpuId, kvm_xcr, kvm_xcrs};
use kvm_ioctls::{Cap, Kvm, VcpuFd};

const LEAF_1_ECX_XSAVE: u32 = 1 << 26;
/// CPUID leaf whose eax says what XCR0 may hold.
const LEAF_XSTATE: u32 = 0xd;
/// Components (SDM vol. 1, 13.3). AVX-512 is there only whole and with AVX.
const X87_SSE: u64 = 3;
const AVX: u64 = 1 << 2;
const AVX512: u64 = 7 << 5;

/// Enables what `vcpu` has of x87, SSE, AVX and AVX-512. Its CPUID has been set, to `cpuid`.
pub fn preset(kvm: &Kvm, vcpu: &VcpuFd, cpuid: &CpuId) -> Result<(), KvmError> {
    let Some(components) = components(cpuid).filter(|_| kvm.check_extension(Cap::Xcrs)) else {
        return Ok(());
    };
    let mut registers = kvm_xcrs { nr_xcrs: 1, ..Default::default() };
    registers.xcrs[0] = kvm_xcr { xcr: 0, value: components, ..Default::default() };
    vcpu.set_xcrs(&registers).map_err(failed("KVM_SET_XCRS"))
}

/// The components that a vCPU with this CPUID can have. `None` without XSAVE.
fn components(cpuid: &CpuId) -> Option<u64> {
    let leaf = |function| cpuid.as_slice().iter().find(|e| e.function == function && e.index == 0);
    leaf(1).filter(|e| e.ecx & LEAF_1_ECX_XSAVE != 0)?;
    let there = u64::from(leaf(LEAF_XSTATE)?.eax);
    let avx512 = if there & (AVX | AVX512) == AVX | AVX512 { AVX512 } else { 0 };
    Some(there & (X87_SSE | AVX) | avx512)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvm_bindings::kvm_cpuid_entry2;

    fn cpuid(leaf_1_ecx: u32, xstate: u32) -> CpuId {
        let one = kvm_cpuid_entry2 { function: 1, ecx: leaf_1_ecx, ..Default::default() };
        let size = kvm_cpuid_entry2 { function: LEAF_XSTATE, index: 1, eax: 0xf, ..Default::default() };
        let state = kvm_cpuid_entry2 { function: LEAF_XSTATE, eax: xstate, ..Default::default() };
        CpuId::from_entries(&[one, size, state]).unwrap()
    }

    #[test]
    fn what_programs_may_have() {
        assert_eq!(components(&cpuid(LEAF_1_ECX_XSAVE, 7)), Some(7));
        assert_eq!(components(&cpuid(LEAF_1_ECX_XSAVE, 3)), Some(3));
        // With PKRU and AMX, which are left out.
        assert_eq!(components(&cpuid(LEAF_1_ECX_XSAVE, 0x6_02e7)), Some(0xe7));
        // Half an AVX-512 is none.
        assert_eq!(components(&cpuid(LEAF_1_ECX_XSAVE, 0x67)), Some(7));
    }

    #[test]
    fn without_xsave() {
        assert_eq!(components(&cpuid(0, 7)), None);
        assert_eq!(components(&CpuId::new(0).unwrap()), None);
    }
}
