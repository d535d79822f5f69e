//! Calls that are answered where they are received.
//!
//! An *immediate* call needs nothing but its process, its thread and one argument, cannot fail, does not wait, and wakes nobody: its answer is a number, and
//! when it has been made nothing else is to be done. So if nothing else is due either, the event loop answers it at once
//! ([`Server::answer_at_once`]), without making an event of it; that is as many instructions as a system call of a kernel that runs in the program's own
//! address space. Otherwise it takes the way of all calls ([`Server::handle`]), on which it gives the same answer.
//!
//! A call that does not exist here is answered so, too: that cannot fail either.
//!
//! Nothing else is due if nothing traces calls, no signal is pending for the caller, and its process is neither stopped nor ended. (The event loop knows
//! of timers.)

use super::table;
use crate::process::{Process, Thread};
use crate::server::Server;
use ukernel_abi::ThreadId;
use vmm_abi::trace::Event;

/// What an immediate call may look at and change.
pub struct Immediate<'a> {
    pub thread: &'a Thread,
    pub process: &'a Process,
    /// The first one; none of these calls has more.
    pub argument: u64,
}

/// Gives what is to be in rax.
pub type Function = fn(&Immediate) -> u64;

impl Server {
    /// Answers a call that a message of `from` asks for, if that can be done at once. `received` is a reading of the TSC after the message
    /// came, `tsc` takes another one, and `record` makes records for a profile.
    #[inline(always)]
    pub fn answer_at_once(
        &self,
        from: ThreadId,
        nr: u32,
        argument: u64,
        received: u64,
        tsc: impl Fn() -> u64,
        record: impl Fn(Event, u64),
    ) -> Option<u64> {
        let function = table::immediate(nr)?;
        if self.trace.is_on() {
            return None;
        }
        let threads = self.processes.threads();
        let runner = threads.get(from)?;
        let (thread, process) = (&*runner.thread, &*runner.process);
        if !thread.is_undisturbed(process) {
            return None;
        }
        self.meter.received(Some(&process.usage), received);
        record(Event::HANDLER_START, nr.into());
        let value = function(&Immediate { thread, process, argument });
        record(Event::HANDLER_END, value);
        self.meter.done(Some(&process.usage), received, tsc());
        Some(value)
    }
}
