//! Delivering signals: the last thing that happens before a thread goes on in user mode.
//!
//! Every way back goes through [`Server::go_on`] with a [`Resume`]. If nothing is to be delivered, the message that the
//! thread waits for is answered, which is the one call to the µ-kernel that there must be. If a handler is to run, the
//! thread's state is fetched, frames are pushed, and it is set going with new registers.

use super::action::{SA_NODEFER, SA_RESETHAND, SigAction};
use super::frame;
use super::info::SigInfo;
use super::set::{DefaultAction, SigSet, Signal};
use crate::errno::Errno;
use crate::machine::ThreadState;
use crate::mm::user::UserMemory;
use crate::process::{Process, Thread};
use crate::server::Server;
use crate::syscall::SysResult;
use crate::trampoline::Doing;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use linux_raw_sys::general::__NR_restart_syscall;
use ukernel_abi::MapItem;

/// What a thread goes on from.
pub enum Resume {
    /// A system call that has ended.
    Call { nr: u64, result: SysResult },
    /// A page fault or exception, with what is to be mapped.
    Fault(Vec<MapItem>),
    /// It was running, and nobody has stopped it yet.
    Running,
    /// This state, in place of what it had (`rt_sigreturn`).
    State(Box<ThreadState>),
}

/// What a thread of a stopped process goes on from when the process is continued.
pub struct Held(pub Resume);

/// Length of the `syscall` instruction: to go back by it makes the call again.
pub const SYSCALL_LEN: u64 = 2;
/// End of the addresses that rip may have.
const CANONICAL_END: u64 = 1 << 47;

enum Next {
    /// Nothing more to deliver.
    Nothing,
    /// The thread will not go on now.
    Halted,
    Handler(SigInfo, SigAction),
}

impl Server {
    /// Lets a thread go on, after delivering the signals that are due.
    pub fn go_on(self: &Rc<Self>, thread: &Rc<Thread>, resume: Resume) {
        let Some(process) = thread.process.upgrade() else { return };
        if process.is_zombie() {
            return;
        }
        if process.is_stopped() {
            return self.hold(thread, resume);
        }
        let mut state: Option<Box<ThreadState>> = None;
        let mut resume = resume;
        loop {
            match self.next_signal(thread, &process) {
                Next::Nothing => break,
                Next::Halted if process.is_stopped() => return self.hold_with(thread, resume, state),
                Next::Halted => return,
                Next::Handler(info, action) => {
                    // When the handler begins, the call has had its result; what remains is the state.
                    let before = core::mem::replace(&mut resume, Resume::Running);
                    let mut s = match state.take() {
                        Some(s) => s,
                        None => match self.state_before_handler(thread, &process, before, &action) {
                            Ok(s) => s,
                            Err(why) => return self.lost(&process, why),
                        },
                    };
                    self.push_frame(thread, &process, &mut s, &info, &action);
                    state = Some(s);
                }
            }
        }
        self.restore_mask(thread);
        thread.interrupt.clear();
        match state {
            Some(state) => self.set_going(thread, &process, &state),
            None => self.answer(thread, &process, resume),
        }
    }

    fn hold(&self, thread: &Thread, resume: Resume) {
        if matches!(resume, Resume::Running) {
            self.machine.stop(thread.l4.get());
        }
        *thread.held.borrow_mut() = Some(Held(resume));
    }

    fn hold_with(&self, thread: &Thread, resume: Resume, state: Option<Box<ThreadState>>) {
        match state {
            Some(state) => self.hold(thread, Resume::State(state)),
            None => self.hold(thread, resume),
        }
    }

    /// The thread cannot go on: its program has spoilt its save area, or the µ-kernel does not know it any more. Nothing but ending its process is left.
    fn lost(self: &Rc<Self>, process: &Rc<Process>, why: Errno) {
        let signal = if why == Errno::EFAULT { Signal::SIGSEGV } else { Signal::SIGKILL };
        self.exit_process(process, crate::process::exit::killed_by(signal));
    }

    /// Takes signals until one needs a handler. Those with a default action are dealt with here.
    fn next_signal(self: &Rc<Self>, thread: &Thread, process: &Rc<Process>) -> Next {
        loop {
            let wanted = SigSet(u64::MAX).without(thread.mask.get());
            let mine = thread.pending.borrow_mut().take(wanted);
            let Some(info) = mine.or_else(|| process.pending.borrow_mut().take(wanted)) else {
                return Next::Nothing;
            };
            self.trace.signal(process.pid, &info);
            let action = process.actions.borrow().get(info.signal);
            if action.is_handler() {
                return Next::Handler(info, action);
            }
            if action.is_ignore() {
                continue;
            }
            match info.signal.default_action() {
                DefaultAction::Ignore | DefaultAction::Continue => {}
                DefaultAction::Stop
                    if info.signal != Signal::SIGSTOP && self.is_orphaned(process.pgid.get()) => {}
                DefaultAction::Stop => {
                    self.stop_process(process, info.signal);
                    return Next::Halted;
                }
                DefaultAction::Terminate => {
                    self.exit_process(process, crate::process::exit::killed_by(info.signal));
                    return Next::Halted;
                }
            }
        }
    }

