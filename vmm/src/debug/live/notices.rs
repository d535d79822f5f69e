//! What servers tell: that a program starts, and that one is about to get a signal because of what it has done. The moment to stop is before that.
//!
//! A server calls an empty function of its own then (`userlib::debug`), in which we have a breakpoint. Its arguments say who starts, or gets which signal; and what is
//! left of the signal there when the server goes on is what the program gets.
//!
//! A server that has such a function may not run yet. So there is a breakpoint where the kernel makes tasks as well, as long as one is missing: a server has
//! been started when it makes a task itself.

use super::guest::Guest;
use super::points::{For, Points, owner};
use crate::debug::debuggee::{Error, Event, Plan};
use crate::debug::programs::Programs;
use crate::debug::thread::{Process, Thread};
use crate::inspect::names::Names;
use crate::symbols;
use kvm_bindings::kvm_regs;
use std::collections::BTreeSet;

/// Task in rdi, lthread in rsi, signal in rdx.
const SIGNAL: &str = "ukvmm_program_signal";
/// Task in rdi.
const START: &str = "ukvmm_program_starts";
/// The kernel's function that makes tasks.
const MAKES_TASKS: &str = "ukernel::syscall::task_new::call";

/// A server that tells something.
struct Source {
    name: String,
    function: &'static str,
    address: u64,
    /// Its task, and the identifier of that task's first thread.
    task: Option<(Process, u64)>,
}

/// What has been told and waits for the debugger.
struct Pending {
    /// The server's thread, which is on this vCPU at this address.
    server: Thread,
    vcpu: usize,
    at: u64,
    /// Who is about to get a signal.
    program: Option<Thread>,
}

pub struct Notices {
    sources: Vec<Source>,
    /// Where the kernel makes tasks, and whether we hear of it.
    makes_tasks: Option<u64>,
    listens: bool,
    pending: Option<Pending>,
    /// The tasks of which the debugger knows, and the identifier of each one's first thread.
    known: BTreeSet<(Process, u64)>,
}

impl Notices {
    pub fn new(programs: &Programs) -> Self {
        let source = |(name, path): &(String, std::path::PathBuf), function| {
            let address = symbols::find(path, function)?.address;
            Some(Source { name: name.clone(), function, address, task: None })
        };
        let functions = |server| [SIGNAL, START].into_iter().filter_map(move |it| source(server, it));
        let sources: Vec<_> = programs.servers().iter().flat_map(functions).collect();
        let makes_tasks = symbols::find_function(programs.kernel(), MAKES_TASKS);
        Self { sources, makes_tasks, listens: false, pending: None, known: BTreeSet::new() }
    }

    /// The debugger has come, and sees the tasks that are there.
    pub fn begin(&mut self, guest: &Guest) {
        let Some(ours) = &guest.ours else { return };
        let first = |thread: &Thread| thread.as_l4().is_some_and(|(_, lthread)| lthread == 0);
        let threads = ours.kernel.threads(&guest.machine).into_iter().filter(first);
        self.known = threads.filter_map(|thread| identity(guest, thread.process)).collect();
    }

    /// Has breakpoints in the servers that are there. The machine has run.
    pub fn find(&mut self, guest: &mut Guest, points: &mut Points, programs: &Programs) -> Result<(), Error> {
        let Some(ours) = &guest.ours else { return Ok(()) };
        let names = Names::read(&*guest, &ours.kernel, programs.tables());
        for source in &mut self.sources {
            let found =
                names.find(&source.name).and_then(|task| identity(guest, Thread::l4(task, 0).process));
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
        let source = self.sources.iter().find(|source| is_source(source))?;
        let regs = guest.machine.general(vcpu).ok()?;
        let task = regs.rdi.try_into().ok()?;
        let (event, program) = if source.function == SIGNAL {
            let program = Thread::l4(task, regs.rsi.try_into().ok()?);
            (Event::Signal(program, regs.rdx.try_into().ok()?), Some(program))
        } else {
            let thread = Thread::l4(task, 0);
            (Event::Started { thread, new: self.known.insert(identity(guest, thread.process)?) }, None)
        };
        self.pending = Some(Pending { server: thread, vcpu, at, program });
        Some(event)
    }

    /// Where the server is that has told something.
    pub fn place(&self) -> Option<(Thread, u64)> {
        self.pending.as_ref().map(|pending| (pending.server, pending.at))
    }

    /// The program that was about to get a signal gets the one that the debugger wants, or none.
    pub fn pass(&mut self, guest: &Guest, plan: &Plan) -> Result<(), Error> {
        let Some(pending) = &self.pending else { return Ok(()) };
        let Some(program) = pending.program else {
            self.pending = None;
            return Ok(());
        };
        if plan.alone && !plan.step.contains(&pending.server) && !plan.step.contains(&program) {
            // Another one's turn.
            return Ok(());
        }
        let signal = plan.signal.filter(|(thread, _)| *thread == program).map_or(0, |(_, signal)| signal);
        let is_there = guest.user(pending.vcpu).is_some_and(|user| user.rip == pending.at);
        if is_there && guest.current(pending.vcpu) == Some(pending.server) {
            let regs = guest.machine.general(pending.vcpu)?;
            guest.machine.set_general(pending.vcpu, kvm_regs { rdx: signal.into(), ..regs })?;
        }
        self.pending = None;
        Ok(())
    }
}

/// A task and the identifier of its first thread: another's, with the same number, differs.
fn identity(guest: &Guest, process: Process) -> Option<(Process, u64)> {
    Some((process, owner(guest, process)?))
}
