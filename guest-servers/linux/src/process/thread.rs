//! A thread of a process, and the L4 thread that runs it.

use super::{Pid, Process, State};
use crate::exec::{Interrupt, TaskId};
use crate::signal::altstack::AltStack;
use crate::signal::deliver::Held;
use crate::signal::frame::LastFault;
use crate::signal::pending::PendingSignals;
use crate::signal::set::{SigSet, Signal};
use alloc::rc::{Rc, Weak};
use core::cell::{Cell, RefCell};
use ukernel_abi::ThreadId;

/// The system call that a thread is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallInProgress {
    pub nr: u64,
    /// The executor's task, if it waits.
    pub task: Option<TaskId>,
}

/// What `restart_syscall(2)` goes on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartBlock {
    /// Sleep until this time of the monotonic clock; tell what is left at `remaining`.
    Nanosleep { deadline: u64, remaining: u64 },
}

pub struct Thread {
    pub tid: Pid,
    pub process: Weak<Process>,
    /// Changes when a vfork child moves into a task of its own.
    pub l4: Cell<ThreadId>,
    pub call: Cell<Option<CallInProgress>>,
    /// Raised while a signal waits to be delivered: blocked calls end.
    pub interrupt: Interrupt,
    pub mask: Cell<SigSet>,
    /// The mask to go back to after the call that has set another for its duration (`sigsuspend`, `ppoll`).
    pub saved_mask: Cell<Option<SigSet>>,
    /// Signals sent to this thread alone.
    pub pending: RefCell<PendingSignals>,
    pub alt_stack: Cell<AltStack>,
    pub restart: Cell<Option<RestartBlock>>,
    /// Cleared, and its futex woken, when the thread ends (set_tid_address(2)).
    pub clear_child_tid: Cell<u64>,
    pub robust_list: Cell<(u64, u64)>,
    /// The exception that a signal handler is told of.
    pub last_fault: Cell<LastFault>,
    /// What it was to be answered when its process was stopped.
    pub held: RefCell<Option<Held>>,
}

impl Thread {
    pub fn new(tid: Pid, process: Weak<Process>, l4: ThreadId, mask: SigSet) -> Rc<Self> {
        Rc::new(Self {
            tid,
            process,
            l4: Cell::new(l4),
            call: Cell::new(None),
            interrupt: Interrupt::new(),
            mask: Cell::new(mask),
            saved_mask: Cell::new(None),
            pending: RefCell::default(),
            alt_stack: Cell::new(AltStack::NONE),
            restart: Cell::new(None),
            clear_child_tid: Cell::new(0),
            robust_list: Cell::new((0, 0)),
            last_fault: Cell::default(),
            held: RefCell::new(None),
        })
    }

    /// Whether there is nothing about signals to be done for the thread of `process`: none is pending, blocked or not, and the process runs.
    #[inline(always)]
    pub fn is_undisturbed(&self, process: &Process) -> bool {
        let pending = self.pending.borrow().set().union(process.pending.borrow().set());
        pending.is_empty() && process.state.get() == State::Running
    }

    /// Whether, beyond that, the call that ends now leaves nothing to be undone.
    pub fn just_goes_on(&self, process: &Process) -> bool {
        self.is_undisturbed(process) && self.saved_mask.get().is_none() && !self.interrupt.is_raised()
    }

    /// The signals that would be delivered now.
    pub fn deliverable(&self, process: &Process) -> SigSet {
        self.pending.borrow().set().union(process.pending.borrow().set()).without(self.mask.get())
    }

    /// Replaces the signal mask for the rest of this call; it goes back when the call returns, after signals that
    /// only the new mask lets through have been delivered.
    pub fn set_temporary_mask(&self, mask: SigSet) {
        if self.saved_mask.get().is_none() {
            self.saved_mask.set(Some(self.mask.get()));
        }
        self.mask.set(mask.without(Signal::UNBLOCKABLE));
    }
}
