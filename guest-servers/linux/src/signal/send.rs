//! Sending signals.

use super::action::SigAction;
use super::deliver::Resume;
use super::info::SigInfo;
use super::set::{DefaultAction, SigSet, Signal};
use crate::errno::Errno;
use crate::process::{Pid, Process, Thread};
use crate::server::Server;
use alloc::rc::Rc;
use alloc::vec::Vec;
use ukernel_abi::utcb::RunState;

impl Server {
    /// Sends a signal to a process: any thread that does not block it takes it.
    pub fn send_signal(self: &Rc<Self>, process: &Rc<Process>, info: SigInfo) -> Result<(), Errno> {
        if !self.prepare(process, &info) {
            return Ok(());
        }
        process.pending.borrow_mut().push(info)?;
        let threads: Vec<Rc<Thread>> = process.threads.borrow().clone();
        let taker = threads.iter().find(|t| !t.mask.get().contains(info.signal));
        process.signal_sent.wake_all();
        if let Some(thread) = taker {
            self.kick(thread, process);
        }
        Ok(())
    }

    /// Sends a signal to one thread.
    pub fn send_thread_signal(self: &Rc<Self>, thread: &Rc<Thread>, info: SigInfo) -> Result<(), Errno> {
        let Some(process) = thread.process.upgrade() else { return Err(Errno::ESRCH) };
        if !self.prepare(&process, &info) {
            return Ok(());
        }
        thread.pending.borrow_mut().push(info)?;
        process.signal_sent.wake_all();
        if !thread.mask.get().contains(info.signal) {
            self.kick(thread, &process);
        }
        Ok(())
    }

    /// Sends a signal to every process of a group. Returns whether there is any.
    pub fn send_group_signal(self: &Rc<Self>, pgid: Pid, info: SigInfo) -> bool {
        let members = self.processes.group(pgid);
        for process in &members {
            // A full queue of real-time signals is that process's own affair.
            let _ = self.send_signal(process, info);
        }
        !members.is_empty()
    }

    /// A signal for what the thread itself has just done: it cannot be ignored or put off. It is delivered when the
    /// thread goes on.
    pub fn force_signal(&self, thread: &Thread, process: &Process, info: SigInfo) {
        let mut actions = process.actions.borrow_mut();
        if thread.mask.get().contains(info.signal) || actions.get(info.signal).is_ignore() {
            actions.set(info.signal, SigAction::DEFAULT);
            thread.mask.set(thread.mask.get().without(SigSet::one(info.signal)));
        }
        // Ordinary signals always fit.
        let _ = thread.pending.borrow_mut().push(info);
    }

    /// What sending does at once. Returns whether the signal is to be made pending.
    fn prepare(self: &Rc<Self>, process: &Rc<Process>, info: &SigInfo) -> bool {
        if process.is_zombie() {
            return false;
        }
        let signal = info.signal;
        let discard = |set: SigSet| {
            process.pending.borrow_mut().discard(set);
            process.threads.borrow().iter().for_each(|t| t.pending.borrow_mut().discard(set));
        };
        if signal == Signal::SIGCONT {
            discard(Signal::STOPS);
            self.continue_process(process);
        } else if Signal::STOPS.contains(signal) {
            discard(SigSet::one(Signal::SIGCONT));
        } else if signal == Signal::SIGKILL {
            return !self.kill_now(process);
        }
        let blocked = process.threads.borrow().iter().all(|t| t.mask.get().contains(signal));
        blocked || !process.actions.borrow().ignores(signal)
    }

    /// Ends a process by SIGKILL, unless it is the one whose message is being handled: that ends on its way back.
    fn kill_now(self: &Rc<Self>, process: &Rc<Process>) -> bool {
        if self.is_current(process) {
            return false;
        }
        self.trace.signal(process.pid, &SigInfo::kernel(Signal::SIGKILL));
        self.exit_process(process, crate::process::exit::killed_by(Signal::SIGKILL));
        true
    }

    /// Makes a thread come by if it has a signal to take.
    pub fn kick(self: &Rc<Self>, thread: &Rc<Thread>, process: &Rc<Process>) {
        if process.is_stopped() || thread.deliverable(process).is_empty() {
            return;
        }
        if thread.call.get().is_some() {
            thread.interrupt.raise();
            return;
        }
        if self.is_current_thread(thread) {
            return;
        }
        let comes = match self.machine.regs(thread.l4.get()) {
            // In user mode, or in something of L4's, of which a Linux program expects nothing.
            Ok((RunState::Ready | RunState::Receiving | RunState::Preempted, _)) => true,
            Ok((RunState::Copying | RunState::InTransfer, _)) => true,
            // Its next message is on the way, and the signal is delivered when that is answered; unless it sends to somebody
            // else, and waits for ever. If it is to be ended, that makes no difference.
            Ok((RunState::Sending, _)) => self.all_terminate(thread, process),
            _ => false,
        };
        if comes {
            self.go_on(thread, Resume::Running);
        }
    }

    /// Whether each signal that would be delivered now ends the process.
    fn all_terminate(&self, thread: &Thread, process: &Process) -> bool {
        let actions = process.actions.borrow();
        let ends = |s: Signal| actions.get(s).is_default() && s.default_action() == DefaultAction::Terminate;
        thread.deliverable(process).iter().all(ends)
    }
}
