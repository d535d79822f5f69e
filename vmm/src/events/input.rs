//! Standard input → the guest.
//!
//! It is read only when the guest has room, so that a program's unread input stays in the host's pipe. Whether it can be
//! waited for depends on what it is: epoll refuses regular files and `/dev/null`, which are always ready and are read
//! whenever there is room.

use super::escape::{Command, Escape, HELP};
use super::{Mailbox, listen};
use crate::ending::Request;
use crate::error::{Error, host};
use crate::log::Stderr;
use crate::terminal;
use event_manager::{EventOps, EventSet, Events, MutEventSubscriber};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::Arc;
use std::time::Duration;
use vmm_sys_util::eventfd::EventFd;
use vmm_sys_util::timerfd::TimerFd;

/// Most that is read at a time.
const CHUNK: usize = 4096;
/// How often a full ring is looked at: a guest whose doorbell crossed our last look would otherwise wait for ever.
const RECHECK: Duration = Duration::from_millis(10);

/// Who takes the input.
pub trait Taker {
    /// Whether anybody wants input: before that it is not touched.
    fn is_ready(&self) -> bool;
    /// Bytes that can be taken now.
    fn room(&self) -> usize;
    /// Takes as many as there is room for, and returns their number.
    fn put(&mut self, bytes: &[u8]) -> usize;
    /// There is no more.
    fn end(&mut self);
}

/// Where standard input stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The guest has not asked for it yet.
    Unclaimed,
    /// Waiting for bytes.
    Waiting,
    /// Waiting for room.
    Full,
    /// It has ended, or is not to be read.
    Ended,
}

pub struct Input<T> {
    stdin: ManuallyDrop<File>,
    is_tty: bool,
    /// Written by the guest's device when it has room.
    room: Arc<EventFd>,
    timer: TimerFd,
    taker: T,
    escape: Escape,
    state: State,
    /// Whether epoll can wait for it.
    pollable: bool,
    /// Taken from standard input, not yet by the guest: there is one key more than room after an escape that was none.
    left: Vec<u8>,
    mailbox: Mailbox,
}

impl<T: Taker> Input<T> {
    /// `room` is written when the guest has room again, or for the first time.
    pub fn new(taker: T, room: Arc<EventFd>, mailbox: Mailbox) -> Result<Self, Error> {
        // SAFETY: standard input is open for as long as the process lives (the Rust runtime sees to that), and
        // `ManuallyDrop` keeps this from closing it.
        let stdin = ManuallyDrop::new(unsafe { File::from_raw_fd(libc::STDIN_FILENO) });
        Self::from(stdin, terminal::is_tty(libc::STDIN_FILENO), taker, room, mailbox)
    }

    fn from(
        stdin: ManuallyDrop<File>,
        is_tty: bool,
        taker: T,
        room: Arc<EventFd>,
        mailbox: Mailbox,
    ) -> Result<Self, Error> {
        Ok(Self {
            stdin,
            is_tty,
            room,
            timer: TimerFd::new().map_err(|e| host("timer")(e.into()))?,
            taker,
            escape: Escape::default(),
            state: State::Unclaimed,
            pollable: false,
            left: Vec::new(),
            mailbox,
        })
    }

    fn stdin_events(&self) -> Events {
        Events::new(&*self.stdin, EventSet::IN)
    }

    /// The guest wants input for the first time.
    fn claim(&mut self, ops: &mut EventOps<'_>) {
        self.state = State::Waiting;
        if self.is_tty {
            if !terminal::in_foreground() {
                tracing::info!("in the background of its terminal: standard input is not read");
                self.state = State::Ended;
                return;
            }
            if let Err(error) = terminal::make_raw() {
                tracing::warn!(%error, "cannot make the terminal raw");
            }
        }
        self.pollable = listen(ops, self.stdin_events());
    }

    /// Reads as much as there is room for, or until reading would block.
    fn pump(&mut self, ops: &mut EventOps<'_>, readable: bool) {
        let mut readable = readable || !self.pollable;
        loop {
            self.deliver();
            let room = self.taker.room().min(CHUNK);
            if room == 0 || !self.left.is_empty() {
                return self.pause(ops);
            }
            self.resume(ops);
            if !readable {
                return;
            }
            let mut chunk = vec![0; room];
            match self.stdin.read(&mut chunk) {
                Ok(0) => return self.end(ops),
                Ok(count) => self.take(&chunk[..count]),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(error) => {
                    // EIO: the terminal has gone away.
                    tracing::debug!(%error, "standard input cannot be read; taken as its end");
                    return self.end(ops);
                }
            }
            readable = !self.pollable;
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        if !self.is_tty {
            self.left.extend_from_slice(bytes);
            return;
        }
        let (keys, command) = self.escape.filter(bytes);
        self.left.extend(keys);
        match command {
            Some(Command::Quit) => self.mailbox.request(Request::Quit),
            Some(Command::Help) => {
                let _ = Stderr.write_all(HELP.as_bytes());
            }
            None => {}
        }
    }

    fn deliver(&mut self) {
        if !self.left.is_empty() {
            let count = self.taker.put(&self.left);
            self.left.drain(..count);
        }
    }

    fn pause(&mut self, ops: &mut EventOps<'_>) {
        if self.state == State::Waiting {
            self.state = State::Full;
            if self.pollable {
                let _ = ops.remove(self.stdin_events());
            }
        }
        if let Err(error) = self.timer.reset(RECHECK, None) {
            tracing::debug!(%error, "cannot set a timer");
        }
    }

    fn resume(&mut self, ops: &mut EventOps<'_>) {
        if self.state == State::Full {
            self.state = State::Waiting;
            if self.pollable {
                self.pollable = listen(ops, self.stdin_events());
            }
        }
    }

    fn end(&mut self, ops: &mut EventOps<'_>) {
        self.state = State::Ended;
        if self.pollable {
            let _ = ops.remove(self.stdin_events());
        }
        self.taker.end();
    }
}

impl<T: Taker> MutEventSubscriber for Input<T> {
    fn process(&mut self, events: Events, ops: &mut EventOps<'_>) {
        let mut readable = false;
        if events.fd() == self.room.as_raw_fd() {
            let _ = self.room.read();
        } else if events.fd() == self.timer.as_raw_fd() {
            let _ = self.timer.wait();
        } else {
            readable = true;
        }
        if self.state == State::Unclaimed && self.taker.is_ready() {
            self.claim(ops);
        }
        if matches!(self.state, State::Waiting | State::Full) {
            self.pump(ops, readable);
        }
    }

    fn init(&mut self, ops: &mut EventOps<'_>) {
        listen(ops, Events::new(&*self.room, EventSet::IN));
        listen(ops, Events::new(&self.timer, EventSet::IN));
    }
}

#[cfg(test)]
mod tests;
