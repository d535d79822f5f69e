//! Lets the machine run, until something has happened that the debugger is to know.

use super::guest::Guest;
use super::notices::Notices;
use super::points::Points;
use super::rest::Rest;
use super::sort::Outcome;
use super::step::Step;
use super::unmaps::Unmaps;
use super::wake::Wake;
use super::watch::{Snapshot, Watchpoint, Watchpoints};
use crate::debug::debuggee::{Error, Event, Plan};
use crate::debug::programs::Programs;
use crate::debug::thread::{Process, Thread};
use crate::slots::Slots;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

/// A machine that a debugger is attached to.
pub struct Live {
    pub(super) guest: Guest,
    pub(super) programs: Programs,
    pub(super) points: Points,
    pub(super) watchpoints: Watchpoints,
    pub(super) slots: Rc<RefCell<Slots>>,
    pub(super) notices: Notices,
    pub(super) unmaps: Unmaps,
    pub(super) wake: Wake,
    pub(super) rest: Rest,
    /// While it runs.
    pub(super) run: Option<Run>,
    pub(super) events: VecDeque<Event>,
    /// Who was last reported to be where. It does not stop there once more.
    pub(super) last: Option<(Thread, u64)>,
    pub(super) skip: Option<(Thread, u64)>,
    /// Threads in which a trap flag of ours may turn up.
    pub(super) stray: BTreeSet<Thread>,
    /// It has crashed or is gone: it does not run any more.
    pub(super) has_ended: bool,
}

/// How it runs.
pub(super) struct Run {
    pub steps: Vec<Step>,
    pub while_in: Option<(u64, u64)>,
    pub over: Option<Over>,
    /// Who has been told to be at a byte of ours, and is on its way over that or not even there yet.
    pub passing: Option<(Thread, u64)>,
}

/// A thread, alone, on its way over a byte of ours or to a watched place: neither is there meanwhile.
pub(super) struct Over {
    pub step: Step,
    /// Where that byte is.
    pub lifted: Option<u64>,
    /// What was in watched places, if nothing is watched meanwhile.
    pub unwatched: Option<Snapshot>,
    /// What is to be told when it has done that.
    pub then: Option<Event>,
}

impl Live {
    pub(super) fn start(&mut self, plan: Plan) -> Result<(), Error> {
        let started = self.begin(plan);
        if started.is_err() {
            self.stop(Vec::new());
        }
        started
    }

    fn begin(&mut self, plan: Plan) -> Result<(), Error> {
        self.refresh()?;
        self.notices.pass(&self.guest, &plan)?;
        self.skip = self.last.take().filter(|last| self.rip(last.0) == Some(last.1));
        self.run = Some(Run { steps: Vec::new(), while_in: plan.while_in, over: None, passing: self.skip });
        for thread in &plan.step {
            let step = Step::begin(&mut self.guest, &mut self.points, *thread, plan.alone)?;
            self.run.iter_mut().for_each(|run| run.steps.push(step));
        }
        let alone = plan.step.first().filter(|_| plan.alone).and_then(|thread| self.vcpu_that_steps(*thread));
        self.go(alone)
    }

    fn rip(&self, thread: Thread) -> Option<u64> {
        use crate::debug::view::View;
        match thread.as_vcpu() {
            Some(vcpu) => Some(self.guest.registers(vcpu)?.rip),
            None => Some(self.guest.ours.as_ref()?.kernel.registers(&self.guest, thread)?.rip),
        }
    }

    fn vcpu_that_steps(&self, thread: Thread) -> Option<usize> {
        thread.as_vcpu().or_else(|| self.guest.vcpu_of(thread))
    }

    /// Sends the vCPUs on, or just one. All stand still, and nothing of what has happened is left to be looked at.
    pub(super) fn go(&mut self, alone: Option<usize>) -> Result<(), Error> {
        let waits = self.run.as_ref().is_some_and(|run| run.steps.iter().any(Step::needs_exits));
        let waits = waits || self.unmaps.is_under_way() || self.points.has_pending();
        self.guest.watch_exits(waits || !self.guest.is_ready())?;
        self.wake.alone(alone.is_some());
        let vcpus: Vec<usize> = match alone {
            Some(vcpu) => vec![vcpu],
            None => (0..self.guest.machine.control.vcpus()).collect(),
        };
        self.send_on(&vcpus)
    }

    fn send_on(&mut self, vcpus: &[usize]) -> Result<(), Error> {
        for &vcpu in vcpus {
            self.guest.leave(vcpu)?;
        }
        self.guest.machine.forget();
        self.guest.machine.control.resume(vcpus);
        Ok(())
    }

