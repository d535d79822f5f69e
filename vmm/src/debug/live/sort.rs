//! What it means that a vCPU has come to us.
//!
//! Most of it is told by where the vCPU is; so the same is asked when the machine stops for another reason at the same time. Then nobody is told, and as a thread that has
//! met a breakpoint is put back before it, it meets it again.

use super::hooks::Arrival;
use super::run::{Live, touched};
use super::stand::User;
use crate::debug::control::trap::Trap;
use crate::debug::control::watch::Hit;
use crate::debug::debuggee::{Error, Event};
use crate::debug::thread::{Process, Thread};
use crate::debug::view::View;
use crate::vcpu::exit::Stop;
use kvm_bindings::KVM_GUESTDBG_INJECT_BP;

const INT3: u8 = 0xcc;
/// Vector of #BP.
const BREAKPOINT: u32 = 3;
/// Status of a run whose end is not known: that of an error of `ukvmm`'s.
const UNKNOWN_END: u8 = vmm_abi::exit::VMM;

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The vCPU goes on.
    Go,
    /// With the instruction under the byte of ours at this physical address.
    Over(u64),
    /// With an instruction that KVM cannot do for a page that is watched.
    Unwatched,
    /// A breakpoint that waited can be set, or a step begin, when all stand still.
    Look,
    Stop(Event),
}

impl Live {
    pub(super) fn sort(&mut self, vcpu: usize, trap: Trap) -> Result<Outcome, Error> {
        self.guest.machine.forget();
        match trap {
            Trap::Over(status) => Ok(Outcome::Stop(Event::Exited(status.unwrap_or(UNKNOWN_END)))),
            Trap::Crashed(stop) => Ok(self.crashed(vcpu, describe(&stop))),
            Trap::InternalError(suberror) => self.internal_error(vcpu, suberror),
            Trap::Debug(exit) if exit.exception == BREAKPOINT => self.told_by_kvm(vcpu, exit.pc),
            Trap::Debug(_) => self.stepped_in_kernel(vcpu),
            Trap::Watch(hit) => Ok(self.watched(vcpu, &hit)),
            Trap::Port(_) => self.arrived(vcpu),
        }
    }

    fn crashed(&self, vcpu: usize, message: String) -> Outcome {
        Outcome::Stop(Event::Crashed { thread: Thread::vcpu(vcpu), message })
    }

    /// An INT3 of the kernel's, where kernel mode is emulated; or the end.
    fn internal_error(&mut self, vcpu: usize, suberror: u32) -> Result<Outcome, Error> {
        let rip = self.guest.machine.general(vcpu)?.rip;
        let ours = self.kernel_byte(rip)?.filter(|_| self.guest.user(vcpu).is_none());
        let is_watched = !self.watchpoints.is_empty() && !self.is_unwatched();
        if ours.is_some() || is_watched {
            // It is ours to mend, and no error any more should the debugger now leave or end the machine.
            self.guest.machine.control.mended(vcpu);
        }
        match ours {
            Some(physical) => self.kernel_hit(vcpu, rip, physical),
            None if is_watched => Ok(Outcome::Unwatched),
            None => Ok(self.crashed(vcpu, format!("KVM cannot go on (suberror {suberror})"))),
        }
    }

    fn is_unwatched(&self) -> bool {
        self.run.as_ref().and_then(|run| run.over.as_ref()).is_some_and(|over| over.unwatched.is_some())
    }

    fn watched(&self, vcpu: usize, hit: &Hit) -> Outcome {
        let Some(watchpoint) = self.watchpoints.meant(&self.guest, hit) else { return Outcome::Go };
        let in_user_mode = self.guest.user(vcpu).is_some() && !watchpoint.process.is_kernel();
        let thread = self.guest.current(vcpu).filter(|_| in_user_mode);
        Outcome::Stop(touched(thread.unwrap_or(Thread::vcpu(vcpu)), watchpoint))
    }

