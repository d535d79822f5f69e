//! Where the guest was when it stopped: for messages to people.

use crate::memory::GuestMemory;
use kvm_bindings::{kvm_regs, kvm_sregs};
use kvm_ioctls::VcpuFd;
use std::fmt;
use vm_memory::{Bytes, GuestAddress};

/// Bytes of an instruction, at most (SDM vol. 2, 2.3.11).
const INSTRUCTION_MAX: usize = 15;

/// Registers, and the bytes at RIP.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub regs: kvm_regs,
    pub sregs: kvm_sregs,
    pub code: Vec<u8>,
}

impl Snapshot {
    /// `None` if the vCPU waits to be started, or KVM does not tell, or not any more: on AMD, KVM resets the vCPU at a triple fault.
    pub fn take(vcpu: &VcpuFd, memory: &GuestMemory) -> Option<Self> {
        let (regs, sregs) = (vcpu.get_regs().ok()?, vcpu.get_sregs().ok()?);
        if is_reset(&regs, &sregs) {
            return None;
        }
        // In real mode, in which CPUs are started, the segment has a base.
        let rip = sregs.cs.base.wrapping_add(regs.rip);
        let code = (0..INSTRUCTION_MAX as u64)
            .map_while(|i| {
                // Byte by byte, since the next one may be on another page.
                let at = vcpu.translate_gva(rip.checked_add(i)?).ok().filter(|t| t.valid != 0)?;
                memory.read_obj(GuestAddress(at.physical_address)).ok()
            })
            .collect();
        Some(Self { regs, sregs, code })
    }

    /// Whether it was in user mode: told by the code selector's privilege level.
    pub fn in_user_mode(&self) -> bool {
        self.sregs.cs.selector & 3 == 3
    }

    /// The bytes at RIP in hex.
    pub fn code_hex(&self) -> String {
        let bytes: Vec<String> = self.code.iter().map(|b| format!("{b:02x}")).collect();
        if bytes.is_empty() { "not mapped".into() } else { bytes.join(" ") }
    }
}

/// Whether these are the registers after a reset (SDM vol. 3, table 11-1). The code that starts
/// a CPU in real mode is elsewhere.
fn is_reset(regs: &kvm_regs, sregs: &kvm_sregs) -> bool {
    const CR0_PE: u64 = 1;
    sregs.cr0 & CR0_PE == 0 && sregs.cs.selector == 0xf000 && regs.rip == 0xfff0
}

/// All registers, on several lines.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (r, s) = (&self.regs, &self.sregs);
        writeln!(f, "rip {:016x}  rsp {:016x}  rflags {:08x}", r.rip, r.rsp, r.rflags)?;
        writeln!(f, "rax {:016x}  rbx {:016x}  rcx {:016x}  rdx {:016x}", r.rax, r.rbx, r.rcx, r.rdx)?;
        writeln!(f, "rsi {:016x}  rdi {:016x}  rbp {:016x}  r8  {:016x}", r.rsi, r.rdi, r.rbp, r.r8)?;
        writeln!(f, "r9  {:016x}  r10 {:016x}  r11 {:016x}  r12 {:016x}", r.r9, r.r10, r.r11, r.r12)?;
        writeln!(f, "r13 {:016x}  r14 {:016x}  r15 {:016x}", r.r13, r.r14, r.r15)?;
        let (cs, ss) = (s.cs.selector, s.ss.selector);
        writeln!(f, "cs {cs:#x}  ss {ss:#x}  fs base {:x}  gs base {:x}", s.fs.base, s.gs.base)?;
        writeln!(f, "cr0 {:x}  cr2 {:x}  cr3 {:x}  cr4 {:x}  efer {:x}", s.cr0, s.cr2, s.cr3, s.cr4, s.efer)?;
        let (gdt, idt, tr) = (&s.gdt, &s.idt, &s.tr);
        writeln!(
            f,
            "gdt {:x}/{:x}  idt {:x}/{:x}  tr {:#x}",
            gdt.base, gdt.limit, idt.base, idt.limit, tr.selector
        )?;
        write!(f, "code {}", self.code_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_cpu_is_recognised() {
        let (mut regs, mut sregs) = (kvm_regs::default(), kvm_sregs::default());
        assert!(!is_reset(&regs, &sregs));
        (regs.rip, sregs.cs.selector, sregs.cr0) = (0xfff0, 0xf000, 0x6000_0010);
        assert!(is_reset(&regs, &sregs));
        sregs.cr0 |= 1;
        assert!(!is_reset(&regs, &sregs));
    }

    #[test]
    fn the_selector_tells_the_mode() {
        let mut at = Snapshot::default();
        at.sregs.cs.selector = 0x33;
        assert!(at.in_user_mode());
        at.sregs.cs.selector = 0x10;
        assert!(!at.in_user_mode());
        assert_eq!(at.code_hex(), "not mapped");
    }
}
