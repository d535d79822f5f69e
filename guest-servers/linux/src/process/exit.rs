//! The end of threads and processes.

use super::{Process, State, Thread};
use crate::fs::FdTable;
use crate::futex::Place;
use crate::mm::Mm;
use crate::mm::user::UserMemory;
use crate::server::Server;
use crate::signal::action::SA_NOCLDWAIT;
use crate::signal::info::{CLD_EXITED, CLD_KILLED, SigInfo};
use crate::signal::set::Signal;
use alloc::rc::{Rc, Weak};

/// The wait status of a process that has called exit.
pub const fn exited(code: u64) -> u32 {
    (code as u32 & 0xff) << 8
}

/// The wait status of a process that a signal has ended.
pub const fn killed_by(signal: Signal) -> u32 {
    signal.number() as u32
}

/// A shell's view of a wait status: the code, or 128 + the signal's number.
pub const fn shell_status(status: u32) -> u32 {
    if status & 0x7f == 0 { status >> 8 & 0xff } else { 128 + (status & 0x7f) }
}

impl Server {
    /// Ends one thread; the process too if it was the last.
    pub fn exit_thread(self: &Rc<Self>, thread: &Rc<Thread>, code: u64) {
        let Some(process) = thread.process.upgrade() else { return };
        if process.threads.borrow().len() <= 1 {
            return self.exit_process(&process, exited(code));
        }
        self.clear_tid(&process, thread);
        process.threads.borrow_mut().retain(|t| !Rc::ptr_eq(t, thread));
        process.mm().release_lthread(thread.l4.get().lthread());
        self.forget_thread(thread);
        self.machine.destroy_thread(thread.l4.get());
        self.renew_task(&process.mm());
    }

    /// Makes an address space name its task by a thread that is still there.
    pub fn renew_task(&self, mm: &Rc<Mm>) {
        let in_mm = |p: &Rc<Process>| !p.is_zombie() && Rc::ptr_eq(&p.mm(), mm);
        let threads = self.processes.all().into_iter().filter(in_mm).find_map(|p| p.main_thread());
        if let Some(thread) = threads {
            mm.set_task(thread.l4.get());
        }
    }

    /// Ends a process with this wait status. What remains is a zombie, until its parent has asked for it.
    pub fn exit_process(self: &Rc<Self>, process: &Rc<Process>, status: u32) {
        if process.is_zombie() {
            return;
        }
        process.state.set(State::Zombie(status));
        self.trace.exited(process.pid, status);
        self.release_mm(process);
        process.real_timer.borrow_mut().cancel(&self.executor);
        let files = process.files.replace(Rc::new(FdTable::new()));
        drop(files);
        self.end_session(process);
        self.orphan_children(process);
        self.report_exit(process, status);
        if process.pid == 1 {
            self.shut_down(status);
        }
    }

    /// Ends all threads, and the L4 task unless somebody else still runs in it.
    fn release_mm(self: &Rc<Self>, process: &Rc<Process>) {
        let threads = core::mem::take(&mut *process.threads.borrow_mut());
        let mm = process.mm.replace(Mm::new(self.frames.clone(), self.machine.clone()));
        let shared = mm.leave();
        for thread in &threads {
            self.forget_thread(thread);
            if shared {
                self.clear_tid_in(&mm, thread);
                mm.release_lthread(thread.l4.get().lthread());
                self.machine.destroy_thread(thread.l4.get());
            }
        }
        if shared {
            self.renew_task(&mm);
        } else {
            if let Some(thread) = threads.first() {
                self.machine.delete_task(thread.l4.get());
            }
            mm.space.borrow().task().clear();
        }
        self.mm_released(process);
    }

    /// Tells a vfork parent that it may go on.
    pub fn mm_released(&self, process: &Process) {
        if process.borrows_mm.replace(false) {
            process.released_mm.wake_all();
        }
    }

    /// Nothing that comes from this thread will be listened to any more.
    pub fn forget_thread(&self, thread: &Thread) {
        if let Some(task) = thread.call.take().and_then(|c| c.task) {
            self.executor.cancel(task);
        }
        thread.held.borrow_mut().take();
        self.processes.remove_thread(thread.l4.get());
    }

    fn clear_tid(&self, process: &Process, thread: &Thread) {
        self.clear_tid_in(&process.mm(), thread);
    }

    /// Does what set_tid_address(2) has asked for.
    fn clear_tid_in(&self, mm: &Rc<Mm>, thread: &Thread) {
        let addr = thread.clear_child_tid.take();
        if addr != 0 && UserMemory::of(mm.clone()).write_u32(addr, 0).is_ok() {
            self.futexes.wake(&Place::of(mm, addr), 1, u32::MAX);
        }
    }

    /// When a session's leader ends, its terminal is free again and its foreground group hears of it.
    fn end_session(self: &Rc<Self>, process: &Rc<Process>) {
        if process.is_session_leader()
            && let Some(terminal) = self.console.terminal()
        {
            terminal.session_ended(process.sid.get() as u32);
        }
    }

    /// Children whose parent ends are nobody's: the server itself does what an init would. Process 1 may be any program, and
    /// few programs expect children that they have not made.
    fn orphan_children(self: &Rc<Self>, process: &Rc<Process>) {
        let children = core::mem::take(&mut *process.children.borrow_mut());
        for child in children {
            *child.parent.borrow_mut() = Weak::new();
            if child.is_zombie() {
                self.processes.remove(child.pid);
                continue;
            }
            if let Some(signal) = child.death_signal.get() {
                let _ = self.send_signal(&child, SigInfo::user(signal, process.pid, 0));
            }
            // A stopped group that nobody can continue any more is ended.
            let pgid = child.pgid.get();
            if self.processes.group(pgid).iter().any(|p| p.is_stopped()) && self.is_orphaned(pgid) {
                self.send_group_signal(pgid, SigInfo::kernel(Signal::SIGHUP));
                self.send_group_signal(pgid, SigInfo::kernel(Signal::SIGCONT));
            }
        }
    }

    fn report_exit(self: &Rc<Self>, process: &Rc<Process>, status: u32) {
        let Some(parent) = process.parent() else {
            self.processes.remove(process.pid);
            return;
        };
        let action = parent.actions.borrow().get(Signal::SIGCHLD);
        let sends_chld = process.exit_signal == Some(Signal::SIGCHLD);
        if sends_chld && (action.is_ignore() || action.has(SA_NOCLDWAIT)) {
            self.reap(&parent, process);
        }
        if let Some(signal) = process.exit_signal {
            let code = if status & 0x7f == 0 { CLD_EXITED } else { CLD_KILLED };
            let value = if status & 0x7f == 0 { status >> 8 } else { status & 0x7f };
            let info = SigInfo { signal, ..self.child_info(process, code, value as i32) };
            let _ = self.send_signal(&parent, info);
        }
        parent.child_changed.wake_all();
    }

    /// Forgets a zombie.
    pub fn reap(&self, parent: &Process, child: &Rc<Process>) {
        let times = parent.child_times.get().plus(self.times(child)).plus(child.child_times.get());
        parent.child_times.set(times);
        parent.children.borrow_mut().retain(|c| !Rc::ptr_eq(c, child));
        self.processes.remove(child.pid);
    }

    /// The first program has ended, and so does the machine.
    fn shut_down(&self, status: u32) {
        self.trace.summary();
        self.machine.exit(shell_status(status).min(u8::MAX as u32) as u8);
    }
}