    /// The state that a handler interrupts: for a call, with its result in rax or set up to be made again.
    fn state_before_handler(
        &self,
        thread: &Thread,
        process: &Process,
        resume: Resume,
        action: &SigAction,
    ) -> Result<Box<ThreadState>, Errno> {
        if let Resume::State(state) = resume {
            return Ok(state);
        }
        let doing = if let Resume::Call { .. } = resume { Doing::Call } else { Doing::Running };
        let mut state = self.program_state(thread, process, doing)?;
        if let Resume::Call { nr, result } = resume {
            let again = match result {
                Err(Errno::ERESTARTNOINTR) => true,
                Err(Errno::ERESTARTSYS) => action.has(super::action::SA_RESTART),
                _ => false,
            };
            if again {
                state.regs.rax = nr;
                state.regs.rip = state.regs.rip.wrapping_sub(SYSCALL_LEN);
            } else {
                state.regs.rax = value_of(&result);
            }
        }
        Ok(state)
    }

    fn push_frame(
        self: &Rc<Self>,
        thread: &Thread,
        process: &Rc<Process>,
        state: &mut ThreadState,
        info: &SigInfo,
        action: &SigAction,
    ) {
        let alt = thread.alt_stack.get();
        let mask = thread.saved_mask.take().unwrap_or(thread.mask.get());
        let fault = thread.last_fault.get();
        let memory = UserMemory::new(process);
        let no_restorer = !action.has(super::action::SA_RESTORER);
        if no_restorer || frame::push(&memory, state, info, action, mask, alt, fault).is_err() {
            // As Linux's force_sigsegv: a SIGSEGV that cannot be handled ends the process.
            if info.signal == Signal::SIGSEGV {
                process.actions.borrow_mut().set(Signal::SIGSEGV, SigAction::DEFAULT);
            }
            self.force_signal(thread, process, SigInfo::kernel(Signal::SIGSEGV));
            return;
        }
        thread.alt_stack.set(alt.after_use());
        if action.has(SA_RESETHAND) {
            process.actions.borrow_mut().set(info.signal, SigAction::DEFAULT);
        }
        let mut blocked = thread.mask.get().union(action.mask);
        if !action.has(SA_NODEFER) {
            blocked = blocked.union(SigSet::one(info.signal));
        }
        thread.mask.set(blocked.without(Signal::UNBLOCKABLE));
    }

    fn restore_mask(&self, thread: &Thread) {
        if let Some(mask) = thread.saved_mask.take() {
            thread.mask.set(mask);
        }
    }

    /// Sets a thread going with a new state.
    fn set_going(self: &Rc<Self>, thread: &Thread, process: &Rc<Process>, state: &ThreadState) {
        if state.regs.rip >= CANONICAL_END {
            // The program would fault at once, in a way that the µ-kernel need not be asked to show.
            return self.exit_process(process, crate::process::exit::killed_by(Signal::SIGSEGV));
        }
        if let Err(why) = self.machine.set_regs_fpu(thread.l4.get(), &state.regs, &state.fpu) {
            self.lost(process, why.into());
        }
    }

    /// Answers the message that a thread waits for. No handler is to run.
    fn answer(self: &Rc<Self>, thread: &Rc<Thread>, process: &Rc<Process>, resume: Resume) {
        let l4 = thread.l4.get();
        match resume {
            Resume::Call { nr, result } => match result {
                Err(e) if e.is_restart() => self.call_again(thread, process, nr, e),
                result => self.machine.reply_call(l4, value_of(&result)),
            },
            Resume::Fault(items) => self.machine.reply_fault(l4, &items),
            Resume::Running => {}
            Resume::State(state) => self.set_going(thread, process, &state),
        }
    }

    /// Goes back to the `syscall` instruction, as if the call had not been made.
    fn call_again(self: &Rc<Self>, thread: &Thread, process: &Rc<Process>, nr: u64, why: Errno) {
        let l4 = thread.l4.get();
        let set = self.program_regs(thread, process, Doing::Call).and_then(|mut regs| {
            regs.rip = regs.rip.wrapping_sub(SYSCALL_LEN);
            regs.rax = if why == Errno::ERESTART_RESTARTBLOCK { __NR_restart_syscall as u64 } else { nr };
            Ok(self.machine.set_regs(l4, &regs)?)
        });
        if let Err(why) = set {
            self.lost(process, why);
        }
    }
}

/// What a call leaves in rax. A restart that nobody will do is EINTR.
pub fn value_of(result: &SysResult) -> u64 {
    match result {
        Ok(value) => *value,
        Err(e) if e.is_restart() => Errno::EINTR.to_return_value(),
        Err(e) => e.to_return_value(),
    }
}
