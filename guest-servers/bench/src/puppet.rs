//! Tasks and threads whose every register this server sets. It is their pager and handler, and gets them back when they come to
//! a UD2, which is an exception and so a message.

use crate::code::Code;
use crate::memory::{self, Page};
use proto::Message;
use proto::kernel::Event;
use ukernel_abi::call::{ex_regs, task_new};
use ukernel_abi::utcb::Regs;
use ukernel_abi::{Label, MapItem, Tag};
use userlib::task::{self, NewTask};
use userlib::thread::{ExRegs, set_schedule};
use userlib::{Me, Status, ThreadId, ipc};

/// As that of Linux processes.
const PRIORITY: u8 = 50;
/// Kernel memory of a puppet, in frames.
const FRAMES: u64 = 128;
/// Vector of UD2's exception.
const INVALID_OPCODE: u64 = 6;

/// A thread in a task of its own, or a second one in another's task.
pub struct Puppet {
    pub id: ThreadId,
    me: Me,
    stack: Page,
}

impl Puppet {
    /// A thread in a task of its own. It has a UTCB, as servers have.
    pub fn server(me: Me, stack: Page) -> Result<Self, Status> {
        Self::task(me, stack, task_new::WITH_UTCB)
    }

    /// A thread in a task of its own that owns FPU state, as Linux processes do.
    pub fn program(me: Me, stack: Page) -> Result<Self, Status> {
        Self::task(me, stack, task_new::USES_FPU)
    }

    fn task(me: Me, stack: Page, flags: u64) -> Result<Self, Status> {
        let flags = flags | task_new::STOPPED;
        let (pager, handler) = (me.id, me.id);
        let id = NewTask { flags, ip: 0, sp: 0, pager, handler, kernel_frames: FRAMES, priority: PRIORITY }
            .make()?;
        let puppet = Self { id, me, stack };
        puppet.run(Code::Touch, 0, 0)?;
        Ok(puppet)
    }

    /// A second thread in this one's task.
    pub fn second(&self, stack: Page) -> Result<Self, Status> {
        let id = ThreadId::new(self.id.task(), self.id.lthread() + 1, self.id.version());
        let make = ExRegs::new(ex_regs::CREATE | ex_regs::WITH_UTCB).pager(self.me.id).handler(self.me.id);
        let id = make.apply(id)?.thread;
        set_schedule(id, Some(PRIORITY), None)?;
        let puppet = Self { id, me: self.me, stack };
        puppet.run(Code::Touch, 0, 0)?;
        Ok(puppet)
    }

    /// Lets it run `code`.
    pub fn start(&self, code: Code, rounds: u64, argument: u64) -> Result<(), Status> {
        let (rip, rsp) = (code.address(), self.stack.stack());
        self.me.utcb.set_regs(&Regs { rip, rsp, rbp: rounds, r15: argument, ..Regs::default() });
        ExRegs::new(ex_regs::SET_REGS | ex_regs::RESUME).apply(self.id).map(drop)
    }

    /// Its registers, when it has come to the end of its code. `vector` is that of its exception if its message has been
    /// received already.
    pub fn finish(&self, vector: Option<u64>) -> Result<Regs, Status> {
        let vector = match vector {
            Some(vector) => vector,
            None => self.exception()?,
        };
        if vector != INVALID_OPCODE {
            return Err(Status::Aborted);
        }
        ExRegs::new(ex_regs::GET_REGS).apply(self.id)?;
        Ok(self.me.utcb.regs())
    }

    pub fn run(&self, code: Code, rounds: u64, argument: u64) -> Result<Regs, Status> {
        self.start(code, rounds, argument)?;
        self.finish(None)
    }

    /// Waits for its exception, whose vector comes back; answers its page faults.
    fn exception(&self) -> Result<u64, Status> {
        loop {
            let message = ipc::receive(self.id, ipc::NEVER)?.message;
            match Event::try_from(&message) {
                Ok(Event::Exception(exception)) => return Ok(exception.vector),
                Ok(Event::PageFault(fault)) => {
                    self.map(memory::item_at(fault.address).ok_or(Status::Aborted)?)?
                }
                _ => return Err(Status::Aborted),
            }
        }
    }

    /// Sends it an item, when it waits for one.
    pub fn map(&self, item: MapItem) -> Result<(), Status> {
        let words = [item.snd.0, item.base, 0, 0, 0, 0, 0];
        ipc::send(self.id, &Message { tag: Tag::new(Label(0), 0, 1), words }, ipc::NEVER)
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        if self.id.lthread() == 0 {
            // It may have come to an end before.
            let _ = task::delete(self.id);
        }
    }
}
