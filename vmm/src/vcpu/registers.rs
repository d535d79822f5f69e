//! All registers of a vCPU that does not run, as debuggers show them.

use crate::debug::registers::{Registers, Vector, segment};
use crate::debug::xsave::XSAVE;
use kvm_bindings::{Msrs, kvm_msr_entry};
use kvm_ioctls::{Error, VcpuFd};

const MSR_KERNEL_GS_BASE: u32 = 0xc000_0102;
const XCR0_AVX: u64 = 1 << 2;

/// Reads them. For the vCPU's own thread: KVM has others wait until it leaves the guest.
pub fn read(vcpu: &VcpuFd) -> Result<Registers, Error> {
    let (r, s) = (vcpu.get_regs()?, vcpu.get_sregs()?);
    let mut segments = [0; 6];
    for (index, segment) in [
        (segment::CS, s.cs),
        (segment::SS, s.ss),
        (segment::DS, s.ds),
        (segment::ES, s.es),
        (segment::FS, s.fs),
        (segment::GS, s.gs),
    ] {
        segments[index] = segment.selector;
    }
    Ok(Registers {
        general: [
            r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13,
            r.r14, r.r15,
        ],
        rip: r.rip,
        rflags: r.rflags,
        segments,
        fs_base: s.fs.base,
        gs_base: s.gs.base,
        kernel_gs_base: kernel_gs_base(vcpu)?,
        cr0: s.cr0,
        cr2: s.cr2,
        cr3: s.cr3,
        cr4: s.cr4,
        cr8: s.cr8,
        efer: s.efer,
        vector: vector(vcpu)?,
    })
}

fn kernel_gs_base(vcpu: &VcpuFd) -> Result<u64, Error> {
    let entry = kvm_msr_entry { index: MSR_KERNEL_GS_BASE, ..Default::default() };
    let mut msrs = Msrs::from_entries(&[entry]).map_err(|_| Error::new(libc::E2BIG))?;
    match vcpu.get_msrs(&mut msrs)? {
        1 => Ok(msrs.as_slice()[0].data),
        _ => Err(Error::new(libc::ENXIO)),
    }
}

/// AVX is there if the vCPU has it enabled; `xcr0::preset` sees to that where the CPU has it.
fn vector(vcpu: &VcpuFd) -> Result<Vector, Error> {
    let mut area = [0; XSAVE];
    for (to, word) in area.chunks_exact_mut(4).zip(vcpu.get_xsave()?.region) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    // A CPU without XSAVE has no XCR0 either.
    let avx = vcpu.get_xcrs().is_ok_and(|xcrs| xcrs.nr_xcrs > 0 && xcrs.xcrs[0].value & XCR0_AVX != 0);
    Ok(Vector::from_xsave(&area, avx))
}
