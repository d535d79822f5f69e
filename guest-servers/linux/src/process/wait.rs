//! Hearing about children: which event a wait call gets.

use super::process::Report;
use super::{Pid, Process, State};
use crate::errno::Errno;
use crate::server::Server;
use crate::signal::info::{CLD_CONTINUED, CLD_EXITED, CLD_KILLED, CLD_STOPPED};
use crate::syscall::Ctx;
use alloc::rc::Rc;
use linux_raw_sys::general as raw;

pub const WNOHANG: u32 = raw::WNOHANG;
/// `WUNTRACED` and `WSTOPPED` are the same bit.
pub const WSTOPPED: u32 = raw::WSTOPPED;
pub const WEXITED: u32 = raw::WEXITED;
pub const WCONTINUED: u32 = raw::WCONTINUED;
pub const WNOWAIT: u32 = raw::WNOWAIT;

/// Which children are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    Any,
    Pid(Pid),
    Group(Pid),
}

impl Which {
    /// As wait4(2) encodes it.
    pub fn from_pid(pid: i32, own_group: Pid) -> Result<Self, Errno> {
        Ok(match pid {
            i32::MIN => return Err(Errno::ESRCH),
            -1 => Self::Any,
            0 => Self::Group(own_group),
            p if p > 0 => Self::Pid(p),
            p => Self::Group(-p),
        })
    }
    fn matches(self, p: &Process) -> bool {
        match self {
            Self::Any => true,
            Self::Pid(pid) => p.pid == pid,
            Self::Group(pgid) => p.pgid.get() == pgid,
        }
    }
}

/// What has happened to a child.
pub struct ChildEvent {
    pub child: Rc<Process>,
    /// As wait4(2) returns it.
    pub status: u32,
}

impl ChildEvent {
    /// `si_code` and `si_status` as waitid(2) returns them.
    pub fn code_and_status(&self) -> (i32, i32) {
        match self.status {
            0xffff => (CLD_CONTINUED, raw::SIGCONT as i32),
            s if s & 0xff == 0x7f => (CLD_STOPPED, (s >> 8) as i32),
            s if s & 0x7f == 0 => (CLD_EXITED, (s >> 8) as i32),
            s => (CLD_KILLED, (s & 0x7f) as i32),
        }
    }
}

impl Server {
    /// Looks for an event, and takes it. ECHILD if there is no such child.
    fn take_event(&self, parent: &Process, which: Which, options: u32) -> Result<Option<ChildEvent>, Errno> {
        let children = parent.children.borrow().clone();
        let mut any = false;
        for child in children.into_iter().filter(|c| which.matches(c)) {
            any = true;
            if let Some(status) = event_of(&child, options) {
                if options & WNOWAIT == 0 {
                    match child.state.get() {
                        State::Zombie(_) => self.reap(parent, &child),
                        _ => child.report.set(None),
                    }
                }
                return Ok(Some(ChildEvent { child, status }));
            }
        }
        if any { Ok(None) } else { Err(Errno::ECHILD) }
    }
}

fn event_of(child: &Process, options: u32) -> Option<u32> {
    if let State::Zombie(status) = child.state.get() {
        return (options & WEXITED != 0).then_some(status);
    }
    match child.report.get()? {
        Report::Stopped(signal) if options & WSTOPPED != 0 => Some((signal.number() as u32) << 8 | 0x7f),
        Report::Continued if options & WCONTINUED != 0 => Some(0xffff),
        _ => None,
    }
}

/// Waits for an event; `None` only with `WNOHANG`.
pub async fn wait(c: &Ctx, which: Which, options: u32) -> Result<Option<ChildEvent>, Errno> {
    loop {
        if let Some(event) = c.server.take_event(&c.proc, which, options)? {
            return Ok(Some(event));
        }
        if options & WNOHANG != 0 {
            return Ok(None);
        }
        c.interruptible(c.proc.child_changed.wait()).await?;
    }
}
