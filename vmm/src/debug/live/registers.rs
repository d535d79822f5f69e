//! Changes the registers of a vCPU, or of a thread wherever it is.
//!
//! What a debugger may not change of a program is left as it is: selectors and control registers, and flags that user mode does not have.

use super::guest::{Guest, Ours};
use super::points::USER_END;
use super::stand::User;
use crate::debug::debuggee::Error;
use crate::debug::registers::{Registers, general};
use crate::debug::thread::Thread;
use crate::debug::view::View;
use crate::inspect::registers::{GENERAL, Held};
use crate::inspect::thread::Tcb;
use std::mem::offset_of;
use ukernel_abi::utcb::{FIXED_FLAGS, Regs, USER_FLAGS};

impl Guest {
    pub fn read_registers(&self, thread: Thread) -> Result<Registers, Error> {
        match (thread.as_vcpu(), &self.ours) {
            (Some(vcpu), _) => View::registers(self, vcpu),
            (None, Some(ours)) => ours.kernel.registers(self, thread),
            (None, None) => None,
        }
        .ok_or(Error::NoThread(thread))
    }

    pub fn write_registers(&mut self, thread: Thread, new: &Registers) -> Result<(), Error> {
        let old = self.read_registers(thread)?;
        if self.ours.as_ref().is_some_and(|ours| ours.kernel.enters(self, thread)) {
            return Err(at_hand(thread));
        }
        let mut new = new.clone();
        let in_user_mode = thread.as_vcpu().is_none_or(|vcpu| self.user(vcpu).is_some());
        if in_user_mode {
            if new.rip >= USER_END && new.rip != old.rip {
                return Err(Error::Other(format!("{:#x} is no address that a program can be at", new.rip)));
            }
            new.rflags = new.rflags & USER_FLAGS | FIXED_FLAGS;
            (new.segments, new.efer, new.kernel_gs_base) = (old.segments, old.efer, old.kernel_gs_base);
            (new.cr0, new.cr2, new.cr3, new.cr4, new.cr8) = (old.cr0, old.cr2, old.cr3, old.cr4, old.cr8);
        }
        match thread.as_vcpu().or_else(|| self.vcpu_of(thread)) {
            Some(vcpu) => self.write_vcpu(vcpu, &new, in_user_mode),
            None => self.write_saved(thread, &old, &new),
        }
    }

    fn write_vcpu(&self, vcpu: usize, new: &Registers, user: bool) -> Result<(), Error> {
        let real = View::registers(&self.machine, vcpu).ok_or(Error::NoThread(Thread::vcpu(vcpu)))?;
        if !user || real.in_user_mode() {
            return self.machine.set_registers(vcpu, new.clone());
        }
        // It has come to us: five of the registers are elsewhere.
        let mut held = new.clone();
        (held.rip, held.rflags, held.segments) = (real.rip, real.rflags, real.segments);
        held.general[general::RSP] = real.rsp();
        self.machine.set_registers(vcpu, held)?;
        self.set_user(vcpu, User { rip: new.rip, rflags: new.rflags, rsp: new.rsp() })
    }

