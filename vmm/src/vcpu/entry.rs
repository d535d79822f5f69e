//! The registers that a guest starts with: those of the 64-bit entry (`vmm_abi::boot`).

use crate::kvm::{KvmError, failed};
use crate::loader::{Entry, tables};
use kvm_bindings::{kvm_dtable, kvm_regs, kvm_segment, kvm_sregs};
use kvm_ioctls::VcpuFd;

// SDM vol. 3, 2.5: control registers.
const CR0_PE: u64 = 1;
const CR0_MP: u64 = 1 << 1;
const CR0_ET: u64 = 1 << 4;
const CR0_NE: u64 = 1 << 5;
const CR0_WP: u64 = 1 << 16;
const CR0_AM: u64 = 1 << 18;
const CR0_PG: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
const CR4_OSFXSR: u64 = 1 << 9;
const CR4_OSXMMEXCPT: u64 = 1 << 10;
// Vol. 4, MSR C000_0080H.
const EFER_SCE: u64 = 1;
const EFER_LME: u64 = 1 << 8;
const EFER_LMA: u64 = 1 << 10;
const EFER_NXE: u64 = 1 << 11;

const TYPE_CODE: u8 = 0b1011;
const TYPE_DATA: u8 = 0b0011;

/// Sets them.
pub fn set_registers(vcpu: &VcpuFd, entry: Entry) -> Result<(), KvmError> {
    let mut sregs = vcpu.get_sregs().map_err(failed("KVM_GET_SREGS"))?;
    system_registers(&mut sregs);
    vcpu.set_sregs(&sregs).map_err(failed("KVM_SET_SREGS"))?;
    vcpu.set_regs(&general_registers(entry)).map_err(failed("KVM_SET_REGS"))
}

fn general_registers(entry: Entry) -> kvm_regs {
    kvm_regs {
        rip: entry.rip,
        rsp: tables::STACK_TOP,
        rbx: entry.start_info,
        rdi: entry.start_info,
        rflags: 2,
        ..Default::default()
    }
}

fn system_registers(sregs: &mut kvm_sregs) {
    let code = kvm_segment {
        selector: tables::CODE_SELECTOR,
        limit: u32::MAX,
        type_: TYPE_CODE,
        present: 1,
        s: 1,
        l: 1,
        g: 1,
        ..Default::default()
    };
    let data = kvm_segment { selector: tables::DATA_SELECTOR, type_: TYPE_DATA, l: 0, db: 1, ..code };
    sregs.cs = code;
    (sregs.ds, sregs.es, sregs.fs, sregs.gs, sregs.ss) = (data, data, data, data, data);
    sregs.gdt = kvm_dtable { base: tables::GDT, limit: tables::GDT_LIMIT, ..Default::default() };
    // No IDT: whatever goes wrong before the kernel has one is a triple fault.
    sregs.idt = kvm_dtable::default();
    sregs.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
    sregs.cr3 = tables::PML4;
    sregs.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    sregs.efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
}
