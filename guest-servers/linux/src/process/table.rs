//! Finding processes by number, and threads by the L4 thread that runs them.

use super::threads::{Runner, Threads};
use super::{Pid, Process, Thread};
use crate::errno::Errno;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, Ref, RefCell};
use ukernel_abi::ThreadId;

/// Numbers go up to this and then start again (`kernel.pid_max`).
const PID_MAX: Pid = 32768;
/// Numbers below this are not given out again: they belong to what was started first.
const PID_RESERVED: Pid = 300;
/// Most processes, zombies included.
const MAX_PROCESSES: usize = 4096;

#[derive(Default)]
pub struct ProcessTable {
    processes: RefCell<BTreeMap<Pid, Rc<Process>>>,
    threads: RefCell<Threads>,
    last_pid: Cell<Pid>,
    /// Processes and threads ever made.
    pub forks: Cell<u64>,
}

impl ProcessTable {
    /// A number that nothing has. EAGAIN if there are too many processes.
    pub fn new_pid(&self) -> Result<Pid, Errno> {
        let processes = self.processes.borrow();
        if processes.len() >= MAX_PROCESSES {
            return Err(Errno::EAGAIN);
        }
        let in_use = |pid: Pid| {
            let named = |p: &Process| p.pgid.get() == pid || p.sid.get() == pid;
            processes.contains_key(&pid)
                || processes.values().any(|p| named(p) || p.threads.borrow().iter().any(|t| t.tid == pid))
        };
        let mut pid = self.last_pid.get();
        loop {
            pid = if pid >= PID_MAX { PID_RESERVED } else { pid + 1 };
            if !in_use(pid) {
                self.last_pid.set(pid);
                return Ok(pid);
            }
        }
    }

    /// The number that was given out last.
    pub fn last_pid(&self) -> Pid {
        self.last_pid.get()
    }

    pub fn add(&self, process: Rc<Process>) {
        self.forks.set(self.forks.get() + 1);
        self.processes.borrow_mut().insert(process.pid, process);
    }
    pub fn remove(&self, pid: Pid) {
        let gone = self.processes.borrow_mut().remove(&pid);
        drop(gone);
    }
    pub fn get(&self, pid: Pid) -> Option<Rc<Process>> {
        self.processes.borrow().get(&pid).cloned()
    }
    /// As `get`, for calls that fail with ESRCH.
    pub fn find(&self, pid: Pid) -> Result<Rc<Process>, Errno> {
        self.get(pid).ok_or(Errno::ESRCH)
    }
    pub fn all(&self) -> Vec<Rc<Process>> {
        self.processes.borrow().values().cloned().collect()
    }
    pub fn len(&self) -> usize {
        self.processes.borrow().len()
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The members of a process group.
    pub fn group(&self, pgid: Pid) -> Vec<Rc<Process>> {
        self.processes.borrow().values().filter(|p| p.pgid.get() == pgid).cloned().collect()
    }

    pub fn add_thread(&self, thread: Rc<Thread>, process: Rc<Process>) {
        self.threads.borrow_mut().insert(Runner { thread, process });
    }
    pub fn remove_thread(&self, l4: ThreadId) {
        let gone = self.threads.borrow_mut().remove(l4);
        drop(gone);
    }
    /// The threads, by the L4 threads that run them.
    #[inline]
    pub fn threads(&self) -> Ref<'_, Threads> {
        self.threads.borrow()
    }
    /// The thread with a number.
    pub fn thread_by_tid(&self, tid: Pid) -> Option<Rc<Thread>> {
        if let Some(process) = self.get(tid) {
            return process.main_thread();
        }
        self.threads.borrow().iter().find(|r| r.thread.tid == tid).map(|r| r.thread.clone())
    }
}
