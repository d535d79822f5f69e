//! The terminal's ioctls: modes, size, and job control.

use super::terminal::{Terminal, WindowSize};
use super::termios::Termios;
use crate::errno::{Errno, Result};
use crate::fs::context::Caller;
use linux_raw_sys::general as raw;

/// When new modes come into force (TCSETS, TCSETSW, TCSETSF).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    Now,
    /// When all output is sent: here it always is, or the program would still be writing it.
    Drained,
    /// And input that was not read is thrown away.
    Flushed,
}

impl Terminal {
    pub fn modes(&self) -> Termios {
        self.0.state.borrow().modes
    }

    pub fn set_modes(&self, caller: &dyn Caller, modes: Termios, when: When) -> Result<()> {
        self.check_foreground(caller, raw::SIGTTOU)?;
        let mut state = self.0.state.borrow_mut();
        if when == When::Flushed {
            state.line.flush();
        }
        if state.modes.is_canonical() != modes.is_canonical() {
            state.line.change_mode();
        }
        if !modes.has_input(raw::IXON) {
            state.stopped = false;
        }
        state.modes = modes;
        drop(state);
        self.flush();
        self.wake_readers();
        Ok(())
    }

    pub fn size(&self) -> WindowSize {
        self.0.state.borrow().size
    }

    /// TCFLSH: throws away input that was not read (`queue` TCIFLUSH or TCIOFLUSH). Output is never held back for long.
    pub fn flush_queue(&self, caller: &dyn Caller, queue: u32) -> Result<()> {
        self.check_foreground(caller, raw::SIGTTOU)?;
        match queue {
            raw::TCIFLUSH | raw::TCIOFLUSH => self.0.state.borrow_mut().line.flush(),
            raw::TCOFLUSH => {}
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    /// TCXONC: stops or restarts output.
    pub fn flow(&self, caller: &dyn Caller, action: u32) -> Result<()> {
        self.check_foreground(caller, raw::SIGTTOU)?;
        match action {
            raw::TCOOFF => self.0.state.borrow_mut().stopped = true,
            raw::TCOON => self.0.state.borrow_mut().stopped = false,
            // Telling the other side to be quiet: there is no line to tell it on.
            raw::TCIOFF | raw::TCION => {}
            _ => return Err(Errno::EINVAL),
        }
        self.flush();
        Ok(())
    }

    /// TIOCGPGRP. ENOTTY for whom this is not the controlling terminal.
    pub fn foreground(&self, caller: &dyn Caller) -> Result<u32> {
        self.check_controlling(caller)?;
        Ok(self.0.state.borrow().group.unwrap_or(0))
    }

    /// TIOCSPGRP. The caller has made sure that the group is in the session (EPERM).
    pub fn set_foreground(&self, caller: &dyn Caller, group: u32) -> Result<()> {
        self.check_foreground(caller, raw::SIGTTOU)?;
        self.check_controlling(caller)?;
        self.0.state.borrow_mut().group = Some(group);
        Ok(())
    }

    /// TIOCGSID.
    pub fn session(&self, caller: &dyn Caller) -> Result<u32> {
        self.check_controlling(caller)?;
        self.0.state.borrow().session.ok_or(Errno::ENOTTY)
    }

    /// TIOCSCTTY: makes this the controlling terminal of the caller's session. With `steal`, of whomever else's it is.
    pub fn take_control(&self, caller: &dyn Caller, steal: bool) -> Result<()> {
        let mut state = self.0.state.borrow_mut();
        if caller.leads_session() && state.session == Some(caller.session()) {
            return Ok(());
        }
        if !caller.leads_session() || state.session.is_some() && !steal {
            return Err(Errno::EPERM);
        }
        state.session = Some(caller.session());
        state.group = Some(caller.process_group());
        Ok(())
    }

    /// What opening it without O_NOCTTY does: a session leader gets a terminal that is nobody's.
    pub fn offer_control(&self, caller: &dyn Caller) {
        if caller.leads_session() && self.0.state.borrow().session.is_none() {
            // It is nobody's, so this cannot be refused.
            let _ = self.take_control(caller, false);
        }
    }

    /// TIOCNOTTY: the session gives the terminal up. A leader's foreground group is told with SIGHUP and SIGCONT.
    pub fn give_up(&self, caller: &dyn Caller) -> Result<()> {
        self.check_controlling(caller)?;
        if caller.leads_session() {
            self.session_ended(caller.session());
        }
        Ok(())
    }

    /// The leader of the session has exited: the terminal is free, and its foreground group is hung up.
    pub fn session_ended(&self, session: u32) {
        let group = {
            let mut state = self.0.state.borrow_mut();
            if state.session != Some(session) {
                return;
            }
            state.session = None;
            state.group.take()
        };
        if let Some(group) = group {
            self.0.host.signal_group(group, raw::SIGHUP);
            self.0.host.signal_group(group, raw::SIGCONT);
        }
    }

    /// Whether this is the caller's controlling terminal.
    pub fn controls(&self, caller: &dyn Caller) -> bool {
        self.0.state.borrow().session == Some(caller.session())
    }

    fn check_controlling(&self, caller: &dyn Caller) -> Result<()> {
        if self.controls(caller) { Ok(()) } else { Err(Errno::ENOTTY) }
    }
}
