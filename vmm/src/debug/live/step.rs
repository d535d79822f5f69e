//! One instruction of one thread.
//!
//! *In user mode* by the trap flag. It goes where flags go: the exception clears nothing, so the flag is in the frame when the step is
//! done, and in whatever the instruction itself made of the flags. All of that is put right, so a program never sees it. A system call is not stepped with the flag,
//! which would travel through the kernel and could end in another program: there is a breakpoint behind it instead.
//!
//! *In the kernel* by KVM, which must not be asked to where user mode is: on some KVMs the guest's kernel would get the exception.
//!
//! *A thread that does not run*, or that is in the kernel, is stepped when it is back in user mode.

use super::decode::{Instruction, LENGTH_MAX, is_gate};
use super::guest::Guest;
use super::points::{For, Points};
use super::stand::User;
use crate::debug::debuggee::Error;
use crate::debug::thread::Thread;
use kvm_bindings::KVM_GUESTDBG_SINGLESTEP;
use std::mem::offset_of;
use ukernel_abi::utcb::Regs;

const TRAP_FLAG: u64 = 1 << 8;
const INTERRUPT_FLAG: u64 = 1 << 9;

/// How a step is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// With the trap flag.
    Flag {
        instruction: Instruction,
        /// The program had it set itself.
        own: bool,
        /// Interrupts are off meanwhile, and were not.
        masked: bool,
    },
    /// With a breakpoint here.
    Behind(u64),
    /// When the thread is in user mode again.
    Later,
    /// By KVM; or, where the kernel's way out to user mode is, by hearing of that: the flags that it loads end what KVM does.
    Kernel { vcpu: usize, leaves: bool },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// The thread that the debugger wants to step: a vCPU, or the L4 thread itself.
    pub wanted: Thread,
    /// The L4 thread that steps.
    pub l4: Option<Thread>,
    /// Where it begins.
    pub from: u64,
    way: Way,
}

impl Step {
    /// Prepares everything so that the machine may run. With `masked`, no interrupt comes in between.
    pub fn begin(
        guest: &mut Guest,
        points: &mut Points,
        wanted: Thread,
        masked: bool,
    ) -> Result<Self, Error> {
        let (l4, vcpu) = match wanted.as_vcpu() {
            Some(vcpu) if guest.is_in_user_mode(vcpu) => (guest.current(vcpu), Some(vcpu)),
            Some(vcpu) => return Self::in_kernel(guest, vcpu),
            None => (Some(wanted), guest.vcpu_of(wanted)),
        };
        let l4 = l4.ok_or(Error::NoThread(wanted))?;
        let Some((vcpu, user)) = vcpu.and_then(|vcpu| Some((vcpu, guest.user(vcpu)?))) else {
            return Ok(Self { wanted, l4: Some(l4), from: 0, way: Way::Later });
        };
        let mut code = [0; LENGTH_MAX];
        let count = guest.read_memory(l4.process, user.rip, &mut code).unwrap_or(0);
        let instruction = Instruction::decode(&code[..count]);
        let step = Self { wanted, l4: Some(l4), from: user.rip, way: Way::Later };
        if let Some(behind) = behind(guest, l4, user, instruction)
            && points.insert(guest, l4.process, behind, For::Us).is_ok()
        {
            return Ok(Self { way: Way::Behind(behind), ..step });
        }
        let own = user.rflags & TRAP_FLAG != 0;
        let masked = masked && user.rflags & INTERRUPT_FLAG != 0;
        let taken = if masked { INTERRUPT_FLAG } else { 0 };
        guest.set_user(vcpu, User { rflags: user.rflags & !taken | TRAP_FLAG, ..user })?;
        Ok(Self { way: Way::Flag { instruction, own, masked }, ..step })
    }

    fn in_kernel(guest: &mut Guest, vcpu: usize) -> Result<Self, Error> {
        let rip = guest.machine.general(vcpu)?.rip;
        let leaves = guest.ours.as_ref().is_some_and(|ours| ours.hooks.is_exit(rip));
        if !leaves {
            single_step(guest, vcpu, true)?;
        }
        Ok(Self { wanted: Thread::vcpu(vcpu), l4: None, from: rip, way: Way::Kernel { vcpu, leaves } })
    }

