//! The registers that a guest starts with, of each way to enter one: ours (`vmm_abi::boot`), Linux's 64-bit entry (which is the same
//! but for the one register with the parameters; Linux, `Documentation/arch/x86/boot.rst`), PVH.

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
const TYPE_BUSY_TSS: u8 = 0b1011;
/// Bytes of a TSS, less one.
const TSS_LIMIT: u32 = 0x67;

/// Sets them.
pub fn set_registers(vcpu: &VcpuFd, entry: Entry) -> Result<(), KvmError> {
    let mut sregs = vcpu.get_sregs().map_err(failed("KVM_GET_SREGS"))?;
    match entry {
        Entry::Native { .. } | Entry::Linux { .. } => system_registers(&mut sregs),
        Entry::Pvh { .. } => pvh_registers(&mut sregs),
    }
    vcpu.set_sregs(&sregs).map_err(failed("KVM_SET_SREGS"))?;
    vcpu.set_regs(&general_registers(entry)).map_err(failed("KVM_SET_REGS"))
}

fn general_registers(entry: Entry) -> kvm_regs {
    let regs = kvm_regs { rflags: 2, ..Default::default() };
    match entry {
        Entry::Native { rip, start_info } => {
            kvm_regs { rip, rsp: tables::STACK_TOP, rbx: start_info, rdi: start_info, ..regs }
        }
        Entry::Linux { rip, boot_params } => {
            kvm_regs { rip, rsp: tables::STACK_TOP, rsi: boot_params, ..regs }
        }
        Entry::Pvh { eip, start_info } => kvm_regs { rip: eip.into(), rbx: start_info, ..regs },
    }
}

/// Of the PVH entry: 32-bit protected mode with flat segments and without paging (Xen, `docs/misc/pvh.pandoc`).
fn pvh_registers(sregs: &mut kvm_sregs) {
    let code = kvm_segment {
        selector: tables::CODE_SELECTOR,
        limit: u32::MAX,
        type_: TYPE_CODE,
        present: 1,
        s: 1,
        db: 1,
        g: 1,
        ..Default::default()
    };
    let data = kvm_segment { selector: tables::DATA_SELECTOR, type_: TYPE_DATA, ..code };
    sregs.cs = code;
    (sregs.ds, sregs.es, sregs.fs, sregs.gs, sregs.ss) = (data, data, data, data, data);
    sregs.tr = kvm_segment { limit: TSS_LIMIT, type_: TYPE_BUSY_TSS, present: 1, ..Default::default() };
    sregs.gdt = kvm_dtable::default();
    sregs.idt = kvm_dtable::default();
    (sregs.cr0, sregs.cr3, sregs.cr4, sregs.efer) = (CR0_PE | CR0_ET, 0, 0, 0);
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
