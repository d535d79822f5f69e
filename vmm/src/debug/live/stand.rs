//! Where a vCPU stands with regard to user mode, and the registers that it has, or will have, there.
//!
//! A thread's exception leads into the kernel, whose first instruction comes to us. It is then in between: of its registers five are in the frame
//! that the processor has pushed into its TCB, and all others still in the vCPU. Nothing tells this from user mode but where the five are;
//! so here are the functions that read and write them.

use super::guest::Guest;
use super::hooks::Arrival;
use crate::debug::debuggee::Error;
use crate::debug::registers::{Registers, general, segment};
use crate::debug::view::View;
use kvm_bindings::kvm_regs;

/// The frame of an exception: rip, cs, rflags, rsp, ss (SDM vol. 3, 7.14.2).
const FRAME: usize = 5;
const CS: usize = 1;
/// Selectors of user mode, as the kernel has them.
const USER_CS: u64 = 0x33;
const USER_SS: u64 = 0x2b;

/// What of a thread's registers is not always in the vCPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct User {
    pub rip: u64,
    pub rflags: u64,
    pub rsp: u64,
}

/// A frame in the kernel's memory.
struct Frame {
    physical: u64,
    words: [u64; FRAME],
}

impl Guest {
    /// The registers of `vcpu` in user mode; `None` if it is in the kernel, or in code of the kernel's for vector registers.
    pub fn user(&self, vcpu: usize) -> Option<User> {
        let registers = self.machine.registers(vcpu)?;
        if registers.in_user_mode() {
            if self.is_in_stub(vcpu) {
                return None;
            }
            return Some(User { rip: registers.rip, rflags: registers.rflags, rsp: registers.rsp() });
        }
        let frame = self.frame(&registers).filter(|frame| frame.words[CS] & 3 == 3)?;
        let [rip, _, rflags, rsp, _] = frame.words;
        Some(User { rip, rflags, rsp })
    }

    /// Whether it is the kernel's own code that `vcpu` has in user mode.
    pub fn is_in_stub(&self, vcpu: usize) -> bool {
        let Some(ours) = &self.ours else { return false };
        ours.kernel.running(&self.machine, vcpu).is_none_or(|running| running.in_stub)
    }

    /// Whether `vcpu` is on the other side of the border, whoever's code it has there.
    pub fn is_in_user_mode(&self, vcpu: usize) -> bool {
        self.user(vcpu).is_some() || self.machine.registers(vcpu).is_some_and(|r| r.in_user_mode())
    }

    /// Changes them.
    pub fn set_user(&self, vcpu: usize, user: User) -> Result<(), Error> {
        let registers = self.machine.registers(vcpu).ok_or_else(|| unknown(vcpu))?;
        if !registers.in_user_mode() {
            let frame = self.frame(&registers).ok_or_else(|| unknown(vcpu))?;
            return self.put(frame.physical, user);
        }
        let User { rip, rflags, rsp } = user;
        self.machine.set_general(vcpu, kvm_regs { rip, rflags, rsp, ..self.machine.general(vcpu)? })
    }

    fn put(&self, frame: u64, user: User) -> Result<(), Error> {
        let words = [user.rip, USER_CS, user.rflags, user.rsp, USER_SS];
        self.machine.write(frame, &words.map(u64::to_le_bytes).concat())
    }

    /// Where the vCPU has arrived in our page.
    pub fn arrival(&self, vcpu: usize) -> Option<Arrival> {
        let registers = self.machine.registers(vcpu)?;
        if registers.in_user_mode() {
            return None;
        }
        self.ours.as_ref()?.hooks.arrival(registers.rip)
    }

    /// The frame that RSP points to, if the vCPU is where there is one.
    fn frame(&self, registers: &Registers) -> Option<Frame> {
        let ours = self.ours.as_ref()?;
        match ours.hooks.arrival(registers.rip)? {
            Arrival::LeavingBySysret => None,
            _ => self.frame_at(registers.rsp()),
        }
    }

    fn frame_at(&self, address: u64) -> Option<Frame> {
        let page = self.ours.as_ref()?.kernel.page(&self.machine, address)?;
        let mut bytes = [0; FRAME * 8];
        self.machine.read(page.physical(address), &mut bytes).ok()?;
        let (words, _) = bytes.as_chunks();
        let words = std::array::from_fn(|n| u64::from_le_bytes(words[n]));
        Some(Frame { physical: page.physical(address), words })
    }

