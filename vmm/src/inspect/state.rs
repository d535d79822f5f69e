//! What a thread does, in words.

use super::kernel::Kernel;
use super::names::Names;
use super::thread::Tcb;
use crate::debug::thread::Thread;
use crate::debug::view::View;
use std::fmt;
use std::mem::offset_of;
use ukernel_abi::debug::outgoing;
use ukernel_abi::utcb::{Regs, RunState};
use ukernel_abi::{Rights, ThreadId};
use vmm_abi::linux;

/// What a thread does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activity {
    Running {
        vcpu: usize,
    },
    /// It waits for a CPU.
    Ready,
    /// It goes to another CPU, as soon as its old one has saved its vector registers.
    Moving,
    Sending {
        to: ThreadId,
        /// Nil: its own.
        in_name_of: ThreadId,
    },
    /// For a message, of anybody or of this one alone.
    Receiving {
        from: ThreadId,
    },
    /// It waits for a time, and for no message.
    Sleeping,
    /// It has sent, or is about to send, something to `to` and waits for the answer.
    Asking {
        to: ThreadId,
        what: Question,
        /// It has been received.
        received: bool,
    },
    /// It has had a fault, and there is nobody to whom that could be sent.
    Orphaned,
    /// In a transfer of strings with this thread, which is known without its version.
    Copying {
        with: ThreadId,
    },
}

/// What the kernel sends in a thread's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Question {
    PageFault {
        /// What was to be accessed. Not known if the pager has received it already, unless it was the instruction itself.
        address: Option<u64>,
        /// A `Rights` value.
        access: u8,
        /// Of the instruction.
        ip: u64,
    },
    Exception {
        vector: u64,
    },
    SystemCall {
        number: u64,
    },
    Preemption,
}

/// A thread's activity, and what else there is to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    pub activity: Activity,
    /// It does not run before somebody lets it.
    pub stopped: bool,
    /// Ticks of the TSC after which its wait ends.
    pub left: Option<u64>,
}

impl Kernel {
    /// What the thread of `tcb` does.
    pub fn state(&self, view: &dyn View, tcb: &Tcb) -> State {
        let activity = match self.vcpu_of(view, tcb.thread()) {
            Some(vcpu) if tcb.state.is_ready() => Activity::Running { vcpu },
            _ => self.activity(tcb),
        };
        let now = view.tsc(tcb.cpu as usize);
        let left = tcb.deadline.zip(now).map(|(deadline, now)| deadline.saturating_sub(now));
        State { activity, stopped: tcb.stopped, left }
    }

    fn activity(&self, tcb: &Tcb) -> Activity {
        let to = tcb.partner;
        let ask = |received| match self.question(tcb) {
            Some(what) => Activity::Asking { to, what, received },
            None => Activity::Sending { to, in_name_of: tcb.in_name_of },
        };
        match tcb.state {
            RunState::Ready if tcb.is_moving => Activity::Moving,
            RunState::Ready => Activity::Ready,
            RunState::Sending => ask(false),
            RunState::Receiving if to == tcb.id => Activity::Sleeping,
            RunState::Receiving if to.is_nil() => Activity::Orphaned,
            RunState::Receiving => Activity::Receiving { from: to },
            RunState::PageFault | RunState::Exception | RunState::Foreign | RunState::Preempted => ask(true),
            RunState::InTransfer | RunState::Copying => {
                Activity::Copying { with: tcb.transfer_peer.unwrap_or(ThreadId::NIL) }
            }
        }
    }

    fn question(&self, tcb: &Tcb) -> Option<Question> {
        let saved = |register: usize| tcb.record.u64(self.info().thread.frame.wrapping_add(register as u64));
        let (number, ip) = (saved(offset_of!(Regs, rax)), saved(offset_of!(Regs, rip)));
        let (kind, value, access) = tcb.outgoing;
        // The fast path does not write down what it sends. Then the state tells what it was, and the rest is in the frame, but for the
        // address of a page fault.
        match (tcb.state, kind) {
            (RunState::Foreign, _) | (RunState::Sending, outgoing::FOREIGN) => {
                Some(Question::SystemCall { number })
            }
            (RunState::Exception, _) | (RunState::Sending, outgoing::EXCEPTION) => {
                Some(Question::Exception { vector: value })
            }
            (RunState::Preempted, _) | (RunState::Sending, outgoing::PREEMPTION) => {
                Some(Question::Preemption)
            }
            (RunState::Sending, outgoing::PAGE_FAULT) => {
                Some(Question::PageFault { address: Some(value), access: access as u8, ip })
            }
            (RunState::PageFault, _) => {
                let access = access_of(saved(offset_of!(Regs, entry)));
                let address = (access == Rights::X).then_some(ip);
                Some(Question::PageFault { address, access: access.0, ip })
            }
            _ => None,
        }
    }