    /// Of a thread that is in the kernel, on a vCPU or put aside.
    fn write_saved(&self, thread: Thread, old: &Registers, new: &Registers) -> Result<(), Error> {
        let none = || Error::NoThread(thread);
        let ours = self.ours.as_ref().ok_or_else(none)?;
        let (task, lthread) = thread.as_l4().ok_or_else(none)?;
        let at = ours.kernel.tcb_physical(&self.machine, task, lthread).ok_or_else(none)?;
        let tcb = ours.kernel.thread(&self.machine, thread).ok_or_else(none)?;
        let fields = &ours.kernel.info().thread;
        let frame = at + fields.frame;
        let (vcpu, held) = self.held(ours, thread, &tcb);
        if held == Held::BySyscall {
            return Err(at_hand(thread));
        }
        // What is not changed is not written: it may be the kernel's by now.
        let put = |at: u64, old: u64, new: u64| match old == new {
            true => Ok(()),
            false => self.machine.write(at, &new.to_le_bytes()),
        };
        let mut on_vcpu = Vec::new();
        for (n, offset) in GENERAL.into_iter().enumerate() {
            let (old, new) = (old.general[n], new.general[n]);
            if ours.kernel.is_held(&tcb, held, offset) {
                on_vcpu.extend((old != new).then_some((n, new)));
            } else {
                put(frame + offset as u64, old, new)?;
            }
        }
        self.write_some(vcpu, &on_vcpu)?;
        put(at + ours.kernel.rip_offset(&tcb), old.rip, new.rip)?;
        put(frame + offset_of!(Regs, rflags) as u64, old.rflags, new.rflags)?;
        if (&new.vector, new.fs_base, new.gs_base) != (&old.vector, old.fs_base, old.gs_base) {
            return self.write_fpu(ours, thread, at, new);
        }
        Ok(())
    }

    /// Gives a vCPU these general registers, by their indices, and leaves the others alone.
    fn write_some(&self, vcpu: usize, general: &[(usize, u64)]) -> Result<(), Error> {
        if general.is_empty() {
            return Ok(());
        }
        let mut real = View::registers(&self.machine, vcpu).ok_or(Error::NoThread(Thread::vcpu(vcpu)))?;
        general.iter().for_each(|&(n, value)| real.general[n] = value);
        self.machine.set_registers(vcpu, real)
    }

    /// The vCPU that is in the kernel for `thread`, and what of its registers that has.
    fn held(&self, ours: &Ours, thread: Thread, tcb: &Tcb) -> (usize, Held) {
        let runner = ours.kernel.runner(&self.machine, thread).filter(|r| !r.in_stub);
        let held = runner.and_then(|r| Some((r.vcpu, View::registers(&self.machine, r.vcpu)?)));
        held.map_or((0, Held::None), |(vcpu, of_vcpu)| (vcpu, ours.kernel.held(tcb, &of_vcpu)))
    }

    /// Vector registers, FS and GS base of a thread that the kernel has put aside: in a vCPU that still has them, or where the kernel has saved them.
    fn write_fpu(&self, ours: &Ours, thread: Thread, tcb: u64, new: &Registers) -> Result<(), Error> {
        let fields = &ours.kernel.info().thread;
        if !ours.kernel.thread(&self.machine, thread).is_some_and(|tcb| tcb.uses_fpu) {
            return Err(Error::Other(format!("thread {thread} is a server's: it has no such registers")));
        }
        let owner =
            (0..self.machine.vcpus()).find(|&n| ours.kernel.fpu_owner(&self.machine, n) == Some(thread));
        if let Some(vcpu) = owner {
            let mut real = View::registers(&self.machine, vcpu).ok_or(Error::NoThread(Thread::vcpu(vcpu)))?;
            real.vector = new.vector.clone();
            real.fs_base = new.fs_base;
            let in_kernel = real.gs_base == ours.kernel.cpu_address(vcpu);
            *(if in_kernel { &mut real.kernel_gs_base } else { &mut real.gs_base }) = new.gs_base;
            return self.machine.set_registers(vcpu, real);
        }
        self.machine.write(tcb + fields.fs_base, &new.fs_base.to_le_bytes())?;
        self.machine.write(tcb + fields.gs_base, &new.gs_base.to_le_bytes())?;
        self.machine.write(tcb + fields.fpu, &new.vector.to_fxsave())?;
        match self.machine.read_u64(tcb + fields.vector_frame)? {
            0 => Ok(()),
            frame => self.machine.write(frame, &new.vector.to_xsave()),
        }
    }
}

/// It is on its way into the kernel.
fn at_hand(thread: Thread) -> Error {
    Error::Other(format!(
        "the kernel has the registers of thread {thread} at hand; have its vCPU go on a little"
    ))
}
