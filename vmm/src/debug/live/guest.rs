//! A guest that stands still, with what the debugger has changed in it, and without that to look at.

use super::copies::{Copies, Place};
use super::hooks::Hooks;
use super::machine::{Machine, failed};
use super::patches::Patches;
use crate::debug::debuggee::Error;
use crate::debug::registers::Registers;
use crate::debug::thread::{Process, Thread};
use crate::debug::view::{NoMemory, View};
use crate::inspect::Kernel;
use crate::inspect::paging::{Levels, Page, Translation};
use kvm_bindings::{KVM_GUESTDBG_ENABLE, KVM_GUESTDBG_USE_SW_BP, kvm_guest_debug};
use std::ops::Range;

const INT3: u8 = 0xcc;

/// Our own kernel, and what is changed in it.
pub struct Ours {
    pub kernel: Kernel,
    pub hooks: Hooks,
    /// The kernel's code that is at the borders with user mode.
    pub borders: Range<u64>,
}

pub struct Guest {
    pub machine: Machine,
    /// `None` if the guest has another kernel: then it is one process.
    pub ours: Option<Ours>,
    pub patches: Patches,
    pub copies: Copies,
}

impl Guest {
    /// The process that a thread's memory is that of.
    pub fn translation(&self, process: Process) -> Result<Translation, Error> {
        if process.is_kernel() {
            // Whatever the first vCPU has.
            return self.registers(0).as_ref().map(Translation::of).ok_or(Error::NoProcess(process));
        }
        let place = self.place(process)?;
        Ok(Translation::Tables(place.root, Levels::Four))
    }