    /// Whether it is done when this thread gets a debug exception, or arrives at our breakpoint at `at`.
    pub fn ends_by_flag(&self, thread: Thread) -> bool {
        self.l4 == Some(thread) && matches!(self.way, Way::Flag { .. })
    }
    pub fn ends_at(&self, thread: Thread, at: u64) -> bool {
        self.l4 == Some(thread) && self.way == Way::Behind(at)
    }
    /// Whether it waits for this thread to be in user mode.
    pub fn waits_for(&self, thread: Thread) -> bool {
        self.l4 == Some(thread) && self.way == Way::Later
    }
    pub fn waits(&self) -> bool {
        self.way == Way::Later
    }
    /// Whether we have to hear of ways out of the kernel for it.
    pub fn needs_exits(&self) -> bool {
        self.waits() || matches!(self.way, Way::Kernel { leaves: true, .. })
    }
    /// Whether it is one of the kernel's, on this vCPU.
    pub fn is_of_kernel(&self, vcpu: usize) -> bool {
        matches!(self.way, Way::Kernel { vcpu: its, .. } if its == vcpu)
    }

    /// The step is done, or is not to be made any more: everything is as if it had never been prepared. `vcpu`: on which the thread is, if it has done it.
    /// Returns whether the trap flag may turn up later all the same.
    pub fn end(self, guest: &mut Guest, points: &mut Points, done: Option<usize>) -> Result<bool, Error> {
        match (self.way, self.l4) {
            (Way::Flag { instruction, own, masked }, Some(l4)) => {
                let taken = if masked { INTERRUPT_FLAG } else { 0 };
                let Some(vcpu) = done.or_else(|| guest.vcpu_of(l4)) else {
                    return saved_flags(guest, l4, |flags| clean(flags, own) | taken).map(|()| true);
                };
                let Some(user) = guest.user(vcpu) else { return Ok(true) };
                let loaded = done.is_some() && instruction == Instruction::LoadsFlags;
                if let (Some(_), Instruction::PushFlags(size)) = (done, instruction) {
                    pushed(guest, l4, user.rsp, size, |flags| clean(flags, own) | taken)?;
                }
                let rflags = if loaded { user.rflags } else { clean(user.rflags, own) | taken };
                guest.set_user(vcpu, User { rflags, ..user })?;
                Ok(false)
            }
            (Way::Behind(at), Some(l4)) => points.remove(guest, l4.process, at, For::Us).map(|()| false),
            (Way::Kernel { vcpu, .. }, _) => single_step(guest, vcpu, false).map(|()| false),
            _ => Ok(false),
        }
    }
}

fn clean(flags: u64, own: bool) -> u64 {
    if own { flags } else { flags & !TRAP_FLAG }
}

/// Where a thread goes on that is about to make a system call.
fn behind(guest: &Guest, l4: Thread, user: User, instruction: Instruction) -> Option<u64> {
    if is_gate(user.rip) {
        let mut address = [0; 8];
        let count = guest.read_memory(l4.process, user.rsp, &mut address).ok()?;
        return (count == address.len()).then_some(u64::from_le_bytes(address));
    }
    match instruction {
        Instruction::Syscall(length) => user.rip.checked_add(length),
        _ => None,
    }
}

/// Changes the flags that a program has just pushed.
fn pushed(
    guest: &mut Guest,
    l4: Thread,
    at: u64,
    size: u64,
    change: impl FnOnce(u64) -> u64,
) -> Result<(), Error> {
    let mut bytes = [0; 8];
    let bytes = &mut bytes[..size as usize];
    guest.read_memory(l4.process, at, bytes)?;
    let mut flags = [0; 8];
    flags[..bytes.len()].copy_from_slice(bytes);
    bytes.copy_from_slice(&change(u64::from_le_bytes(flags)).to_le_bytes()[..size as usize]);
    guest.write_memory(l4.process, at, bytes)
}

/// Changes the flags with which a thread that does not run will go on. One that is no more has none.
fn saved_flags(guest: &Guest, l4: Thread, change: impl FnOnce(u64) -> u64) -> Result<(), Error> {
    use crate::debug::view::View;
    let (Some(ours), Some((task, lthread))) = (&guest.ours, l4.as_l4()) else { return Ok(()) };
    let Some(tcb) = ours.kernel.tcb_physical(&guest.machine, task, lthread) else { return Ok(()) };
    if ours.kernel.thread(&guest.machine, l4).is_none() {
        return Ok(());
    }
    let at = tcb + ours.kernel.info().thread.frame + offset_of!(Regs, rflags) as u64;
    let flags = guest.machine.read_u64(at)?;
    guest.machine.write(at, &change(flags).to_le_bytes())
}

fn single_step(guest: &Guest, vcpu: usize, on: bool) -> Result<(), Error> {
    guest.set_debug(vcpu, if on { KVM_GUESTDBG_SINGLESTEP } else { 0 })
}
