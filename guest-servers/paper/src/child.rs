//! Tasks that run functions of this server's. It is their chief, pager and handler, and learns that they have come to their end from the exception of a UD2.
//!
//! They have the server's image, to read, and [`Shared`], and their own stack in it: no variable of the image can be changed there, and a page fault that says
//! otherwise is a failure.

use crate::memory::Shared;
use crate::ticks;
use core::arch::asm;
use core::sync::atomic::Ordering::Relaxed;
use proto::Message;
use proto::kernel::Event;
use ukernel_abi::call::{ex_regs, task_new};
use ukernel_abi::utcb::Regs;
use ukernel_abi::{Label, Tag};
use userlib::task::{self, NewTask};
use userlib::thread::{ExRegs, set_schedule};
use userlib::{Me, Status, ThreadId, ipc};

/// What a child runs: the memory, and its partner.
pub type Main = extern "C" fn(&'static Shared, ThreadId) -> !;

/// As that of Linux processes.
const PRIORITY: u8 = 50;
/// Kernel memory of a child, in frames.
const FRAMES: u64 = 128;
/// Vector of UD2's exception.
const INVALID_OPCODE: u64 = 6;

/// Ends a child.
pub fn end() -> ! {
    // SAFETY: an exception, after which the child is not set going again.
    unsafe { asm!("ud2", options(noreturn)) }
}

/// A thread in a task of its own, or a second one in another's task.
pub struct Child {
    pub id: ThreadId,
    me: Me,
    shared: &'static Shared,
    stack: u64,
}

impl Child {
    pub fn new(me: Me, shared: &'static Shared, stack: usize) -> Result<Self, Status> {
        let flags = task_new::WITH_UTCB | task_new::STOPPED;
        let (pager, handler) = (me.id, me.id);
        let task = NewTask { flags, ip: 0, sp: 0, pager, handler, kernel_frames: FRAMES, priority: PRIORITY };
        Ok(Self { id: task.make()?, me, shared, stack: shared.stack(stack) })
    }

    /// A second thread in this one's task.
    pub fn second(&self, stack: usize) -> Result<Self, Status> {
        let id = ThreadId::new(self.id.task(), self.id.lthread() + 1, self.id.version());
        let make = ExRegs::new(ex_regs::CREATE | ex_regs::WITH_UTCB).pager(self.me.id).handler(self.me.id);
        let id = make.apply(id)?.thread;
        set_schedule(id, Some(PRIORITY), None)?;
        Ok(Self { id, me: self.me, shared: self.shared, stack: self.shared.stack(stack) })
    }

    /// Lets it run `main`.
    pub fn start(&self, main: Main, partner: ThreadId) -> Result<(), Status> {
        let regs = Regs {
            rip: main as *const () as u64,
            rsp: self.stack,
            rdi: (&raw const *self.shared).expose_provenance() as u64,
            rsi: partner.0,
            ..Regs::default()
        };
        self.me.utcb.set_regs(&regs);
        ExRegs::new(ex_regs::SET_REGS | ex_regs::RESUME).apply(self.id).map(drop)
    }

    /// Is the pager of all children until this one has come to its end.
    pub fn finish(&self) -> Result<(), Status> {
        let mut next = ipc::receive(ThreadId::ANY, ipc::NEVER)?;
        loop {
            self.shared.trapped.store(ticks::now(), Relaxed);
            let reply = match Event::try_from(&next.message) {
                Ok(Event::PageFault(fault)) => {
                    let item = self.shared.item(&fault).ok_or(Status::Denied)?;
                    let words = [item.snd.0, item.base, 0, 0, 0, 0, 0];
                    Message { tag: Tag::new(Label(0), 0, 1), words }
                }
                Ok(Event::Exception(exception))
                    if next.from == self.id && exception.vector == INVALID_OPCODE =>
                {
                    return Ok(());
                }
                _ => return Err(Status::Aborted),
            };
            next = ipc::reply_and_wait(next.from, &reply)?;
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.id.lthread() == 0 {
            // It may have come to an end before.
            let _ = task::delete(self.id);
        }
    }
}
