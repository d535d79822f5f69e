//! Standard streams as port 0.
//!
//! Input comes from the event loop, which reads no more than there is room for, as for every console of ours. Output is
//! written by the device's thread, and only as much as can be taken at once: it must not wait for somebody to read a pipe while other ports
//! have something to do.

use super::readiness::Readiness;
use crate::events::Mailbox;
use crate::events::eventfd;
use crate::output::{Streams, Traffic};
use crate::terminal;
use devices::console::{Channel, Output};
use devices::virtio::console::Port;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vmm_sys_util::eventfd::EventFd;

/// Bytes of input that wait for the guest at most.
const INPUT: usize = 4096;
/// Bytes that a pipe or socket which says that it has room takes without waiting (POSIX: PIPE_BUF).
const CHUNK: usize = 4096;
/// The same of a terminal.
const TERMINAL_CHUNK: usize = 256;

/// What both the event loop and the device's thread know.
pub struct Standard {
    state: Mutex<State>,
    /// Written when there is input.
    input: EventFd,
    /// Written when the size is another.
    resized: EventFd,
    /// Written when there is room for input.
    room: Arc<EventFd>,
    traffic: Arc<Traffic>,
}

struct State {
    waiting: VecDeque<u8>,
    /// The guest has opened its port.
    claimed: bool,
    /// Columns and rows.
    size: (u16, u16),
}

impl Standard {
    /// `room` is written when there is room for input, or for the first time.
    pub fn new(room: Arc<EventFd>, traffic: Arc<Traffic>) -> Result<Arc<Self>, crate::error::Error> {
        let (rows, columns) = terminal::window_size();
        let state = State { waiting: VecDeque::new(), claimed: false, size: (columns, rows) };
        Ok(Arc::new(Self { state: Mutex::new(state), input: eventfd()?, resized: eventfd()?, room, traffic }))
    }

    /// Whether the guest has opened its port.
    pub fn is_claimed(&self) -> bool {
        self.state().claimed
    }

    /// Bytes of input that there is room for.
    pub fn room(&self) -> usize {
        INPUT.saturating_sub(self.state().waiting.len())
    }

    /// Takes input, as much as there is room for, and returns how much it was.
    pub fn put(&self, bytes: &[u8]) -> usize {
        let mut state = self.state();
        let count = bytes.len().min(INPUT.saturating_sub(state.waiting.len()));
        state.waiting.extend(&bytes[..count]);
        drop(state);
        signal(&self.input);
        count
    }

    /// The terminal has these rows and columns now.
    pub fn resize(&self, (rows, columns): (u16, u16)) {
        self.state().size = (columns, rows);
        signal(&self.resized);
    }

    /// Columns and rows.
    pub fn size(&self) -> (u16, u16) {
        self.state().size
    }

    /// What to wait for to hear of a new size.
    pub fn resized(&self) -> io::Result<OwnedFd> {
        duplicate(&self.resized)
    }

    /// The port, and what it waits for.
    pub fn port(self: &Arc<Self>, mailbox: Mailbox) -> io::Result<(Box<dyn Port>, OwnedFd)> {
        let readiness = Readiness::new()?;
        readiness.add(&self.input, false)?;
        let output = libc::STDOUT_FILENO;
        readiness.add_output(&output)?;
        let source = readiness.source()?;
        let chunk = if terminal::is_tty(output) { TERMINAL_CHUNK } else { CHUNK };
        let port = StandardPort {
            shared: self.clone(),
            streams: Streams::new(mailbox, self.traffic.clone()),
            chunk,
            _readiness: readiness,
        };
        Ok((Box::new(port), source))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An eventfd that cannot be written is full, so it is signalled already.
fn signal(event: &EventFd) {
    let _ = event.write(1);
}

fn duplicate(event: &EventFd) -> io::Result<OwnedFd> {
    // SAFETY: the descriptor is open for as long as it is borrowed here.
    unsafe { BorrowedFd::borrow_raw(event.as_raw_fd()) }.try_clone_to_owned()
}

struct StandardPort {
    shared: Arc<Standard>,
    streams: Streams,
    /// Bytes that are written at once.
    chunk: usize,
    _readiness: Readiness,
}

impl Port for StandardPort {
    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut done = 0;
        while done < bytes.len() && has_room(libc::STDOUT_FILENO) {
            let chunk = &bytes[done..bytes.len().min(done + self.chunk)];
            self.streams.write(Channel::Out, chunk);
            done += chunk.len();
        }
        done
    }

    fn read(&mut self, into: &mut [u8]) -> usize {
        let mut state = self.shared.state();
        let count = into.len().min(state.waiting.len());
        for (to, from) in into.iter_mut().zip(state.waiting.drain(..count)) {
            *to = from;
        }
        drop(state);
        if count > 0 {
            signal(&self.shared.room);
        }
        count
    }

    fn is_open(&mut self) -> bool {
        true
    }

    fn guest_opened(&mut self, open: bool) {
        self.shared.state().claimed = open;
        signal(&self.shared.room);
    }
}

/// Whether `fd` can be written without waiting. One that is broken can: that says so.
fn has_room(fd: RawFd) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: `poll` is one pollfd.
    unsafe { libc::poll(&mut poll, 1, 0) != 0 }
}