    /// An INT3 of another kernel's, or one of ours in it.
    fn told_by_kvm(&mut self, vcpu: usize, at: u64) -> Result<Outcome, Error> {
        if let Some(physical) = self.kernel_byte(at)? {
            return self.kernel_hit(vcpu, at, physical);
        }
        // It gets the exception that it has asked for.
        self.guest.set_debug(vcpu, KVM_GUESTDBG_INJECT_BP)?;
        Ok(Outcome::Go)
    }

    /// Where our byte is, if there is one at `address` of the kernel.
    fn kernel_byte(&self, address: u64) -> Result<Option<u64>, Error> {
        let page = self.guest.page(Process::KERNEL, address)?;
        let physical = page.map(|page| page.physical(address));
        Ok(physical.filter(|&at| self.guest.patches.holds(&self.guest.machine, at)))
    }

    fn kernel_hit(&mut self, vcpu: usize, at: u64, physical: u64) -> Result<Outcome, Error> {
        let thread = Thread::vcpu(vcpu);
        self.unmaps.met(at);
        let met = self.met(thread, thread, at);
        Ok(met.map_or(Outcome::Over(physical), Outcome::Stop))
    }

    /// What to tell of `thread`, which is at a byte of ours at `at`, if anything. The debugger may be stepping it by another name.
    fn met(&mut self, thread: Thread, named: Thread, at: u64) -> Option<Event> {
        let passing = self.skip.take_if(|skip| *skip == (thread, at)).is_some();
        if let Some(run) = &self.run
            && let Some(step) = run.steps.iter().find(|step| step.ends_at(thread, at))
        {
            return Some(Event::Stepped(step.wanted));
        }
        (!passing && self.points.stops(named.process, at)).then_some(Event::Breakpoint(named))
    }

    fn stepped_in_kernel(&mut self, vcpu: usize) -> Result<Outcome, Error> {
        let Some(run) = &self.run else { return Ok(Outcome::Go) };
        if run.over.as_ref().is_some_and(|over| over.step.is_of_kernel(vcpu)) {
            return self.end_over(vcpu);
        }
        let step = run.steps.iter().find(|step| step.is_of_kernel(vcpu));
        Ok(step.map_or(Outcome::Go, |step| Outcome::Stop(Event::Stepped(step.wanted))))
    }

    fn arrived(&mut self, vcpu: usize) -> Result<Outcome, Error> {
        let Some(arrival) = self.guest.arrival(vcpu) else { return Ok(Outcome::Go) };
        self.guest.settle(vcpu)?;
        let Some(user) = self.guest.user(vcpu) else { return self.exception_in_kernel(vcpu, arrival) };
        let stepping = self.run.as_ref().is_some_and(|run| run.steps.iter().any(|s| s.is_of_kernel(vcpu)));
        if stepping {
            // It has just left the kernel, or KVM's trap flag has gone along.
            return self.stepped_in_kernel(vcpu);
        }
        let Some(thread) = self.guest.current(vcpu) else { return Ok(Outcome::Go) };
        match arrival {
            Arrival::Breakpoint => self.breakpoint(vcpu, thread, user),
            Arrival::Debug => self.debug(vcpu, thread, user),
            Arrival::Leaving | Arrival::LeavingBySysret => Ok(self.leaving(thread)),
        }
    }

    /// The kernel itself has run into our byte, where kernel mode is the processor's own.
    fn exception_in_kernel(&mut self, vcpu: usize, arrival: Arrival) -> Result<Outcome, Error> {
        let regs = self.guest.machine.general(vcpu)?;
        let at = regs.rip.wrapping_sub(1);
        match (arrival, self.kernel_byte(at)?) {
            (Arrival::Breakpoint, Some(physical)) => {
                self.guest.machine.set_general(vcpu, kvm_bindings::kvm_regs { rip: at, ..regs })?;
                self.kernel_hit(vcpu, at, physical)
            }
            (Arrival::Debug, _) => self.stepped_in_kernel(vcpu),
            _ => {
                Ok(self.crashed(vcpu, format!("the kernel has run into a breakpoint of its own at {at:#x}")))
            }
        }
    }

