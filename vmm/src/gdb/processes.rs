//! Packets about processes: attach, detach, kill.
//!
//! gdb is attached to all of them when it comes. It can let go of one (`detach`): its breakpoints go, and it is as if it were not there, until
//! gdb attaches to it again (`attach`, with `target extended-remote`). When gdb has let go of the last, the machine runs on. To kill a process
//! (`kill`) is to end the machine: there is nobody else to whom it belongs.

use super::ids;
use super::session::{End, Session, State};
use super::stop::Stop;
use crate::debug::thread::{Process, Thread};

const NO_SUCH_PROCESS: &[u8] = b"E.there is no such process";

impl Session<'_> {
    /// Does a packet about processes, or says that it is none.
    pub(super) fn about_processes(&mut self, body: &[u8]) -> bool {
        match body {
            b"?" => self.out.send(&self.stop_reply()),
            b"qC" => {
                let current = ids::write(self.target.current, self.multiprocess);
                self.out.send(format!("QC{current}").as_bytes());
            }
            b"D" => self.detach_all(),
            b"k" => self.kill(),
            _ => {
                let process = |prefix: &[u8]| body.strip_prefix(prefix).map(process);
                if let Some(Some(process)) = process(b"qAttached:") {
                    self.asked_about(process);
                    self.out.send(b"1");
                } else if let Some(process) = process(b"D;") {
                    self.for_process(process, Self::detach);
                } else if let Some(process) = process(b"vAttach;") {
                    self.for_process(process, Self::attached);
                } else if let Some(process) = process(b"vKill;") {
                    self.for_process(process, |session, _| {
                        session.out.send(b"OK");
                        session.kill();
                    });
                } else {
                    return false;
                }
            }
        }
        true
    }

    /// Does a packet that comes when gdb has let go of all processes.
    pub(super) fn packet_without_process(&mut self, body: &[u8]) {
        match (body, body.strip_prefix(b"vAttach;").map(process)) {
            (b"?", _) => self.out.send(b"W00"),
            (b"qfThreadInfo" | b"qsThreadInfo", _) => self.out.send(b"l"),
            (_, Some(Some(process))) => {
                self.state = State::Stopping(Some(process));
                self.target.debuggee().interrupt();
            }
            _ => self.out.send(b"E.no process is being debugged"),
        }
    }

    /// Answers gdb that it is attached to `process`, whose threads stand still.
    pub(super) fn attached(&mut self, process: Process) {
        self.target.released.remove(&process);
        let threads = self.target.threads();
        if let Some(&thread) = threads.iter().find(|thread| thread.process == process) {
            self.stopped(Stop::found(thread));
            self.naming.means_stopped();
            self.mean(thread);
            self.out.send(&self.stop_reply());
            return;
        }
        self.out.send(NO_SUCH_PROCESS);
        if threads.is_empty() {
            self.target.debuggee().detach();
            self.state = State::Free;
        }
    }

    fn for_process(&mut self, process: Option<Process>, action: impl FnOnce(&mut Self, Process)) {
        match process.filter(|&process| self.processes().any(|it| it.process == process)) {
            Some(process) => action(self, process),
            None => self.out.send(NO_SUCH_PROCESS),
        }
    }

    /// All threads, also those that gdb has let go of.
    fn processes(&mut self) -> impl Iterator<Item = Thread> + use<> {
        self.target.debuggee().threads().into_iter()
    }

    fn detach(&mut self, process: Process) {
        self.target.release(process);
        if self.target.threads().is_empty() {
            self.detach_all();
        } else {
            self.out.send(b"OK");
        }
    }

    fn detach_all(&mut self) {
        self.out.send(b"OK");
        if self.extended {
            let all: Vec<Process> = self.processes().map(|thread| thread.process).collect();
            all.into_iter().for_each(|process| self.target.release(process));
            self.target.debuggee().detach();
            self.state = State::Free;
        } else {
            self.leave();
        }
    }

    fn kill(&mut self) {
        self.target.debuggee().kill();
        self.state = State::Ended(End::Killed);
    }
}

/// The process in `D;5`; `None` if there is no number.
fn process(text: &[u8]) -> Option<Process> {
    Some(Process(u32::try_from(ids::hex(text)?).ok()?))
}