    /// Looks at what has happened since. If that is something to tell, the machine stands still.
    pub(super) fn look(&mut self) -> Result<(), Error> {
        let (mut go, mut over, mut look, mut told) = (Vec::new(), None, false, Vec::new());
        if self.wake.is_late() && self.run.is_some() {
            // What the thread waits for needs the others.
            told.extend(self.stand_still()?);
            if told.is_empty() {
                return self.go(None);
            }
            self.stop(told);
            return Ok(());
        }
        for (vcpu, trap) in self.guest.machine.control.traps() {
            if self.run.is_none() {
                continue;
            }
            go.push(vcpu);
            match self.sort(vcpu, trap)? {
                Outcome::Go => {}
                Outcome::Over(at) => over = Some((vcpu, Some(at))),
                Outcome::Unwatched => over = Some((vcpu, None)),
                Outcome::Look => look = true,
                Outcome::Stop(event) => told.push(event),
            }
        }
        if self.run.is_none() || go.is_empty() {
            return Ok(());
        }
        if told.is_empty() && over.is_none() && !look {
            return self.send_on(&go);
        }
        told.extend(self.stand_still()?);
        if !told.is_empty() {
            self.stop(told);
            return Ok(());
        }
        if look {
            self.prepare()?;
        }
        match over {
            Some((vcpu, at)) => self.begin_over(vcpu, at),
            None => self.go(None),
        }
    }

    /// Has all vCPUs stand still. Returns what they have met meanwhile; breakpoints they will meet again.
    pub(super) fn stand_still(&mut self) -> Result<Vec<Event>, Error> {
        self.guest.machine.control.pause()?;
        let mut told = Vec::new();
        for (vcpu, trap) in self.guest.machine.control.traps() {
            if let Outcome::Stop(event) = self.sort(vcpu, trap)? {
                told.push(event);
            }
        }
        self.guest.machine.forget();
        Ok(told)
    }

    /// Does what could not be done before.
    pub(super) fn prepare(&mut self) -> Result<(), Error> {
        self.guest.make_ready()?;
        self.refresh()?;
        let waiting: Vec<Step> = match &mut self.run {
            Some(run) => run.steps.extract_if(.., |step| step.waits()).collect(),
            None => Vec::new(),
        };
        for step in waiting {
            let begun = Step::begin(&mut self.guest, &mut self.points, step.wanted, false)?;
            self.run.iter_mut().for_each(|run| run.steps.push(begun));
        }
        Ok(())
    }

    /// It stands still, and `told` is what has happened. One of them is told, the others happen again, but for the end of the machine.
    pub(super) fn stop(&mut self, told: Vec<Event>) {
        let Some(run) = self.run.take() else { return };
        self.wake.alone(false);
        let is_end = |event: &Event| matches!(event, Event::Crashed { .. } | Event::Exited(_));
        let (ends, others): (Vec<_>, Vec<_>) = told.into_iter().partition(is_end);
        let passing = run.passing;
        let is_gone = ends.iter().any(|event| matches!(event, Event::Exited(_)));
        self.has_ended |= !ends.is_empty();
        if !is_gone && let Err(error) = self.tidy_up(run, others.first()) {
            tracing::warn!("the machine is not as it was: {error}");
        }
        self.events.extend(others.into_iter().take(1).chain(ends));
        self.last = match self.events.front() {
            Some(Event::Breakpoint(thread) | Event::Stepped(thread)) => {
                self.rip(*thread).map(|rip| (*thread, rip))
            }
            Some(Event::Signal(..) | Event::Started { .. }) => self.notices.place(),
            // It has been told of already.
            _ => passing.filter(|passing| self.rip(passing.0) == Some(passing.1)),
        };
    }

    /// Takes back what was prepared for a run of which `told` is the end.
    fn tidy_up(&mut self, run: Run, told: Option<&Event>) -> Result<(), Error> {
        let over = run.over.map(|over| self.put_back(over)).transpose()?;
        for step in run.steps.into_iter().chain(over) {
            self.give_up(step, told)?;
        }
        self.guest.watch_exits(!self.guest.is_ready())?;
        self.refresh()
    }

    /// Looks again where everything is that may have moved.
    pub(super) fn refresh(&mut self) -> Result<(), Error> {
        self.guest.prune();
        self.notices.find(&mut self.guest, &mut self.points, &self.programs)?;
        self.points.refresh(&mut self.guest)?;
        self.unmaps.listen(&mut self.guest, &mut self.points)?;
        self.watchpoints.protect(&self.guest, &mut self.slots.borrow_mut())
    }

