//! Signals that Linux programs are about to get because of what they have done: the moment to stop is before that.
//!
//! The Linux server calls an empty function of its own then (`userlib::debug`), in which we have a breakpoint; the function's arguments say who gets which signal, and what is
//! left of them there when the server goes on is what the program gets.
//!
//! A server that has the function may not run yet. So there is a breakpoint where the kernel makes tasks as well, as long as one is missing: a Linux server has
//! been started when it makes a task itself.

use super::guest::Guest;
use super::points::{For, Points};
use crate::debug::debuggee::{Error, Event, Plan};
use crate::debug::programs::Programs;
use crate::debug::thread::{Process, Thread};
use crate::inspect::names::Names;
use crate::symbols;
use kvm_bindings::kvm_regs;

/// Task in rdi, lthread in rsi, signal in rdx.
const FUNCTION: &str = "ukvmm_program_signal";
/// The kernel's function that makes tasks.
const MAKES_TASKS: &str = "ukernel::syscall::task_new::call";

/// A server that tells.
struct Source {
    name: String,
    address: u64,
    /// Its task, and the identifier of that task's first thread.
    task: Option<(Process, u64)>,
}

/// Who is about to get which signal.
struct Pending {
    /// The server's thread, which is on this vCPU at this address.
    server: Thread,
    vcpu: usize,
    at: u64,
    program: Thread,
}

pub struct Signals {
    sources: Vec<Source>,
    /// Where the kernel makes tasks, and whether we hear of it.
    makes_tasks: Option<u64>,
    listens: bool,
    pending: Option<Pending>,
}

impl Signals {
    pub fn new(programs: &Programs) -> Self {
        let source = |(name, path): &(String, std::path::PathBuf)| {
            let address = symbols::find(path, FUNCTION)?.address;
            Some(Source { name: name.clone(), address, task: None })
        };
        let sources: Vec<_> = programs.servers().iter().filter_map(source).collect();
        let makes_tasks = symbols::find_function(programs.kernel(), MAKES_TASKS);
        Self { sources, makes_tasks, listens: false, pending: None }
    }

    /// Has breakpoints in the servers that are there. The machine has run.
    pub fn find(&mut self, guest: &mut Guest, points: &mut Points, programs: &Programs) -> Result<(), Error> {
        let Some(ours) = &guest.ours else { return Ok(()) };
        let names = Names::read(&*guest, &ours.kernel, programs.tables());
        for source in &mut self.sources {
            let task = names.find(&source.name).map(|task| Thread::l4(task, 0));
            let found = task.and_then(|first| {
                let ours = guest.ours.as_ref()?;
                Some((first.process, ours.kernel.thread(&guest.machine, first)?.id.0))
            });
            if found == source.task {
                continue;
            }
            if let Some((old, _)) = source.task.take() {
                points.remove(guest, old, source.address, For::Us)?;
            }
            if let Some((process, _)) = found {
                points.insert(guest, process, source.address, For::Us)?;
                source.task = found;
            }
        }
        self.listen(guest, points)
    }

    /// Hears of new tasks as long as a server is missing.
    fn listen(&mut self, guest: &mut Guest, points: &mut Points) -> Result<(), Error> {
        let is_missing = self.sources.iter().any(|source| source.task.is_none());
        let Some(at) = self.makes_tasks.filter(|_| is_missing != self.listens) else { return Ok(()) };
        self.listens = is_missing;
        if is_missing {
            points.insert(guest, Process::KERNEL, at, For::Us)
        } else {
            points.remove(guest, Process::KERNEL, at, For::Us)
        }
    }

    /// What `thread`, which is on `vcpu` at `at`, says by that.
    pub fn met(&mut self, guest: &Guest, vcpu: usize, thread: Thread, at: u64) -> Option<Event> {
        let is_source = |source: &Source| {
            source.address == at && source.task.is_some_and(|(process, _)| process == thread.process)
        };
        self.sources.iter().find(|source| is_source(source))?;
        let regs = guest.machine.general(vcpu).ok()?;
        let (task, lthread, signal) =
            (regs.rdi.try_into().ok()?, regs.rsi.try_into().ok()?, regs.rdx.try_into().ok()?);
        let program = Thread::l4(task, lthread);
        self.pending = Some(Pending { server: thread, vcpu, at, program });
        Some(Event::Signal(program, signal))
    }

    /// Where the server is that has told.
    pub fn place(&self) -> Option<(Thread, u64)> {
        self.pending.as_ref().map(|pending| (pending.server, pending.at))
    }

    /// The program that was about to get a signal gets the one that the debugger wants, or none.
    pub fn pass(&mut self, guest: &Guest, plan: &Plan) -> Result<(), Error> {
        let Some(pending) = &self.pending else { return Ok(()) };
        if plan.alone && !plan.step.contains(&pending.server) && !plan.step.contains(&pending.program) {
            // Another one's turn.
            return Ok(());
        }
        let signal =
            plan.signal.filter(|(thread, _)| *thread == pending.program).map_or(0, |(_, signal)| signal);
        let is_there = guest.user(pending.vcpu).is_some_and(|user| user.rip == pending.at);
        if is_there && guest.current(pending.vcpu) == Some(pending.server) {
            let regs = guest.machine.general(pending.vcpu)?;
            guest.machine.set_general(pending.vcpu, kvm_regs { rdx: signal.into(), ..regs })?;
        }
        self.pending = None;
        Ok(())
    }
}
