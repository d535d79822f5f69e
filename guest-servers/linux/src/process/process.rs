//! A process: what its threads share.

use super::credentials::Credentials;
use super::limits::Limits;
use super::usage::{Times, Usage};
use super::{Pid, Thread};
use crate::exec::WaitQueue;
use crate::fs::context::FsInfo;
use crate::fs::{Dentry, FdTable};
use crate::mm::Mm;
use crate::signal::action::Actions;
use crate::signal::pending::PendingSignals;
use crate::signal::set::Signal;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

/// Where a process is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Running,
    /// By a job-control signal.
    Stopped(Signal),
    /// It has ended with this wait status, and its parent has not heard of it yet.
    Zombie(u32),
}

/// A child's change of state that its parent has not been told by `wait4` yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Report {
    Stopped(Signal),
    Continued,
}

pub struct Process {
    pub pid: Pid,
    pub parent: RefCell<Weak<Process>>,
    pub children: RefCell<Vec<Rc<Process>>>,
    pub pgid: Cell<Pid>,
    pub sid: Cell<Pid>,
    pub state: Cell<State>,
    pub report: Cell<Option<Report>>,
    /// Whether it has called `execve` since it was forked (setpgid(2) by the parent fails then).
    pub has_execed: Cell<bool>,
    pub threads: RefCell<Vec<Rc<Thread>>>,

    pub mm: RefCell<Rc<Mm>>,
    pub files: RefCell<Rc<FdTable>>,
    pub fs: RefCell<Rc<FsInfo>>,
    pub credentials: RefCell<Credentials>,
    pub limits: RefCell<Limits>,

    pub actions: RefCell<Actions>,
    /// Signals sent to the process as a whole.
    pub pending: RefCell<PendingSignals>,
    /// Woken when a signal becomes pending, blocked or not (`sigtimedwait`).
    pub signal_sent: WaitQueue,
    /// What the parent is sent when this ends; none after some kinds of clone.
    pub exit_signal: Option<Signal>,
    /// Sent when the parent ends (`prctl(PR_SET_PDEATHSIG)`).
    pub death_signal: Cell<Option<Signal>>,
    /// Woken when a child's state changes.
    pub child_changed: WaitQueue,
    /// Woken when this lets go of its parent's address space (`vfork`).
    pub released_mm: WaitQueue,
    /// Still runs in its parent's address space.
    pub borrows_mm: Cell<bool>,

    /// The name that `ps` shows, NUL-padded.
    pub comm: Cell<[u8; 16]>,
    /// Arguments, each ended by NUL, as `/proc/PID/cmdline` shows them.
    pub cmdline: RefCell<Vec<u8>>,
    /// Environment as the program was given it, likewise.
    pub environ: RefCell<Vec<u8>>,
    /// The auxiliary vector that the program was given.
    pub auxv: RefCell<Vec<u8>>,
    /// The program's file.
    pub exe: RefCell<Option<Rc<Dentry>>>,
    pub start_ns: u64,
    pub usage: Usage,
    pub child_times: Cell<Times>,
    pub real_timer: RefCell<crate::time::RealTimer>,
}

impl Process {
    pub fn mm(&self) -> Rc<Mm> {
        self.mm.borrow().clone()
    }
    pub fn files(&self) -> Rc<FdTable> {
        self.files.borrow().clone()
    }
    pub fn fs(&self) -> Rc<FsInfo> {
        self.fs.borrow().clone()
    }
    pub fn parent(&self) -> Option<Rc<Process>> {
        self.parent.borrow().upgrade()
    }
    pub fn ppid(&self) -> Pid {
        match self.parent() {
            Some(parent) => parent.pid,
            // An orphan looks as if process 1 had adopted it.
            None => (self.pid != 1) as Pid,
        }
    }
    pub fn is_zombie(&self) -> bool {
        matches!(self.state.get(), State::Zombie(_))
    }
    pub fn is_stopped(&self) -> bool {
        matches!(self.state.get(), State::Stopped(_))
    }
    /// The thread whose number is the process's; none once the process has ended.
    pub fn main_thread(&self) -> Option<Rc<Thread>> {
        self.threads.borrow().first().cloned()
    }
    pub fn is_session_leader(&self) -> bool {
        self.sid.get() == self.pid
    }
    /// Sets `comm` from a program's name, cut as Linux cuts it.
    pub fn set_comm(&self, name: &[u8]) {
        let mut comm = [0; 16];
        let n = name.iter().position(|&b| b == 0).unwrap_or(name.len()).min(15);
        comm[..n].copy_from_slice(&name[..n]);
        self.comm.set(comm);
    }
}