    /// Has in place again what was not while a thread was alone. Returns the step that it was for.
    fn put_back(&mut self, over: Over) -> Result<Step, Error> {
        if let Some(at) = over.lifted {
            self.guest.patches.back(&self.guest.machine, at)?;
        }
        if over.unwatched.is_some() {
            self.watchpoints.protect(&self.guest, &mut self.slots.borrow_mut())?;
        }
        Ok(over.step)
    }

    /// The step is done, if that is what is told, or not to be made any more.
    fn give_up(&mut self, step: Step, told: Option<&Event>) -> Result<(), Error> {
        let done = told == Some(&Event::Stepped(step.wanted));
        let vcpu = if done { self.vcpu_that_steps(step.wanted) } else { None };
        if step.end(&mut self.guest, &mut self.points, vcpu)?
            && let Some(l4) = step.l4
        {
            self.stray.insert(l4);
        }
        Ok(())
    }

    /// The step of a thread that is on `vcpu` is done, and may be one of many.
    pub(super) fn stepped(
        &mut self,
        vcpu: usize,
        step: Step,
        user: super::stand::User,
    ) -> Result<Outcome, Error> {
        let process = step.l4.map_or(Process::KERNEL, |l4| l4.process);
        let while_in = self.run.as_ref().and_then(|run| run.while_in);
        let goes_on = while_in.is_some_and(|(start, end)| (start..end).contains(&user.rip));
        if !goes_on || self.points.stops(process, user.rip) {
            return Ok(Outcome::Stop(Event::Stepped(step.wanted)));
        }
        step.end(&mut self.guest, &mut self.points, Some(vcpu))?;
        let next = Step::begin(&mut self.guest, &mut self.points, step.wanted, false)?;
        if let Some(run) = &mut self.run {
            run.steps.retain(|other| *other != step);
            run.steps.push(next);
        }
        Ok(Outcome::Go)
    }

    /// Whether `thread` is on its way over a byte of ours.
    pub(super) fn is_over(&self, thread: Thread) -> Option<&Over> {
        let over = self.run.as_ref()?.over.as_ref()?;
        (over.step.l4 == Some(thread)).then_some(over)
    }

    /// Has `vcpu`, alone, execute its next instruction: the one under our byte at `lifted`, or, if there is none, one that KVM cannot do for a page that is watched. All stand still.
    fn begin_over(&mut self, vcpu: usize, lifted: Option<u64>) -> Result<(), Error> {
        let wanted = match self.guest.user(vcpu) {
            Some(_) => self.guest.current(vcpu).unwrap_or(Thread::vcpu(vcpu)),
            None => Thread::vcpu(vcpu),
        };
        // A step that begins here is this one.
        let steps: Vec<Step> = match &mut self.run {
            Some(run) => run.steps.extract_if(.., |s| s.l4 == Some(wanted) || s.is_of_kernel(vcpu)).collect(),
            None => Vec::new(),
        };
        let then = steps.first().map(|step| Event::Stepped(step.wanted));
        for step in steps {
            step.end(&mut self.guest, &mut self.points, Some(vcpu))?;
        }
        let unwatched = lifted.is_none().then(|| self.watchpoints.snapshot(&self.guest));
        match lifted {
            Some(at) => self.guest.patches.lift(&self.guest.machine, at)?,
            None => {
                let unprotected = self.slots.borrow_mut().protect(BTreeMap::new());
                unprotected.map_err(|error| Error::Other(error.to_string()))?;
            }
        }
        let step = Step::begin(&mut self.guest, &mut self.points, wanted, true)?;
        if let Some(run) = &mut self.run {
            run.over = Some(Over { step, lifted, unwatched, then });
        }
        self.go(Some(vcpu))
    }

    /// It has. All others still stand.
    pub(super) fn end_over(&mut self, vcpu: usize) -> Result<Outcome, Error> {
        let Some(mut over) = self.run.as_mut().and_then(|run| run.over.take()) else {
            return Ok(Outcome::Go);
        };
        let before = over.unwatched.as_ref();
        let changed = before.and_then(|before| self.watchpoints.changed(&self.guest, before));
        let then = over.then.take();
        if let Some(run) = &mut self.run {
            run.passing.take_if(|(thread, _)| *thread == over.step.wanted);
        }
        let (thread, is_over) = (over.step.wanted, self.put_back(over)?);
        is_over.end(&mut self.guest, &mut self.points, Some(vcpu))?;
        let touched = changed.map(|watchpoint| touched(thread, watchpoint));
        // `Look` has everybody go on.
        Ok(touched.or(then).map_or(Outcome::Look, Outcome::Stop))
    }
}

/// `thread` has touched a watched place.
pub(super) fn touched(thread: Thread, watchpoint: Watchpoint) -> Event {
    Event::Watchpoint { thread, address: watchpoint.address, access: watchpoint.access }
}