    /// What `thread` is and does, in a line: `linux: sh[12], waiting for console`. `None` if there is no such thread.
    pub fn describe(&self, view: &dyn View, names: &Names, thread: Thread) -> Option<String> {
        if let Some(vcpu) = thread.as_vcpu() {
            return Some(match self.current(view, vcpu) {
                Some(current) => format!("vCPU {vcpu}, runs {current}"),
                None => format!("vCPU {vcpu}, idle"),
            });
        }
        let tcb = self.thread(view, thread)?;
        let state = self.state(view, &tcb);
        Some(format!("{}, {}", names.thread(tcb.id), self.state_in_words(view, names, &state)))
    }

    /// The state in words: `waiting for console, for another 3.2 ms`.
    pub fn state_in_words(&self, view: &dyn View, names: &Names, state: &State) -> String {
        let mut words = state.activity.in_words(names);
        if let Some(left) = state.left {
            words += &format!(", for another {}", self.duration(view, left));
        }
        if state.stopped {
            words = format!("stopped; {words}");
        }
        words
    }

    /// Ticks of the TSC, as a time.
    pub fn duration(&self, view: &dyn View, ticks: u64) -> String {
        match self.tsc_khz(view).filter(|khz| *khz != 0) {
            Some(khz) => {
                let us = u128::from(ticks) * 1000 / u128::from(khz);
                format!("{}.{:03} ms", us / 1000, us % 1000)
            }
            None => format!("{ticks} ticks"),
        }
    }
}

/// What was wanted, by the error code of a page fault (SDM vol. 3, 4.7).
fn access_of(error: u64) -> Rights {
    match error {
        error if error & 1 << 4 != 0 => Rights::X,
        error if error & 1 << 1 != 0 => Rights::W,
        _ => Rights::R,
    }
}

impl Activity {
    fn in_words(self, names: &Names) -> String {
        match self {
            Self::Running { vcpu } => format!("running on vCPU {vcpu}"),
            Self::Ready => "ready".to_string(),
            Self::Moving => "moving to another CPU".to_string(),
            Self::Sending { to, in_name_of } if in_name_of.is_nil() => {
                format!("blocked in IPC to {}", names.thread(to))
            }
            Self::Sending { to, in_name_of } => {
                format!("blocked in IPC to {}, in the name of {}", names.thread(to), names.thread(in_name_of))
            }
            Self::Receiving { from } => format!("waiting for {}", names.thread(from)),
            Self::Sleeping => "sleeping".to_string(),
            Self::Orphaned => "after a fault that nobody handles".to_string(),
            Self::Copying { with } => format!("copying strings, with {}", names.thread(with)),
            Self::Asking { to, what, received } => {
                let how = if received { "handled by" } else { "not yet received by" };
                format!("{what}, {how} {}", names.thread(to))
            }
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PageFault { address, access, ip } => {
                match Rights(*access) {
                    Rights::X => write!(f, "page fault (execute)")?,
                    Rights::W => write!(f, "page fault (write)")?,
                    _ => write!(f, "page fault (read)")?,
                }
                match address {
                    Some(address) => write!(f, " at {address:#x}"),
                    None => write!(f, " by the instruction at {ip:#x}"),
                }
            }
            Self::Exception { vector } => write!(f, "exception {vector}"),
            Self::SystemCall { number } => match linux::name(*number) {
                Some(name) => write!(f, "system call {name}"),
                None => write!(f, "system call {number}"),
            },
            Self::Preemption => write!(f, "end of its time slice"),
        }
    }
}