    /// What a vCPU that has just come to us is told by, made the same everywhere: one that was in the kernel is back where it was, and one that was about to
    /// leave by SYSRET leaves by IRET.
    pub fn settle(&self, vcpu: usize) -> Result<(), Error> {
        let Some(arrival) = self.arrival(vcpu) else { return Ok(()) };
        let regs = self.machine.general(vcpu)?;
        if arrival == Arrival::LeavingBySysret {
            return self.leave_by_iret(vcpu, regs);
        }
        let frame = self.frame_at(regs.rsp).ok_or_else(|| unknown(vcpu))?;
        if frame.words[CS] & 3 == 0 {
            let [rip, _, rflags, rsp, _] = frame.words;
            return self.machine.set_general(vcpu, kvm_regs { rip, rflags, rsp, ..regs });
        }
        Ok(())
    }

    /// The thread's frame in its TCB is of no use while it runs, so it may serve.
    fn leave_by_iret(&self, vcpu: usize, regs: kvm_regs) -> Result<(), Error> {
        let (Some(ours), Some(thread)) = (&self.ours, self.current(vcpu)) else { return Err(unknown(vcpu)) };
        let (task, lthread) = thread.as_l4().ok_or_else(|| unknown(vcpu))?;
        let end = ours.kernel.tcb_address(task, lthread) + ours.kernel.info().thread.frame_end;
        let address = end - FRAME as u64 * 8;
        let frame = self.frame_at(address).ok_or_else(|| unknown(vcpu))?;
        self.put(frame.physical, User { rip: regs.rcx, rflags: regs.r11, rsp: regs.rsp })?;
        self.machine.set_general(vcpu, kvm_regs { rip: ours.hooks.iretq(), rsp: address, ..regs })
    }

    /// Sends a vCPU that has come to us back to user mode.
    pub fn leave(&self, vcpu: usize) -> Result<(), Error> {
        match (&self.ours, self.arrival(vcpu)) {
            (Some(ours), Some(_)) => self.jump(vcpu, ours.hooks.iretq()),
            _ => Ok(()),
        }
    }

    /// The same for good: it does not even need our page. Where its frame is, the kernel's own way out leads to user mode.
    pub fn leave_page(&self, vcpu: usize) -> Result<(), Error> {
        match (&self.ours, self.arrival(vcpu)) {
            (Some(ours), Some(_)) => self.jump(vcpu, ours.hooks.kernel_iretq().ok_or_else(|| unknown(vcpu))?),
            _ => Ok(()),
        }
    }

    /// The exception by which a vCPU has come to us is the program's own.
    pub fn pass(&self, vcpu: usize) -> Result<(), Error> {
        let Some(ours) = &self.ours else { return Ok(()) };
        match self.arrival(vcpu).and_then(|arrival| ours.hooks.entry(arrival)) {
            Some(entry) => self.jump(vcpu, entry),
            None => Ok(()),
        }
    }

    /// `vcpu` is on a way in. If our own byte was what led there, it is before that again; else it goes to the kernel's own entry.
    pub fn come_back(&self, vcpu: usize, entry: u64) -> Result<(), Error> {
        let regs = self.machine.general(vcpu)?;
        let frame = self.frame_at(regs.rsp).ok_or_else(|| unknown(vcpu))?;
        let at = frame.words[0].wrapping_sub(1);
        let page = crate::inspect::paging::translate(&self.machine, self.cr3(vcpu)?, at);
        if !page.is_some_and(|page| self.patches.holds(&self.machine, page.physical(at))) {
            return self.jump(vcpu, entry);
        }
        self.machine.write(frame.physical, &at.to_le_bytes())?;
        match &self.ours {
            Some(ours) => self.jump(vcpu, ours.hooks.iretq()),
            None => Ok(()),
        }
    }

    fn cr3(&self, vcpu: usize) -> Result<u64, Error> {
        Ok(self.machine.registers(vcpu).ok_or_else(|| unknown(vcpu))?.cr3)
    }

    fn jump(&self, vcpu: usize, rip: u64) -> Result<(), Error> {
        self.machine.set_general(vcpu, kvm_regs { rip, ..self.machine.general(vcpu)? })
    }

    /// `registers` of `vcpu` as if it had not come to us.
    pub fn as_seen(&self, vcpu: usize, mut registers: Registers) -> Registers {
        if registers.in_user_mode() {
            return registers;
        }
        if let Some(user) = self.user(vcpu) {
            (registers.rip, registers.rflags) = (user.rip, user.rflags);
            registers.general[general::RSP] = user.rsp;
            registers.segments[segment::CS] = USER_CS as u16;
            registers.segments[segment::SS] = USER_SS as u16;
        }
        registers
    }
}

fn unknown(vcpu: usize) -> Error {
    Error::Other(format!("the registers of vCPU {vcpu} are not known"))
}
