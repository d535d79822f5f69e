//! The terminal: reading and writing it, and who may.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

use super::line::{Action, CAPACITY, Line};
use super::output::Output;
use super::termios::{Key, Termios};
use super::{Channel, ConsoleHost};
use crate::buf::{Sink, Source};
use crate::errno::{Errno, Result};
use crate::exec::WaitQueue;
use crate::fs::context::Caller;
use crate::fs::file::{FileOps, Io};
use crate::fs::poll::Events;
use linux_raw_sys::general as raw;

/// Bytes of a write that are processed in one go.
const BLOCK: usize = 1024;
/// The unit of VTIME.
const DECISECOND: u64 = 100_000_000;

/// Size in characters and pixels (`struct winsize`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WindowSize {
    pub rows: u16,
    pub columns: u16,
    pub width: u16,
    pub height: u16,
}

/// A handle to the terminal; a clone is the same terminal.
#[derive(Clone)]
pub struct Terminal(pub(super) Rc<Inner>);

pub(super) struct Inner {
    pub(super) host: Rc<dyn ConsoleHost>,
    pub(super) state: RefCell<State>,
    readable: WaitQueue,
    writable: WaitQueue,
}

pub(super) struct State {
    pub(super) modes: Termios,
    pub(super) line: Line,
    output: Output,
    /// What is to be sent, and (after ^S) may not be yet.
    pending: Vec<u8>,
    /// ^S was typed.
    pub(super) stopped: bool,
    /// There will be no more input.
    ended: bool,
    /// When the last input came, in ns.
    last_input: u64,
    pub(super) size: WindowSize,
    /// The session that this is the controlling terminal of.
    pub(super) session: Option<u32>,
    /// The foreground process group.
    pub(super) group: Option<u32>,
}

impl Terminal {
    pub fn new(host: Rc<dyn ConsoleHost>, size: WindowSize) -> Self {
        let state = State {
            modes: Termios::default(),
            line: Line::default(),
            output: Output::default(),
            pending: Vec::new(),
            stopped: false,
            ended: false,
            last_input: 0,
            size,
            session: None,
            group: None,
        };
        let queues = (WaitQueue::new(), WaitQueue::new());
        Self(Rc::new(Inner { host, state: RefCell::new(state), readable: queues.0, writable: queues.1 }))
    }

    /// Bytes from the keyboard. Returns how many were taken: in canonical mode all (what does not fit into the line is lost, as on
    /// Linux), else as many as there is room for.
    pub fn input(&self, bytes: &[u8]) -> usize {
        let mut signals = Vec::new();
        let mut taken = 0;
        {
            let mut state = self.0.state.borrow_mut();
            state.last_input = self.0.host.now();
            for &byte in bytes {
                if !state.modes.is_canonical() && state.line.room() == 0 {
                    break;
                }
                signals.extend(state.key(byte));
                taken += 1;
            }
        }
        self.flush();
        let group = self.0.state.borrow().group;
        for signal in signals {
            if let Some(group) = group {
                self.0.host.signal_group(group, signal);
            }
        }
        self.0.readable.wake_all();
        taken
    }

    /// There will be no more input: reads end.
    pub fn input_ended(&self) {
        self.0.state.borrow_mut().ended = true;
        self.0.readable.wake_all();
    }

    /// The window has another size.
    pub fn resize(&self, size: WindowSize) {
        let mut state = self.0.state.borrow_mut();
        if state.size == size {
            return;
        }
        state.size = size;
        let group = state.group;
        drop(state);
        if let Some(group) = group {
            self.0.host.signal_group(group, raw::SIGWINCH);
        }
    }

    /// Sends what waits to be sent, if output is not stopped.
    pub(super) fn flush(&self) {
        let bytes = {
            let mut state = self.0.state.borrow_mut();
            if state.stopped {
                return;
            }
            core::mem::take(&mut state.pending)
        };
        if !bytes.is_empty() {
            self.0.host.write(Channel::Out, &bytes);
        }
        self.0.writable.wake_all();
    }

    /// Wakes those who wait for input, because what can be read has changed.
    pub(super) fn wake_readers(&self) {
        self.0.readable.wake_all();
    }

    /// Job control: whether the caller may use the terminal as `signal` (SIGTTIN, SIGTTOU) says it wants to.
    pub(super) fn check_foreground(&self, caller: &dyn Caller, signal: u32) -> Result<()> {
        let (session, group) = {
            let state = self.0.state.borrow();
            (state.session, state.group)
        };
        if session != Some(caller.session()) || group.is_none() || group == Some(caller.process_group()) {
            return Ok(());
        }
        if caller.shuts_out(signal) {
            return if signal == raw::SIGTTIN { Err(Errno::EIO) } else { Ok(()) };
        }
        if caller.group_is_orphaned() {
            return Err(Errno::EIO);
        }
        caller.signal_group(caller.process_group(), signal);
        Err(Errno::ERESTARTSYS)
    }
}

