//! The registers of a thread.
//!
//! Those of one that is in user mode are the vCPU's. Of all others the kernel has saved what they will go on with, general registers in the TCB; but not what
//! is nobody's: a thread that waits for a message has only rbp, rsp, r15, rip and flags, and the rest is what it was when they were last saved.
//!
//! Vector registers, FS base and GS base are saved when another program needs them, so they may still be in a vCPU that runs somebody else. Where they are
//! saved depends on the machine, as `docs/kernel.md` says (*FPU*).

use super::kernel::Kernel;
use super::paging;
use super::thread::Tcb;
use crate::debug::registers::{Registers, Vector, general, segment};
use crate::debug::thread::Thread;
use crate::debug::view::View;
use crate::debug::xsave::{FXSAVE, XSAVE};
use std::mem::offset_of;
use ukernel_abi::layout;
use ukernel_abi::utcb::{FpuState, Regs, RunState};

/// End of user mode's addresses.
const USER_END: u64 = 1 << 47;
/// Of the header of an XSAVE area: the components that are in it.
const XSTATE_BV: usize = 512;
/// x87 and SSE.
const LEGACY: u8 = 3;

/// What of a thread's registers a vCPU has that is in the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    None,
    /// General registers whose places in the frame are below this address. They will be pushed there, or have been popped.
    Below(u64),
    /// All, by SYSCALL or for SYSRET, which do not use the stack; among the kernel's own.
    BySyscall,
}

impl Kernel {
    /// The registers with which `thread` goes on in user mode, or is there now; of a vCPU, its own.
    pub fn registers(&self, view: &dyn View, thread: Thread) -> Option<Registers> {
        if let Some(vcpu) = thread.as_vcpu() {
            return view.registers(vcpu);
        }
        let tcb = self.thread(view, thread)?;
        let running = self.runner(view, thread);
        let of_vcpu = view.registers(running.map_or(tcb.cpu as usize, |r| r.vcpu)).unwrap_or_default();
        let mut registers = self.saved(&tcb);
        if running.is_some_and(|r| !r.in_stub) {
            if of_vcpu.in_user_mode() {
                return Some(behind_syscall(of_vcpu));
            }
            self.at_the_border(&tcb, &of_vcpu, &mut registers);
            registers = behind_syscall(registers);
            registers.cr2 = of_vcpu.cr2;
        }
        registers.cr0 = of_vcpu.cr0;
        registers.cr4 = of_vcpu.cr4;
        registers.efer = of_vcpu.efer;
        self.add_fpu(view, &tcb, of_vcpu.vector.ymm_high.is_some(), &mut registers);
        Some(registers)
    }

    /// Whether `thread` is about to enter the kernel by a SYSCALL that arrives as a fault: what it has in rip and flags is the kernel's by now.
    pub fn enters(&self, view: &dyn View, thread: Thread) -> bool {
        let Some(of_vcpu) = self.vcpu_of(view, thread).and_then(|vcpu| view.registers(vcpu)) else {
            return false;
        };
        let saved = self.thread(view, thread).map_or(0, |tcb| self.saved(&tcb).rip);
        let rip = if of_vcpu.in_user_mode() { of_vcpu.rip } else { saved };
        rip >= USER_END
    }

    /// What is in the TCB.
    fn saved(&self, tcb: &Tcb) -> Registers {
        let fields = &self.info().thread;
        let at = |register: usize| tcb.record.u64(fields.frame.wrapping_add(register as u64));
        let mut registers = Registers { cr3: tcb.cr3 & !(1 << 63), ..Registers::default() };
        for (to, from) in registers.general.iter_mut().zip(GENERAL) {
            *to = at(from);
        }
        registers.rip = tcb.record.u64(self.rip_offset(tcb));
        registers.rflags = at(offset_of!(Regs, rflags));
        registers.segments[segment::CS] = at(offset_of!(Regs, cs)) as u16;
        registers.segments[segment::SS] = at(offset_of!(Regs, ss)) as u16;
        if tcb.state == RunState::Foreign {
            // SYSCALL has made this of them; the fast path does not save it.
            registers.general[general::RCX] = registers.rip;
            registers.general[R11] = registers.rflags;
        }
        registers
    }

    /// Corrects `registers`, which are those in the TCB, for a thread whose vCPU is in the kernel.
    fn at_the_border(&self, tcb: &Tcb, of_vcpu: &Registers, registers: &mut Registers) {
        let held = self.held(tcb, of_vcpu);
        match held {
            Held::None => {}
            Held::BySyscall => {
                // At first, and before SYSRET, the stack is the user's.
                let rsp = of_vcpu.rsp();
                if rsp < USER_END {
                    registers.rip = of_vcpu.general[general::RCX];
                    registers.rflags = of_vcpu.general[R11];
                    registers.general[general::RSP] = rsp;
                }
                let saved = registers.rsp();
                registers.general = of_vcpu.general;
                registers.general[general::RSP] = saved;
                registers.general[general::RCX] = registers.rip;
                registers.general[R11] = registers.rflags;
            }
            Held::Below(_) => {
                for (n, offset) in GENERAL.into_iter().enumerate() {
                    if self.is_held(tcb, held, offset) {
                        registers.general[n] = of_vcpu.general[n];
                    }
                }
            }
        }
    }