    fn breakpoint(&mut self, vcpu: usize, thread: Thread, user: User) -> Result<Outcome, Error> {
        let at = user.rip.wrapping_sub(1);
        let page = self.guest.page(thread.process, at)?;
        let Some(physical) = page.map(|page| page.physical(at)) else { return self.own(vcpu) };
        let back = User { rip: at, ..user };
        if !self.guest.patches.holds(&self.guest.machine, physical) {
            return match self.points.inherited(&self.guest, at).filter(|&theirs| theirs != INT3) {
                Some(theirs) if self.is_over(thread).is_none() => {
                    let mut byte = [0];
                    self.guest.machine.read(physical, &mut byte)?;
                    if byte == [INT3] {
                        self.guest.machine.write(physical, &[theirs])?;
                    }
                    self.guest.set_user(vcpu, back)?;
                    // It may be its own, and the page another one by now.
                    Ok(Outcome::Look)
                }
                _ => self.own(vcpu),
            };
        }
        self.guest.set_user(vcpu, back)?;
        let stepping = self
            .run
            .as_ref()
            .is_some_and(|run| run.steps.iter().any(|step| step.ends_by_flag(thread) && step.from == at));
        if stepping {
            return Ok(Outcome::Over(physical));
        }
        if self.skip != Some((thread, at))
            && let Some(notice) = self.notices.met(&self.guest, vcpu, thread, at)
            && !self.can_wait(&notice)
        {
            return Ok(Outcome::Stop(notice));
        }
        Ok(self.met(thread, thread, at).map_or(Outcome::Over(physical), Outcome::Stop))
    }

    /// gdb (13) forgets that a thread steps when it gets to know a process meanwhile. It does that at the next stop as well.
    fn can_wait(&self, notice: &Event) -> bool {
        let is_stepping = self.run.as_ref().is_some_and(|run| !run.steps.is_empty());
        is_stepping && matches!(notice, Event::Started { new: true, .. })
    }

    /// The exception is the program's.
    fn own(&mut self, vcpu: usize) -> Result<Outcome, Error> {
        self.guest.pass(vcpu)?;
        Ok(Outcome::Go)
    }

    fn debug(&mut self, vcpu: usize, thread: Thread, user: User) -> Result<Outcome, Error> {
        if self.is_over(thread).is_some() {
            return self.end_over(vcpu);
        }
        let steps = self.run.iter().flat_map(|run| &run.steps);
        if let Some(step) = steps.into_iter().find(|step| step.ends_by_flag(thread)).copied() {
            return self.stepped(vcpu, step, user);
        }
        if self.stray.remove(&thread) {
            // A step that was given up, and could not be taken back.
            const TRAP_FLAG: u64 = 1 << 8;
            self.guest.set_user(vcpu, User { rflags: user.rflags & !TRAP_FLAG, ..user })?;
            return Ok(Outcome::Go);
        }
        self.own(vcpu)
    }

    fn leaving(&mut self, thread: Thread) -> Outcome {
        if self.unmaps.is_over() {
            return Outcome::Look;
        }
        let waits = self.run.as_ref().is_some_and(|run| run.steps.iter().any(|step| step.waits_for(thread)));
        if waits || !self.guest.is_ready() || self.points.is_due(&self.guest, thread.process) {
            return Outcome::Look;
        }
        Outcome::Go
    }
}

fn describe(stop: &Stop) -> String {
    match stop {
        Stop::Exit(_) | Stop::WarmReset => "the guest's kernel has panicked".into(),
        Stop::Shutdown => "triple fault".into(),
        Stop::InternalError => "KVM cannot go on".into(),
        Stop::FailEntry(reason) => format!("the CPU has refused to enter the guest ({reason:#x})"),
        other => format!("{other:?}"),
    }
}
