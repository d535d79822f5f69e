//! A good moment to stop a machine at.
//!
//! What a debugger asks about Linux programs, their files for one, is answered by the Linux server's own code (`report`). It cannot answer where one of its
//! threads is in the middle of something, and holds a lock of its heap, say. With a breakpoint, the place to stop at is given. But where it is anybody's guess,
//! because a debugger has just come or a person has pressed Ctrl-C, the machine goes on for a moment until that server waits for messages.

use super::machine::Machine;
use super::run::Live;
use crate::debug::debuggee::{Error, Event};
use crate::debug::programs::Programs;
use crate::debug::view::View;
use crate::inspect::Kernel;
use crate::inspect::names::Names;
use crate::inspect::state::Activity;
use crate::symbols;
use std::thread::sleep;
use std::time::Duration;
use vmm_abi::report::SYMBOL;

/// How often it is tried. One that is at work all the time but for a tenth is met at rest nearly always.
const TRIES: usize = 100;
/// How long the machine goes on for.
const NAP: Duration = Duration::from_micros(200);

/// Who answers questions, if anybody does.
pub struct Rest {
    server: Option<String>,
}

impl Rest {
    pub fn new(programs: &Programs) -> Self {
        let answers = programs.servers().iter().find(|(_, file)| symbols::find(file, SYMBOL).is_some());
        Self { server: answers.map(|(name, _)| name.clone()) }
    }

    /// Whether that server can answer, or there is none.
    fn is_there(&self, view: &dyn View, kernel: &Kernel, programs: &Programs) -> bool {
        let task = self.server.as_ref().and_then(|name| {
            let names = Names::read(view, kernel, programs.tables());
            kernel.task(view, names.find(name)?)
        });
        let threads = task.map(|task| kernel.threads_of(view, &task)).unwrap_or_default();
        let waits = |activity| {
            !matches!(
                activity,
                Activity::Running { .. } | Activity::Ready | Activity::Moving | Activity::Copying { .. }
            )
        };
        let tcbs = threads.into_iter().filter_map(|thread| kernel.thread(view, thread));
        tcbs.into_iter().all(|tcb| waits(kernel.state(view, &tcb).activity))
    }

    /// Has a machine come to rest that stands still, and in which nothing has been changed yet. It stands still afterwards.
    pub fn come(&self, machine: &Machine, kernel: &Kernel, programs: &Programs) -> Result<(), Error> {
        let vcpus: Vec<usize> = (0..machine.control.vcpus()).collect();
        for _ in 0..TRIES {
            if machine.control.has_crashed() || self.is_there(machine, kernel, programs) {
                break;
            }
            machine.forget();
            machine.control.resume(&vcpus);
            sleep(NAP);
            machine.control.pause()?;
        }
        Ok(())
    }
}

impl Live {
    /// Has the machine stand still somewhere. Returns what it has met meanwhile, as [`Live::stand_still`] does.
    pub(super) fn come_to_rest(&mut self) -> Result<Vec<Event>, Error> {
        for _ in 0..TRIES {
            let told = self.stand_still()?;
            if !told.is_empty() || self.is_stepping() || self.is_at_rest() {
                return Ok(told);
            }
            self.prepare()?;
            self.go(None)?;
            sleep(NAP);
        }
        self.stand_still()
    }

    /// Some thread is to do one instruction and no more, or is alone.
    fn is_stepping(&self) -> bool {
        self.run.as_ref().is_some_and(|run| !run.steps.is_empty() || run.over.is_some())
    }

    fn is_at_rest(&self) -> bool {
        let Some(ours) = &self.guest.ours else { return true };
        self.guest.machine.control.has_crashed()
            || self.rest.is_there(&self.guest.machine, &ours.kernel, &self.programs)
    }
}
