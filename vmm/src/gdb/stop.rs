//! Stops: what the machine says of them, and what gdb is told.
//!
//! Of a program that starts gdb is told that libraries have changed, in a process that it may not know yet: it gets to know that, reads its symbols, sets the
//! breakpoints that have waited for it, and goes on by itself. Of execve(2) it is told so.
//!
//! gdb gets a signal, which is what it knows that programs stop by: SIGTRAP for breakpoints and steps, SIGINT for Ctrl-C, the signal that a
//! Linux program would get, and SIGABRT for a machine that has crashed, with the reason on its console.

use super::session::{End, Session, State};
use super::{console, ids, signal, translate};
use crate::debug::debuggee::{Access, Error, Event, Plan};
use crate::debug::thread::{Process, Thread};
use gdbstub::common::Signal;
use gdbstub::stub::MultiThreadStopReason as Reason;
use gdbstub::target::ext::breakpoints::WatchKind;

/// Why the machine stands still.
pub(super) struct Stop {
    pub thread: Thread,
    /// Of a crash.
    message: Option<String>,
    /// As gdb has been told or, if it has not asked yet, will be.
    pub reply: Vec<u8>,
}

impl Default for Stop {
    fn default() -> Self {
        Self::found(Thread::vcpu(0))
    }
}

impl Stop {
    /// The machine stands still already.
    pub fn found(thread: Thread) -> Self {
        Self { thread, message: None, reply: reply(Signal::SIGTRAP, thread) }
    }
}

/// A stop reply as `gdbstub` writes it.
fn reply(signal: Signal, thread: Thread) -> Vec<u8> {
    format!("T{:02x}thread:{};", signal.0, ids::write(thread, false)).into_bytes()
}

impl Session<'_> {
    /// The machine has stopped while nobody waits for a reply.
    pub(super) fn stopped(&mut self, stop: Stop) {
        self.target.current = stop.thread;
        self.stop = stop;
        self.state = State::Stopped;
    }

    pub(super) fn event(&mut self, event: Event) {
        match self.state {
            State::Running => self.report(event),
            State::Ended(_) => {}
            _ if matches!(event, Event::Exited(_)) => self.state = State::Ended(End::Exited),
            State::Stopping(attached) => {
                self.stopped(quiet_stop(event));
                if let Some(process) = attached {
                    self.attached(process);
                }
            }
            // A crash without a debugger: the machine goes its way.
            State::Free => self.target.debuggee().detach(),
            State::Leaving => self.leave(),
            State::Stopped => {}
        }
    }

    /// Tells gdb, which waits for it.
    fn report(&mut self, event: Event) {
        if let Event::Exited(status) = event {
            self.exited(status);
            return;
        }
        let (thread, signal) = who(&event);
        if self.target.released.contains(&thread.process) && !matches!(event, Event::Crashed { .. }) {
            return self.of_released(&event, signal);
        }
        self.target.current = thread;
        self.stop = quiet_stop(event.clone());
        if let Some(message) = &self.stop.message {
            self.out.send(&console::line(message));
        }
        let Some(tid) = ids::pack(thread) else { return };
        let reason = match event {
            Event::Breakpoint(_) if self.at_hardware_breakpoint(thread) => Reason::HwBreak(tid),
            Event::Breakpoint(_) => Reason::SwBreak(tid),
            Event::Watchpoint { address, access, .. } => {
                Reason::Watch { tid, kind: kind(access), addr: address }
            }
            Event::Started { .. } => {
                self.lists.meets(thread.process);
                Reason::Library(tid)
            }
            _ => Reason::SignalWithThread { tid, signal },
        };
        let program = match event {
            Event::Started { thread, new: false } => self.target.new_program(thread.process),
            _ => None,
        };
        self.tell(reason, program);
    }

    /// With the path of the program that the thread's process has become, if it has.
    fn tell(&mut self, reason: Reason<u64>, program: Option<String>) {
        self.state = State::Stopped;
        self.lists.stopped();
        self.naming.means_stopped();
        for answer in self.stub.report(&mut self.target, reason) {
            let answer = program.as_ref().map_or(answer.clone(), |path| executes(&answer, path));
            self.stop.reply.clone_from(&answer);
            self.out.send(&translate::stop_reply(&answer, self.multiprocess));
        }
    }

    fn at_hardware_breakpoint(&mut self, thread: Thread) -> bool {
        let registers = self.target.debuggee().registers(thread);
        registers.is_ok_and(|registers| self.target.points.is_hardware(thread, registers.rip))
    }

    /// gdb has let go of this thread's process. What it does is its own affair; if it was Ctrl-C, any other thread will do.
    fn of_released(&mut self, event: &Event, signal: Signal) {
        if let (Event::Interrupted(_), Some(other)) = (event, self.target.threads().first()) {
            return self.report(Event::Interrupted(*other));
        }
        let passed = match *event {
            Event::Signal(thread, number) => Some((thread, number)),
            _ => None,
        };
        let resumed = self.target.debuggee().resume(Plan { signal: passed, ..Plan::default() });
        if let (Err(error), Some(other)) =
            (resumed, self.target.threads().first().and_then(|it| ids::pack(*it)))
        {
            self.out.send(&console::line(&error.to_string()));
            self.tell(Reason::SignalWithThread { tid: other, signal }, None);
        }
    }

    /// The machine has ended. gdb takes it for the end of the current process; that the others are gone too it learns from the connection's end.
    fn exited(&mut self, status: u8) {
        let Process(process) = self.target.current.process;
        for answer in self.stub.report(&mut self.target, Reason::Exited(status)) {
            let of = if self.multiprocess { format!(";process:{process:x}") } else { String::new() };
            self.out.send(&[&answer[..], of.as_bytes()].concat());
        }
        self.state = State::Ended(End::Exited);
    }

    /// What has come of an attempt to go on. A machine that cannot has stopped again at once, for the same reason as before.
    pub(super) fn resumed(&mut self, resumed: Result<(), Error>) {
        self.state = State::Running;
        let Err(error) = resumed else { return };
        self.out.send(&console::line(&error.to_string()));
        if let Some(message) = &self.stop.message {
            self.out.send(&console::line(message));
        }
        let thread = self.stop.thread;
        self.target.current = thread;
        if let Some(tid) = ids::pack(thread) {
            self.tell(Reason::SignalWithThread { tid, signal: Signal::SIGZERO }, None);
        }
    }

    /// Why the machine stands still, again.
    pub(super) fn stop_reply(&self) -> Vec<u8> {
        translate::stop_reply(&self.stop.reply, self.multiprocess)
    }
}

