//! Signals that we get: those that end us, so that the terminal is given back first; SIGWINCH; SIGCONT.
//!
//! They are blocked in all threads and read from a signalfd, so there is no handler and nothing is interrupted.

use super::{Mailbox, listen};
use crate::ending::Request;
use crate::error::{Error, host};
use crate::terminal;
use event_manager::{EventOps, EventSet, Events, MutEventSubscriber};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::FromRawFd;
use vmm_sys_util::signal::{block_signal, create_sigset};

const ENDING: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];
const ALL: [i32; 6] =
    [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGWINCH, libc::SIGCONT];

pub struct Signals {
    fd: File,
    mailbox: Mailbox,
    resized: Box<dyn Fn((u16, u16))>,
}

impl Signals {
    /// Blocks the signals in this thread and those that it starts from now on. `resized` gets the terminal's new rows and
    /// columns.
    pub fn new(mailbox: Mailbox, resized: Box<dyn Fn((u16, u16))>) -> Result<Self, Error> {
        block();
        let set = create_sigset(&ALL).map_err(|e| host("signal set")(e.into()))?;
        // SAFETY: `set` is a valid signal set, which is only read.
        let fd = unsafe { libc::signalfd(-1, &set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) };
        if fd < 0 {
            return Err(host("signalfd")(io::Error::last_os_error()));
        }
        // SAFETY: signalfd has just returned `fd`, so nobody else owns it.
        Ok(Self { fd: unsafe { File::from_raw_fd(fd) }, mailbox, resized })
    }

    fn handle(&self, signal: i32) {
        match signal {
            libc::SIGWINCH => (self.resized)(terminal::window_size()),
            // We were stopped, and the shell has put the terminal back into its own mode.
            libc::SIGCONT if terminal::is_raw() && terminal::in_foreground() => {
                if let Err(error) = terminal::make_raw() {
                    tracing::warn!(%error, "cannot make the terminal raw again");
                }
            }
            signal if ENDING.contains(&signal) => self.mailbox.request(Request::Signal(signal)),
            _ => {}
        }
    }
}

/// Leaves the signals to others than this thread, and those that it starts from now on.
pub fn block() {
    for signal in ALL {
        // One that the parent had blocked already is as good.
        let _ = block_signal(signal);
    }
}

impl MutEventSubscriber for Signals {
    fn process(&mut self, _: Events, _: &mut EventOps<'_>) {
        let mut info = [0; size_of::<libc::signalfd_siginfo>()];
        while matches!(self.fd.read(&mut info), Ok(n) if n == info.len()) {
            // `ssi_signo` is the first member.
            let signal = u32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
            self.handle(signal as i32);
        }
    }
    fn init(&mut self, ops: &mut EventOps<'_>) {
        listen(ops, Events::new(&self.fd, EventSet::IN));
    }
}
