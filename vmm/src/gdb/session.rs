//! One debugger's session: bytes in, bytes out, and what happens to the machine meanwhile.
//!
//! No file descriptors here: [`super::serve`] has those, and tests and the fuzzer have none.

use super::framing::{Framer, Incoming, Outbox};
use super::lists::Lists;
use super::naming::Naming;
use super::stop::Stop;
use super::stub::Stub;
use super::target::Target;
use super::{console, translate};
use crate::debug::debuggee::{Debuggee, Error};
use crate::debug::thread::{Process, Thread};

/// Nothing more is taken in while so many bytes wait to go out: who asks without reading gets no memory for it.
const FULL: usize = 0x4_0000;

/// How a session has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The debugger is gone and the machine runs on.
    Left,
    /// The debugger has ended the machine.
    Killed,
    /// The machine has ended.
    Exited,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// The machine has been told to stop. If it is for gdb to attach to a process, this is it.
    Stopping(Option<Process>),
    Stopped,
    /// gdb waits for the machine to stop by itself.
    Running,
    /// gdb has let go of all processes and is still there (`target extended-remote`): the machine runs without it.
    Free,
    /// The debugger is gone, and the machine has been told to stop to be rid of its breakpoints.
    Leaving,
    Ended(End),
}

pub struct Session<'d> {
    framer: Framer,
    pub(super) out: Outbox,
    pub(super) stub: Stub<'d>,
    pub(super) target: Target<'d>,
    pub(super) state: State,
    /// gdb knows several processes.
    pub(super) multiprocess: bool,
    /// gdb stays when there is nothing to debug.
    pub(super) extended: bool,
    pub(super) naming: Naming,
    /// gdb has been told how to have it run all processes.
    hinted: bool,
    /// Why the machine stands still.
    pub(super) stop: Stop,
    pub(super) lists: Lists,
}

impl<'d> Session<'d> {
    /// A debugger has come. It finds the machine standing still.
    pub fn new(debuggee: &'d mut dyn Debuggee, running: bool) -> Self {
        let mut session = Self {
            framer: Framer::default(),
            out: Outbox::default(),
            stub: Stub::default(),
            target: Target::new(debuggee),
            state: State::Stopping(None),
            multiprocess: false,
            extended: false,
            naming: Naming::default(),
            hinted: false,
            stop: Stop::default(),
            lists: Lists::default(),
        };
        if running {
            session.target.debuggee().interrupt();
        } else {
            let first = session.target.threads().first().copied();
            session.stopped(Stop::found(first.unwrap_or(Thread::vcpu(0))));
        }
        session
    }

    /// Takes bytes from the debugger: as many as it says, since it waits with the others until the machine stands still or answers have gone out.
    pub fn receive(&mut self, bytes: &[u8]) -> usize {
        for (taken, &byte) in bytes.iter().enumerate() {
            if !self.takes() {
                return taken;
            }
            let running = matches!(self.state, State::Running | State::Free);
            match self.framer.push(byte, running) {
                Some(Incoming::Packet(body)) => {
                    self.out.acknowledge(true);
                    self.packet(&body);
                }
                Some(Incoming::Interrupt) if self.state == State::Running => {
                    self.target.debuggee().interrupt()
                }
                Some(Incoming::Resend) => self.out.resend(),
                Some(Incoming::Damaged) if self.out.acknowledges() => self.out.acknowledge(false),
                Some(Incoming::Damaged) => self.out.send(b"E.a packet with a wrong checksum"),
                Some(Incoming::TooLong) => {
                    self.out.acknowledge(true);
                    self.out.send(b"E.a packet that is too long");
                }
                Some(Incoming::Interrupt) | None => {}
            }
        }
        bytes.len()
    }

    /// Whether it takes bytes now.
    pub fn takes(&self) -> bool {
        matches!(self.state, State::Stopped | State::Running | State::Free) && self.out.bytes().len() < FULL
    }

    /// What is to go to the debugger.
    pub fn outbox(&mut self) -> &mut Outbox {
        &mut self.out
    }

