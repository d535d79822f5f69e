//! Job control: process groups, sessions, stopping and continuing.

use super::process::Report;
use super::{Pid, Process, State};
use crate::errno::Errno;
use crate::server::Server;
use crate::signal::action::SA_NOCLDSTOP;
use crate::signal::deliver::{Held, Resume};
use crate::signal::info::{CLD_CONTINUED, CLD_STOPPED, Detail, SigInfo};
use crate::signal::set::Signal;
use alloc::rc::Rc;

impl Server {
    /// Whether nobody outside of a process group, but in its session, looks after it (POSIX: an orphaned group).
    pub fn is_orphaned(&self, pgid: Pid) -> bool {
        self.processes.group(pgid).iter().filter(|p| !p.is_zombie()).all(|p| match p.parent() {
            Some(parent) => parent.pgid.get() == pgid || parent.sid.get() != p.sid.get(),
            None => true,
        })
    }

    /// Stops a process. Its threads are held where they next come by.
    pub fn stop_process(self: &Rc<Self>, process: &Rc<Process>, signal: Signal) {
        process.state.set(State::Stopped(signal));
        process.report.set(Some(Report::Stopped(signal)));
        self.report_job_change(process, CLD_STOPPED, signal.number() as i32);
    }

    /// Continues a stopped process; for others nothing happens.
    pub fn continue_process(self: &Rc<Self>, process: &Rc<Process>) {
        if !process.is_stopped() {
            return;
        }
        process.state.set(State::Running);
        process.report.set(Some(Report::Continued));
        self.report_job_change(process, CLD_CONTINUED, Signal::SIGCONT.number() as i32);
        let threads = process.threads.borrow().clone();
        for thread in threads {
            let held = thread.held.borrow_mut().take();
            match held {
                Some(Held(Resume::Running)) => {
                    self.machine.resume(thread.l4.get());
                    self.kick(&thread, process);
                }
                Some(Held(resume)) => self.go_on(&thread, resume),
                None => {}
            }
        }
    }

    fn report_job_change(self: &Rc<Self>, process: &Process, code: i32, status: i32) {
        let Some(parent) = process.parent() else { return };
        parent.child_changed.wake_all();
        let wants_none = parent.actions.borrow().get(Signal::SIGCHLD).has(SA_NOCLDSTOP);
        if !wants_none {
            let _ = self.send_signal(&parent, self.child_info(process, code, status));
        }
    }

    pub fn set_pgid(&self, caller: &Rc<Process>, pid: Pid, pgid: Pid) -> Result<(), Errno> {
        if pgid < 0 {
            return Err(Errno::EINVAL);
        }
        let target = if pid == 0 { caller.clone() } else { self.processes.find(pid)? };
        let is_child = target.parent().is_some_and(|p| p.pid == caller.pid);
        if target.pid != caller.pid && !is_child {
            return Err(Errno::ESRCH);
        }
        if is_child && target.has_execed.get() {
            return Err(Errno::EACCES);
        }
        if target.is_session_leader() || target.sid.get() != caller.sid.get() {
            return Err(Errno::EPERM);
        }
        let pgid = if pgid == 0 { target.pid } else { pgid };
        let exists = || self.processes.group(pgid).iter().any(|p| p.sid.get() == caller.sid.get());
        if pgid != target.pid && !exists() {
            return Err(Errno::EPERM);
        }
        target.pgid.set(pgid);
        Ok(())
    }

    pub fn set_sid(&self, caller: &Process) -> Result<Pid, Errno> {
        if caller.pgid.get() == caller.pid || !self.processes.group(caller.pid).is_empty() {
            return Err(Errno::EPERM);
        }
        caller.sid.set(caller.pid);
        caller.pgid.set(caller.pid);
        Ok(caller.pid)
    }

    /// What a parent is told about a child in a SIGCHLD.
    pub fn child_info(&self, child: &Process, code: i32, status: i32) -> SigInfo {
        let times = self.times(child);
        let ticks = |ns: u64| ns / (1_000_000_000 / crate::time::CLOCK_TICKS);
        let detail = Detail::Child {
            pid: child.pid,
            uid: child.credentials.borrow().uid,
            status,
            utime: ticks(times.user_ns),
            stime: ticks(times.system_ns),
        };
        SigInfo { signal: Signal::SIGCHLD, code, detail }
    }
}