    /// What of the registers of a thread whose vCPU is in the kernel is not in its TCB: while they are being saved, or loaded, some are only in the
    /// vCPU. The stack pointer tells which: it goes through the frame, register by register.
    pub fn held(&self, tcb: &Tcb, of_vcpu: &Registers) -> Held {
        let addresses = &self.info().addresses;
        let frame = self.frame_of(tcb);
        let end = frame.wrapping_sub(self.info().thread.frame).wrapping_add(self.info().thread.frame_end);
        if (addresses.syscall_entry..addresses.page_fault_entry).contains(&of_vcpu.rip) {
            return Held::BySyscall;
        }
        if (frame..end).contains(&of_vcpu.rsp()) { Held::Below(of_vcpu.rsp()) } else { Held::None }
    }

    /// Whether a vCPU that holds so much has the general register at `offset` of the frame.
    pub fn is_held(&self, tcb: &Tcb, held: Held, offset: usize) -> bool {
        match held {
            Held::None => false,
            Held::Below(rsp) => self.frame_of(tcb).wrapping_add(offset as u64) < rsp,
            Held::BySyscall => true,
        }
    }

    /// Where in the TCB is the rip with which the program goes on. While it sends a string, the frame's is where the kernel goes on with that.
    pub fn rip_offset(&self, tcb: &Tcb) -> u64 {
        let fields = &self.info().thread;
        let sends = tcb.transfer_peer.is_some() && tcb.record.bool(fields.transfer_sends);
        if sends { fields.transfer_rip } else { fields.frame + offset_of!(Regs, rip) as u64 }
    }

    fn frame_of(&self, tcb: &Tcb) -> u64 {
        self.tcb_address(tcb.id.task(), tcb.id.lthread()).wrapping_add(self.info().thread.frame)
    }

    /// Adds vector registers, FS base and GS base. `avx`: whether the machine has AVX.
    fn add_fpu(&self, view: &dyn View, tcb: &Tcb, avx: bool, registers: &mut Registers) {
        if !tcb.uses_fpu {
            registers.vector = with_avx(Vector::from_fxsave(&FpuState::INIT.0), avx);
            return;
        }
        let thread = tcb.thread();
        let owns = |&vcpu: &usize| self.fpu_owner(view, vcpu) == Some(thread);
        let owner = (0..self.cpus(view)).find(owns).and_then(|vcpu| Some((vcpu, view.registers(vcpu)?)));
        if let Some((vcpu, of_vcpu)) = owner {
            registers.fs_base = of_vcpu.fs_base;
            registers.gs_base = self.user_gs_base(vcpu, &of_vcpu);
            registers.vector = of_vcpu.vector;
        } else {
            registers.fs_base = tcb.record.u64(self.info().thread.fs_base);
            registers.gs_base = tcb.record.u64(self.info().thread.gs_base);
            registers.vector = with_avx(self.saved_vector(view, tcb), avx);
        }
    }

    fn saved_vector(&self, view: &dyn View, tcb: &Tcb) -> Vector {
        let fields = &self.info().thread;
        let in_tcb: [u8; FXSAVE] = tcb.record.bytes(fields.fpu);
        let frame = tcb.record.u64(fields.vector_frame);
        let mut area = [0; XSAVE];
        if frame == 0 || view.read(frame, &mut area).is_err() {
            return Vector::from_fxsave(&in_tcb);
        }
        let mapped = paging::translate(view, tcb.cr3, layout::vector_area(tcb.id.lthread()));
        if mapped.is_some_and(|page| page.frame == frame) {
            // Saved by code in user mode, which leaves these to the kernel.
            area[..FXSAVE].copy_from_slice(&in_tcb);
            area[XSTATE_BV] |= LEGACY;
        }
        Vector::from_xsave(&area, true)
    }
}

/// Where SYSCALL does not change the privilege level, it arrives as a fault at the kernel's address: user mode seems to be there, and so it seems from the
/// fault's frame. The program is behind the instruction.
fn behind_syscall(mut registers: Registers) -> Registers {
    if registers.rip >= USER_END {
        registers.rip = registers.general[general::RCX];
        registers.rflags = registers.general[R11];
    }
    registers
}

/// Where the general registers are, in the order of [`Registers::general`].
pub const GENERAL: [usize; 16] = [
    offset_of!(Regs, rax),
    offset_of!(Regs, rbx),
    offset_of!(Regs, rcx),
    offset_of!(Regs, rdx),
    offset_of!(Regs, rsi),
    offset_of!(Regs, rdi),
    offset_of!(Regs, rbp),
    offset_of!(Regs, rsp),
    offset_of!(Regs, r8),
    offset_of!(Regs, r9),
    offset_of!(Regs, r10),
    offset_of!(Regs, r11),
    offset_of!(Regs, r12),
    offset_of!(Regs, r13),
    offset_of!(Regs, r14),
    offset_of!(Regs, r15),
];
const R11: usize = general::R8 + 3;

/// Where a machine has AVX, all threads have its registers.
fn with_avx(vector: Vector, avx: bool) -> Vector {
    Vector { ymm_high: vector.ymm_high.or(avx.then_some([0; 16])), ..vector }
}