    pub fn end(&self) -> Option<End> {
        match self.state {
            State::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// The machine has something to say ([`Debuggee::ready`]).
    pub fn happened(&mut self) {
        if let Some(event) = self.target.debuggee().event() {
            self.event(event);
        }
    }

    /// The connection is gone. The machine runs on, if need be after a stop without which its breakpoints cannot go.
    pub fn hang_up(&mut self) {
        match self.state {
            State::Stopped => self.leave(),
            State::Running => {
                self.state = State::Leaving;
                self.target.debuggee().interrupt();
            }
            State::Stopping(_) => self.state = State::Leaving,
            State::Free => self.state = State::Ended(End::Left),
            State::Leaving | State::Ended(_) => {}
        }
    }

    /// The machine, which stands still, runs on without a debugger.
    pub(super) fn leave(&mut self) {
        self.target.debuggee().detach();
        self.state = State::Ended(End::Left);
    }

    pub(super) fn send_all(&mut self, answers: Vec<Vec<u8>>) {
        answers.iter().for_each(|answer| self.out.send(answer));
    }

    fn packet(&mut self, body: &[u8]) {
        if self.about_connection(body) {
            return;
        }
        match self.state {
            State::Free => self.packet_without_process(body),
            State::Running => self.out.send(b"E.the machine runs"),
            _ => {
                if !self.about_processes(body) && !self.about_lists(body) {
                    self.delegate(body);
                }
            }
        }
    }

    /// What gdb and we agree on.
    fn about_connection(&mut self, body: &[u8]) -> bool {
        match body {
            b"QStartNoAckMode" => {
                self.out.send(b"OK");
                self.out.stop_acknowledging();
            }
            b"!" => {
                self.extended = true;
                self.out.send(b"OK");
            }
            _ if body.starts_with(b"qSupported") => self.supported(body),
            _ => return false,
        }
        true
    }

    fn supported(&mut self, body: &[u8]) {
        self.multiprocess =
            body.split(|&byte| matches!(byte, b':' | b';')).any(|word| word == b"multiprocess+");
        // `gdbstub` is to write plain numbers.
        let mut answers = self.stub.ask(&mut self.target, b"qSupported:multiprocess-");
        answers.iter_mut().for_each(|answer| answer.extend(b";qXfer:threads:read+"));
        self.send_all(answers);
    }

    /// Has `gdbstub` answer.
    fn delegate(&mut self, body: &[u8]) {
        if body.starts_with(b"Hc") {
            self.turn_to_stopped();
        }
        let request = match body.strip_prefix(b"Hg") {
            Some(id) => self.name(id),
            None => translate::request(body),
        };
        let Some(request) = request else {
            return self.out.send(MALFORMED);
        };
        self.target.refusal = None;
        let answers = self.stub.ask(&mut self.target, &bounded(request));
        let answers = answers.into_iter().map(|answer| self.in_words(answer)).collect();
        self.send_all(answers);
        if let Some(resumed) = self.target.resumed.take() {
            self.hint(body);
            self.resumed(resumed);
        }
    }

    /// gdb has one process run. All run, and of the others gdb shows registers from before.
    fn hint(&mut self, body: &[u8]) {
        if !self.hinted && self.lists.has_several_processes() && translate::is_for_one_process(body) {
            self.hinted = true;
            self.out.send(&console::line(HINT));
        }
    }

    /// Replaces the number of an error by words if there are some that the number does not say. gdb shows them where it shows anything.
    fn in_words(&mut self, answer: Vec<u8>) -> Vec<u8> {
        let is_error = matches!(answer[..], [b'E', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
        match self.target.refusal.take() {
            Some(Error::NotMapped(_)) | None => answer,
            Some(error) if is_error => format!("E.{error}").into_bytes(),
            Some(_) => answer,
        }
    }
}

/// Asks for no more memory than fits into a packet as digits; gdb takes less than it has asked for.
fn bounded(request: Vec<u8>) -> Vec<u8> {
    let read = || {
        let (address, length) = std::str::from_utf8(&request).ok()?.strip_prefix('m')?.split_once(',')?;
        let length = u64::from_str_radix(length, 16).ok()?;
        (length > MOST_MEMORY).then(|| format!("m{address},{MOST_MEMORY:x}").into_bytes())
    };
    read().unwrap_or(request)
}

/// The answer to what cannot be understood.
pub(super) const MALFORMED: &[u8] = b"E01";
/// Printed by gdb.
const HINT: &str =
    "All processes run, but gdb shows old registers of all but this one. Say \"set schedule-multiple on\".";

const MOST_MEMORY: u64 = super::framing::PACKET_SIZE as u64 / 2 - 16;