/// What gdb is told if it asks, and nothing else.
fn quiet_stop(event: Event) -> Stop {
    let (thread, signal) = who(&event);
    let message = match event {
        Event::Crashed { message, .. } => Some(message),
        _ => None,
    };
    Stop { thread, message, reply: reply(signal, thread) }
}

/// The thread that has stopped, and the signal for it.
fn who(event: &Event) -> (Thread, Signal) {
    match *event {
        Event::Breakpoint(thread) | Event::Stepped(thread) => (thread, Signal::SIGTRAP),
        Event::Watchpoint { thread, .. } => (thread, Signal::SIGTRAP),
        Event::Interrupted(thread) => (thread, Signal::SIGINT),
        Event::Signal(thread, number) => (thread, signal::to_gdb(number)),
        Event::Started { thread, .. } => (thread, Signal::SIGTRAP),
        Event::Crashed { thread, .. } => (thread, Signal::SIGABRT),
        Event::Exited(_) => (Thread::vcpu(0), Signal::SIGZERO),
    }
}

/// A stop reply, of changed libraries, as one of a process that executes the program at `path`: `gdbstub` has no such.
fn executes(reply: &[u8], path: &str) -> Vec<u8> {
    let mut reply = reply.strip_suffix(b"library:;").unwrap_or(reply).to_vec();
    reply.extend_from_slice(b"exec:");
    reply.extend(path.bytes().flat_map(|byte| format!("{byte:02x}").into_bytes()));
    reply.push(b';');
    reply
}

fn kind(access: Access) -> WatchKind {
    match access {
        Access::Write => WatchKind::Write,
        Access::Read => WatchKind::Read,
        Access::Both => WatchKind::ReadWrite,
    }
}