    /// The task `process`.
    pub fn place(&self, process: Process) -> Result<Place<'_>, Error> {
        let none = || Error::NoProcess(process);
        let ours = self.ours.as_ref().ok_or_else(none)?;
        let task = u16::try_from(process.0).map_err(|_| none())?;
        let root = ours.kernel.space(&self.machine, task).ok_or_else(none)?;
        Ok(Place { machine: &self.machine, kernel: &ours.kernel, task, root })
    }

    /// The page at `address` of `process`.
    pub fn page(&self, process: Process, address: u64) -> Result<Option<Page>, Error> {
        Ok(self.translation(process)?.page(&self.machine, address))
    }

    /// Whether a breakpoint may be at `address` of the kernel. Where kernel mode is the processor's own, a breakpoint's frame goes to the stack,
    /// and the code at the borders has none: it has a thread's frame there instead, or what the program's RSP points to.
    pub fn check_kernel_code(&self, address: u64) -> Result<(), Error> {
        let Some(ours) = &self.ours else { return Ok(()) };
        if ours.borders.contains(&address) && !self.is_emulated() {
            return Err(Error::Other(format!(
                "the kernel has no stack at {address:#x}, so it cannot stop there"
            )));
        }
        Ok(())
    }

    /// Whether kernel mode is emulated. The kernel has found out, and its gate page is then a breakpoint.
    fn is_emulated(&self) -> bool {
        let mut gate = [0];
        let Some(ours) = &self.ours else { return false };
        ours.kernel.read(&self.machine, ukernel_abi::layout::GATE, &mut gate).is_some() && gate == [INT3]
    }

    /// Sets what KVM does for us. Another kernel's breakpoints are ours to be told of by KVM; our own's come by its IDT.
    pub fn set_debug(&self, vcpu: usize, also: u32) -> Result<(), Error> {
        let always = if self.ours.is_none() { KVM_GUESTDBG_USE_SW_BP } else { 0 };
        let control = match always | also {
            0 => 0,
            some => KVM_GUESTDBG_ENABLE | some,
        };
        let debug = kvm_guest_debug { control, ..Default::default() };
        self.machine.with(vcpu, move |fd| fd.set_guest_debug(&debug))?.map_err(failed("KVM_SET_GUEST_DEBUG"))
    }

    /// Has KVM do nothing more for us, or what it always does.
    pub fn set_debug_of_all(&self, on: bool) -> Result<(), Error> {
        let nothing = kvm_guest_debug::default();
        for vcpu in 0..self.machine.vcpus() {
            if on {
                self.set_debug(vcpu, 0)?;
            } else {
                let done = self.machine.with(vcpu, move |fd| fd.set_guest_debug(&nothing))?;
                done.map_err(failed("KVM_SET_GUEST_DEBUG"))?;
            }
        }
        Ok(())
    }

    /// Whether exceptions come to us: a kernel that has just been loaded knows of none. Of another kernel we do not know.
    pub fn is_ready(&self) -> bool {
        self.ours.as_ref().is_none_or(|ours| ours.hooks.is_ready())
    }

    /// The same on the kernel's first way out, where it has prepared for exceptions.
    pub fn make_ready(&mut self) -> Result<(), Error> {
        match &mut self.ours {
            Some(ours) if !ours.hooks.is_ready() => ours.hooks.lead_gates(&self.machine, &ours.kernel),
            _ => Ok(()),
        }
    }

    /// Whether we are to hear of every way out to user mode.
    pub fn watch_exits(&mut self, on: bool) -> Result<(), Error> {
        let Some(ours) = &mut self.ours else { return Ok(()) };
        ours.hooks.watch_exits(&self.machine, &mut self.patches, on)
    }

    /// Looks again which copies there are. The machine has run.
    pub fn prune(&mut self) {
        if let Some(ours) = &self.ours {
            self.copies.prune(&self.machine, &ours.kernel);
        }
    }

    /// Has every vCPU out of our page: those that are on its ways in go back to where they come from, to get the exception again from the kernel alone.
    pub fn come_out(&self) -> Result<(), Error> {
        let Some(ours) = &self.ours else { return Ok(()) };
        for vcpu in 0..self.machine.vcpus() {
            let Some(registers) = self.machine.registers(vcpu) else { continue };
            if let Some(entry) = ours.hooks.passes(registers.rip) {
                self.come_back(vcpu, entry)?;
            }
        }
        Ok(())
    }

    /// Leaves the kernel as it was. No vCPU is in the page any more: those that have come to us are back where they were.
    pub fn release(&mut self) -> Result<(), Error> {
        self.set_debug_of_all(false)?;
        for vcpu in 0..self.machine.vcpus() {
            self.leave_page(vcpu)?;
        }
        let Some(ours) = self.ours.take() else { return Ok(()) };
        self.copies.clear(&self.machine, &ours.kernel)?;
        ours.hooks.remove(&self.machine, &mut self.patches)
    }

    /// The L4 thread that `vcpu` runs, or is in the kernel for.
    pub fn current(&self, vcpu: usize) -> Option<Thread> {
        self.ours.as_ref()?.kernel.current(&self.machine, vcpu)
    }

    /// The vCPU that runs `thread`, in user mode or at the border of it.
    pub fn vcpu_of(&self, thread: Thread) -> Option<usize> {
        (0..self.machine.vcpus())
            .find(|&vcpu| self.current(vcpu) == Some(thread) && self.user(vcpu).is_some())
    }
}

/// Without what we have changed: a vCPU that has come to us from user mode appears to be there still.
impl View for Guest {
    fn vcpus(&self) -> usize {
        self.machine.vcpus()
    }

    fn registers(&self, index: usize) -> Option<Registers> {
        let registers = self.machine.registers(index)?;
        Some(self.as_seen(index, registers))
    }

    fn tsc(&self, index: usize) -> Option<u64> {
        self.machine.tsc(index)
    }

    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), NoMemory> {
        self.machine.read(address, into)?;
        self.patches.hide(address, into);
        Ok(())
    }

    fn ram(&self) -> Vec<(u64, u64)> {
        View::ram(&self.machine)
    }
}
