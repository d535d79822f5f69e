//! Which thread gdb means where a packet names none: the one of the last packet `Hg`.

use super::ids::{self, Id, Of};
use super::session::Session;
use super::translate;
use crate::debug::thread::{Process, Thread};

/// gdb (13) gets to know a process by asking whether it is attached to it. Then it reads the process's auxiliary vector, and says that it means
/// any process by that.
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
            self.target.current = thread;
        }
    }
}
