//! All registers of a vCPU that does not run, as debuggers show them.

use super::cpuid;
use crate::debug::registers::{Registers, Vector, general, segment};
use crate::debug::xsave::XSAVE;
use kvm_bindings::{
    KVM_MAX_CPUID_ENTRIES, KVM_MP_STATE_HALTED, KVM_MP_STATE_INIT_RECEIVED, KVM_MP_STATE_RUNNABLE,
    KVM_MP_STATE_SIPI_RECEIVED, KVM_MP_STATE_UNINITIALIZED, Msrs, kvm_mp_state, kvm_msr_entry, kvm_regs,
    kvm_segment, kvm_sregs,
};
use kvm_ioctls::{Error, VcpuFd};

const MSR_KERNEL_GS_BASE: u32 = 0xc000_0102;
const XCR0_AVX: u64 = 1 << 2;
const EFER_LMA: u64 = 1 << 10;
// Types of segments that are in use (SDM vol. 3, 3.4.5.1).
const TYPE_CODE: u8 = 0b1011;
const TYPE_DATA: u8 = 0b0011;
// Of the XSAVE state, in words of 32 bits (SDM vol. 1, 10.5.1 and 13.4).
const MXCSR: usize = 6;
const MXCSR_MASK: usize = 7;
const XSTATE_BV: usize = 128;
/// What MXCSR may have if its mask is 0.
const MXCSR_DEFAULT_MASK: u32 = 0xffbf;

/// Whether the vCPU has been started: it does not wait for INIT and SIPI.
pub fn is_started(vcpu: &VcpuFd) -> Result<bool, Error> {
    let waiting = [KVM_MP_STATE_UNINITIALIZED, KVM_MP_STATE_INIT_RECEIVED, KVM_MP_STATE_SIPI_RECEIVED];
    Ok(!waiting.contains(&vcpu.get_mp_state()?.mp_state))
}

/// Reads them. For the vCPU's own thread: KVM has others wait until it leaves the guest.
pub fn read(vcpu: &VcpuFd) -> Result<Registers, Error> {
    Ok(Registers { kernel_gs_base: kernel_gs_base(vcpu)?, vector: vector(vcpu)?, ..scan(vcpu)? })
}

