//! Which thread gdb means where a packet names none: the one of the last packet `Hg`, or of the last stop, whichever came later.
//!
//! There is a third, which gdb (13) does not name. It gets to know a process by asking whether it is attached to it. Then it reads of the process
//! what it needs to find its symbols, memory and the auxiliary vector, while it has no thread of it yet; so it says that it means any process. When gdb comes to a machine,
//! it does so with all processes between asking why the machine has stopped and believing it, of which `Hc` is the sign.

use super::ids::{self, Id, Of};
use super::session::Session;
use super::translate;
use crate::debug::thread::{Process, Thread};

pub(super) struct Naming {
    /// It has said that it means any.
    any: bool,
    /// The process that it is getting to know.
    asked: Option<Process>,
}

impl Default for Naming {
    fn default() -> Self {
        Self { any: true, asked: None }
    }
}

impl Session<'_> {
    /// gdb names a thread, any of a process, or any at all. Returns the packet in which one is named.
    pub(super) fn name(&mut self, id: &[u8]) -> Option<Vec<u8>> {
        let id = Id::parse(id)?;
        self.naming.any = matches!(id.process, Of::Any);
        if self.naming.any {
            self.mean_asked();
        } else {
            self.naming.asked = None;
        }
        // Whether there is a thread that it names exactly turns out when it wants something of it.
        let exact = id.thread().filter(|thread| !self.target.released.contains(&thread.process));
        let thread = exact.or_else(|| translate::choose(id, &self.target.threads(), self.target.current))?;
        self.target.current = thread;
        Some(format!("Hg{}", ids::write(thread, false)).into_bytes())
    }

    /// gdb asks whether it is attached to `process`.
    pub(super) fn asked_about(&mut self, process: Process) {
        self.naming.asked = Some(process);
        if self.naming.any {
            self.mean_asked();
        }
    }

    fn mean_asked(&mut self) {
        let asked = |thread: &Thread| Some(thread.process) == self.naming.asked;
        if let Some(thread) = self.target.threads().into_iter().find(asked) {
            self.mean(thread);
        }
    }

    /// Has gdb's packets that name no thread mean this one.
    pub(super) fn mean(&mut self, thread: Thread) {
        self.target.current = thread;
        let named = format!("Hg{}", ids::write(thread, false));
        // That it is good is nothing for gdb.
        let _ = self.stub.ask(&mut self.target, named.as_bytes());
    }

    /// gdb has got to know all processes (`Hc`), and turns to the thread that has stopped.
    pub(super) fn turn_to_stopped(&mut self) {
        if self.naming.any {
            self.mean(self.stop.thread);
            self.naming.means_stopped();
        }
    }
}

impl Naming {
    /// gdb is told of a stop, and means its thread from then on.
    pub fn means_stopped(&mut self) {
        (self.any, self.asked) = (false, None);
    }
}