impl State {
    /// A key was pressed. Returns the signal that it means.
    fn key(&mut self, byte: u8) -> Option<u32> {
        let mut echo = Vec::new();
        let action = self.line.input(byte, &self.modes, self.output.column(), &mut echo);
        if self.modes.has_input(raw::IXANY) {
            self.stopped = false;
        }
        // Whoever types on while output is stopped sees only so much of it.
        if self.pending.len() < CAPACITY {
            self.put(&echo);
        }
        match action {
            Action::None => {}
            Action::Signal(signal) => return Some(signal),
            Action::Stop => self.stopped = true,
            Action::Start => self.stopped = false,
        }
        None
    }

    /// Adds bytes to what is to be sent.
    fn put(&mut self, bytes: &[u8]) {
        self.output.process(bytes, &self.modes, &mut self.pending);
    }

    /// Whether a read of `wanted` bytes gets something now (an end of file included).
    fn is_readable(&self, wanted: usize, timed_out: bool) -> bool {
        if self.modes.is_canonical() {
            return self.line.has_line() || self.ended;
        }
        let (min, time) = (self.modes.key(Key::Min), self.modes.key(Key::Time));
        let available = self.line.available(false);
        match (min, time) {
            (0, 0) => true,
            (0, _) => available > 0 || timed_out || self.ended,
            (min, _) => {
                available >= wanted.min(min.into()).max(1) || available > 0 && timed_out || self.ended
            }
        }
    }
}

impl FileOps for Terminal {
    fn read(&self, io: &Io<'_>, sink: &mut dyn Sink) -> Result<usize> {
        self.check_foreground(io.caller, raw::SIGTTIN)?;
        if sink.remaining() == 0 {
            return Ok(0);
        }
        let (canonical, bytes) = {
            let mut state = self.0.state.borrow_mut();
            if !state.is_readable(sink.remaining(), io.timed_out) {
                return Err(Errno::EAGAIN);
            }
            let canonical = state.modes.is_canonical();
            (canonical, state.line.take(canonical, sink.remaining()))
        };
        // Nothing is borrowed while the program's memory is written, which may fault.
        let result = if bytes.is_empty() { Ok(0) } else { sink.put(&bytes) };
        let given = *result.as_ref().unwrap_or(&0);
        if given < bytes.len() {
            self.0.state.borrow_mut().line.put_back(canonical, &bytes[given..]);
        }
        self.0.host.input_wanted();
        result
    }

    fn write(&self, io: &Io<'_>, source: &mut dyn Source) -> Result<usize> {
        if self.0.state.borrow().modes.has_local(raw::TOSTOP) {
            self.check_foreground(io.caller, raw::SIGTTOU)?;
        }
        let mut block = [0; BLOCK];
        let mut done = 0;
        while source.remaining() > 0 {
            if self.0.state.borrow().stopped {
                return if done == 0 { Err(Errno::EAGAIN) } else { Ok(done) };
            }
            let n = match source.take(&mut block) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            };
            self.0.state.borrow_mut().put(&block[..n]);
            self.flush();
            done += n;
        }
        Ok(done)
    }

    fn poll(&self, queue: &mut dyn FnMut(&WaitQueue)) -> Events {
        queue(&self.0.readable);
        queue(&self.0.writable);
        let state = self.0.state.borrow();
        let mut events = Events::empty();
        // With VMIN 0 a read never waits, but poll says "readable" only if there is something.
        let something = state.modes.is_canonical() || state.line.available(false) > 0 || state.ended;
        if something && state.is_readable(usize::MAX, true) {
            events |= Events::READABLE;
        }
        if !state.stopped {
            events |= Events::WRITABLE;
        }
        events
    }

    fn is_seekable(&self) -> bool {
        false
    }

    fn read_deadline(&self, started: u64) -> Option<u64> {
        let state = self.0.state.borrow();
        let time = u64::from(state.modes.key(Key::Time)) * DECISECOND;
        if state.modes.is_canonical() || time == 0 {
            return None;
        }
        if state.modes.key(Key::Min) == 0 {
            return Some(started + time);
        }
        // Between bytes: the timer runs from the last one, once there is one.
        (state.line.available(false) > 0).then_some(state.last_input.max(started) + time)
    }

    fn readable_bytes(&self) -> Result<usize> {
        let state = self.0.state.borrow();
        Ok(state.line.available(state.modes.is_canonical()))
    }

    fn terminal(&self) -> Option<&Terminal> {
        Some(self)
    }
}