/// The same without those that take further ioctls: vector registers and the kernel's GS base are left out.
pub fn scan(vcpu: &VcpuFd) -> Result<Registers, Error> {
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
        cr0: s.cr0,
        cr2: s.cr2,
        cr3: s.cr3,
        cr4: s.cr4,
        cr8: s.cr8,
        efer: s.efer,
        ..Registers::default()
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

/// Gives a vCPU that is not in the guest these registers; those that are as they were are not touched. One that sleeps (HLT) and gets another
/// instruction pointer is awake then.
pub fn write(vcpu: &VcpuFd, wanted: &Registers) -> Result<(), Error> {
    let mut sregs = vcpu.get_sregs()?;
    let before = sregs;
    set_system_registers(&mut sregs, wanted);
    if sregs != before {
        set_sregs(vcpu, sregs)?;
    }
    if kernel_gs_base(vcpu)? != wanted.kernel_gs_base {
        set_kernel_gs_base(vcpu, wanted.kernel_gs_base)?;
    }
    if vector(vcpu)? != wanted.vector {
        set_vector(vcpu, &wanted.vector)?;
    }
    let regs = vcpu.get_regs()?;
    let is_elsewhere = regs.rip != wanted.rip;
    if is_elsewhere && vcpu.get_mp_state()?.mp_state == KVM_MP_STATE_HALTED {
        vcpu.set_mp_state(kvm_mp_state { mp_state: KVM_MP_STATE_RUNNABLE })?;
    }
    vcpu.set_regs(&kvm_registers(wanted))
}

/// Sets what was read from a vCPU and changed. KVM on AMD's CPUs says of the task register's segment that it is busy, whatever it is
/// (`svm_get_segment` in Linux). Such a CPU takes either, but QEMU's, which emulates one, finds no I/O bitmap in a busy one; and VMX wants it busy.
pub fn set_sregs(vcpu: &VcpuFd, mut sregs: kvm_sregs) -> Result<(), Error> {
    const BUSY: u8 = 0b0010;
    if cpuid::is_of_amd(vcpu.get_cpuid2(KVM_MAX_CPUID_ENTRIES)?.as_slice()) {
        sregs.tr.type_ &= !BUSY;
    }
    vcpu.set_sregs(&sregs)
}

/// Makes CS and SS flat segments with these selectors: 64-bit code, and data, at the privilege level that CS asks for. (KVM takes
/// the CPU's from SS on every kind of CPU.)
pub fn set_flat_segments(sregs: &mut kvm_sregs, cs: u16, ss: u16) {
    let dpl = (cs & 3) as u8;
    let code = kvm_segment {
        selector: cs,
        limit: u32::MAX,
        type_: TYPE_CODE,
        dpl,
        present: 1,
        s: 1,
        l: 1,
        g: 1,
        ..Default::default()
    };
    sregs.cs = code;
    sregs.ss = kvm_segment { selector: ss, type_: TYPE_DATA, l: 0, db: 1, ..code };
}

/// In 64-bit mode, new selectors of code and stack make flat segments; otherwise only the selector changes, as if the descriptor were the
/// same.
fn set_system_registers(sregs: &mut kvm_sregs, wanted: &Registers) {
    let selectors = wanted.segments;
    let (cs, ss) = (selectors[segment::CS], selectors[segment::SS]);
    if (cs, ss) != (sregs.cs.selector, sregs.ss.selector) {
        if sregs.efer & EFER_LMA != 0 && sregs.cs.l != 0 {
            set_flat_segments(sregs, cs, ss);
        } else {
            (sregs.cs.selector, sregs.ss.selector) = (cs, ss);
        }
    }
    sregs.ds.selector = selectors[segment::DS];
    sregs.es.selector = selectors[segment::ES];
    sregs.fs.selector = selectors[segment::FS];
    sregs.gs.selector = selectors[segment::GS];
    (sregs.fs.base, sregs.gs.base) = (wanted.fs_base, wanted.gs_base);
    (sregs.cr0, sregs.cr2, sregs.cr3, sregs.cr4) = (wanted.cr0, wanted.cr2, wanted.cr3, wanted.cr4);
    (sregs.cr8, sregs.efer) = (wanted.cr8, wanted.efer);
}

fn kvm_registers(registers: &Registers) -> kvm_regs {
    let all = &registers.general;
    let high = |n: usize| all[general::R8 + n - 8];
    kvm_regs {
        rax: all[general::RAX],
        rbx: all[general::RBX],
        rcx: all[general::RCX],
        rdx: all[general::RDX],
        rsi: all[general::RSI],
        rdi: all[general::RDI],
        rbp: all[general::RBP],
        rsp: all[general::RSP],
        r8: high(8),
        r9: high(9),
        r10: high(10),
        r11: high(11),
        r12: high(12),
        r13: high(13),
        r14: high(14),
        r15: high(15),
        rip: registers.rip,
        rflags: registers.rflags,
    }
}

fn set_kernel_gs_base(vcpu: &VcpuFd, data: u64) -> Result<(), Error> {
    let entry = kvm_msr_entry { index: MSR_KERNEL_GS_BASE, data, ..Default::default() };
    let msrs = Msrs::from_entries(&[entry]).map_err(|_| Error::new(libc::E2BIG))?;
    // KVM takes none that is not canonical.
    if vcpu.set_msrs(&msrs)? == 1 { Ok(()) } else { Err(Error::new(libc::EINVAL)) }
}

/// Replaces what the vector has of the vCPU's XSAVE state, in which words are 32 bits.
fn set_vector(vcpu: &VcpuFd, vector: &Vector) -> Result<(), Error> {
    let mut state = vcpu.get_xsave()?;
    overlay(&mut state.region, &vector.to_xsave());
    // SAFETY: the state is as large as KVM gave it; a vCPU has no component that needs a larger one unless its process asks for that.
    unsafe { vcpu.set_xsave(&state) }
}

/// Writes `area` over the components of `state` that it has, and leaves the others.
fn overlay(state: &mut [u32], area: &[u8; XSAVE]) {
    let (components, mask) = (state[XSTATE_BV], state[MXCSR_MASK]);
    for (to, word) in state.iter_mut().zip(area.as_chunks::<4>().0) {
        *to = u32::from_le_bytes(*word);
    }
    state[XSTATE_BV] |= components;
    // KVM refuses bits that the CPU does not have.
    state[MXCSR] &= if mask == 0 { MXCSR_DEFAULT_MASK } else { mask };
    state[MXCSR_MASK] = mask;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn general_registers_come_back_in_their_places() {
        let mut registers = Registers { rip: 100, rflags: 200, ..Default::default() };
        for (register, value) in registers.general.iter_mut().zip(1..) {
            *register = value;
        }
        let r = kvm_registers(&registers);
        assert_eq!((r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.rsp), (1, 2, 3, 4, 5, 6, 7, 8));
        assert_eq!((r.r8, r.r9, r.r14, r.r15, r.rip, r.rflags), (9, 10, 15, 16, 100, 200));
    }

    #[test]
    fn other_components_of_the_vector_state_stay() {
        let mut state = [7; 1024];
        (state[XSTATE_BV], state[MXCSR_MASK]) = (0xe0, 0xffff);
        let vector = Vector { mxcsr: u32::MAX, ymm_high: Some([1; 16]), ..Default::default() };
        overlay(&mut state, &vector.to_xsave());
        assert_eq!((state[XSTATE_BV], state[MXCSR], state[MXCSR_MASK]), (0xe7, 0xffff, 0xffff));
        assert_eq!((state[XSAVE / 4 - 4], state[XSAVE / 4], state[1023]), (1, 7, 7));
        state[MXCSR_MASK] = 0;
        overlay(&mut state, &Vector { mxcsr: u32::MAX, ..vector }.to_xsave());
        assert_eq!(state[MXCSR], 0xffbf);
    }

    #[test]
    fn a_new_code_selector_changes_the_privilege_level_in_64_bit_mode_only() {
        let wanted = Registers {
            segments: [0x33, 0x2b, 1, 2, 3, 4],
            fs_base: 5,
            gs_base: 6,
            efer: EFER_LMA,
            ..Default::default()
        };
        let mut sregs = kvm_sregs::default();
        set_system_registers(&mut sregs, &wanted);
        assert_eq!((sregs.cs.selector, sregs.cs.dpl, sregs.ss.selector), (0x33, 0, 0x2b));
        assert_eq!((sregs.fs.base, sregs.gs.base, sregs.gs.selector), (5, 6, 4));
        let mut sregs = kvm_sregs { efer: EFER_LMA, ..Default::default() };
        sregs.cs.l = 1;
        set_system_registers(&mut sregs, &wanted);
        assert_eq!((sregs.cs.dpl, sregs.cs.l, sregs.ss.dpl, sregs.ss.l), (3, 1, 3, 0));
        let same = sregs;
        set_system_registers(&mut sregs, &wanted);
        assert_eq!(sregs, same);
    }
}
