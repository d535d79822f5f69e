//! Tasks to test with. Each does one thing at a time: this server sets all its registers, lets it run one of a few
//! short pieces of code, and gets its registers back when it has come to the UD2 at the end of the piece (which is an
//! exception, and so a message).

pub use crate::code::Code;
use crate::code::code_page;
use crate::report::{Check, Failure, holds, same};
use core::sync::atomic::{AtomicU32, Ordering};
use proto::Message;
use proto::kernel::{Event, Exception, Foreign, PageFault};
use ukernel_abi::call::{Timeouts, ex_regs, task_new};
use ukernel_abi::utcb::{Regs, RunState};
use ukernel_abi::{Call, Label, MapItem, Tag};
use userlib::task::{self, NewTask};
use userlib::thread::{Before, ExRegs, set_cpu, sleep};
use userlib::{Me, Rights, Status, ThreadId, ipc};

/// Stack of puppet `n`: the last pages of the shared memory, at the same address in the puppet.
fn stack(number: usize) -> crate::memory::Page {
    crate::memory::Page(crate::memory::PAGES - 1 - number)
}

/// Priority of a puppet that nobody has said anything else about; this server's is above it.
pub const PRIORITY: u8 = 50;
/// Kernel memory of such a puppet, in frames.
pub const FRAMES: u64 = 64;
/// Time in which everything that is going to happen has happened, in µs. The host may have other things to do than to run a CPU of this machine, and with two CPUs
/// whatever they do together takes the host's attention again and again.
pub const SOON: u32 = 60_000_000;
/// Time between two looks whether it has, in µs.
const LOOK: u32 = 2_000;
/// Time in which a puppet comes from one fault to the next, in µs.
const SETTLED: u32 = 20_000;
/// Vector of UD2's exception.
pub const INVALID_OPCODE: u64 = 6;

/// Waits until it is so.
#[track_caller]
pub fn becomes(what: &'static str, mut it: impl FnMut() -> Check<bool>) -> Check {
    for _ in 0..SOON / LOOK {
        if it()? {
            return Ok(());
        }
        sleep(LOOK);
    }
    holds(what, it()?)
}

/// The CPU on which puppets run.
static CPU: AtomicU32 = AtomicU32::new(0);

/// Have puppets that are made from now on run on CPU `cpu`.
pub fn place_on(cpu: u32) {
    CPU.store(cpu, Ordering::Relaxed);
}

/// A task of this server's.
pub struct Puppet {
    pub id: ThreadId,
    me: Me,
    number: usize,
}

/// What comes from a puppet.
enum Next {
    Nothing,
    /// A page fault, which has been answered.
    Answered,
    Message(Message),
}

impl Puppet {
    /// `number`, 0 to 3, tells the puppets of a case apart.
    pub fn new(me: Me, number: usize) -> Check<Self> {
        Self::with(me, number, FRAMES, PRIORITY)
    }

    pub fn with(me: Me, number: usize, kernel_frames: u64, priority: u8) -> Check<Self> {
        let flags = task_new::STOPPED | task_new::USES_FPU | task_new::WITH_UTCB;
        let (pager, handler) = (me.id, me.id);
        let id = NewTask { flags, ip: 0, sp: 0, pager, handler, kernel_frames, priority }.make()?;
        match CPU.load(Ordering::Relaxed) {
            0 => {}
            cpu => set_cpu(id, cpu)?,
        }
        Ok(Self { id, me, number })
    }

    /// Lets it run `code` with these registers.
    pub fn start(&self, code: Code, regs: Regs) -> Check {
        let rsp = stack(self.number).address() + 4096 - 64;
        self.me.utcb.set_regs(&Regs { rip: code.address(), rsp, ..regs });
        ExRegs::new(ex_regs::SET_REGS | ex_regs::RESUME).apply(self.id)?;
        Ok(())
    }

    /// What comes next from it, within `timeout` µs. Page faults of its code or stack are answered.
    fn next(&self, timeout: u32) -> Check<Next> {
        let message = match ipc::receive(self.id, timeout) {
            Ok(received) => received.message,
            Err(Status::ReceiveTimeout) => return Ok(Next::Nothing),
            Err(status) => return Err(status.into()),
        };
        let Ok(Event::PageFault(PageFault { address, .. })) = Event::try_from(&message) else {
            return Ok(Next::Message(message));
        };
        let own = [code_page(Rights::RX), stack(self.number).fpage(Rights::RW)];
        match own.into_iter().find(|page| page.contains(address)) {
            Some(page) => {
                self.reply([], &[MapItem::map(page, page.base())])?;
                Ok(Next::Answered)
            }
            None => Ok(Next::Message(message)),
        }
    }

    /// The next message of its own.
    pub fn message(&self) -> Check<Message> {
        loop {
            match self.next(SOON)? {
                Next::Message(message) => return Ok(message),
                Next::Answered => {}
                Next::Nothing => return Err(Failure::new("nothing came", 0, 0)),
            }
        }
    }

    /// What the kernel sends next in its name.
    pub fn event(&self) -> Check<Event> {
        let message = self.message()?;
        Event::try_from(&message).map_err(|_| Failure::new("not of the kernel", message.tag.0.into(), 0))
    }

    /// Lets it run until it waits for somebody else: nothing comes from it any more. On another CPU that can take its time.
    pub fn settle(&self) -> Check {
        for _ in 0..SOON / SETTLED {
            // A fault that nobody has received yet looks like waiting, too.
            if self.is_silent(SETTLED)?
                && self.state()?.state != RunState::Ready
                && self.is_silent(ipc::NOW)?
            {
                return Ok(());
            }
        }
        Err(Failure::new("it does not come to wait", 0, 0))
    }

    /// Gives it `timeout` µs to wait for somebody else: for one whose wait does not last, and may be over by then.
    pub fn settle_within(&self, timeout: u32) -> Check {
        while let Next::Answered = self.next(timeout)? {}
        Ok(())
    }

    /// Whether nothing comes from it within `timeout` µs; a message must not.
    fn is_silent(&self, timeout: u32) -> Check<bool> {
        match self.next(timeout)? {
            Next::Nothing => Ok(true),
            Next::Answered => Ok(false),
            Next::Message(message) => Err(Failure::new("a message before it waits", message.tag.0.into(), 0)),
        }
    }

    /// Its registers, when it has come to the end of its code.
    pub fn finish(&self) -> Check<Regs> {
        let exception = self.exception()?;
        same("vector of the end", exception.vector, INVALID_OPCODE)?;
        self.regs()
    }

    /// The same of code that counts its rounds down in rbx, for ever so long: as long as it goes on counting.
    pub fn finish_rounds(&self) -> Check<Regs> {
        let mut left = u64::MAX;
        let message = loop {
            match self.next(SOON)? {
                Next::Message(message) => break message,
                Next::Answered => {}
                Next::Nothing => {
                    let rounds = self.regs()?.rbx;
                    holds("it goes on", rounds < left)?;
                    left = rounds;
                }
            }
        };
        match Event::try_from(&message) {
            Ok(Event::Exception(end)) => same("vector of the end", end.vector, INVALID_OPCODE)?,
            _ => return Err(Failure::new("not the end", message.tag.0.into(), 0)),
        }
        self.regs()
    }

    /// Starts and finishes.
    pub fn run(&self, code: Code, regs: Regs) -> Check<Regs> {
        self.start(code, regs)?;
        self.finish()
    }

    pub fn page_fault(&self) -> Check<PageFault> {
        match self.event()? {
            Event::PageFault(fault) => Ok(fault),
            _ => Err(Failure::new("not a page fault", 0, 0)),
        }
    }

    pub fn exception(&self) -> Check<Exception> {
        match self.event()? {
            Event::Exception(exception) => Ok(exception),
            Event::PageFault(fault) => {
                Err(Failure::new("not an exception, but a page fault", fault.address, 0))
            }
            _ => Err(Failure::new("not an exception", 0, 0)),
        }
    }

    pub fn foreign(&self) -> Check<Foreign> {
        match self.event()? {
            Event::Foreign(foreign) => Ok(foreign),
            _ => Err(Failure::new("not a foreign call", 0, 0)),
        }
    }

    /// Answers what it sent last.
    pub fn reply<const N: usize>(&self, words: [u64; N], items: &[MapItem]) -> Result<(), Status> {
        ipc::send(self.id, &answer(words, items), ipc::NOW)
    }

    pub fn regs(&self) -> Check<Regs> {
        ExRegs::new(ex_regs::GET_REGS).apply(self.id)?;
        Ok(self.me.utcb.regs())
    }

    pub fn state(&self) -> Check<Before> {
        Ok(ExRegs::new(0).apply(self.id)?)
    }

    /// Starts an L4 call.
    pub fn start_call(&self, call: Call, subject: ThreadId, words: [u64; 7]) -> Check {
        self.start(Code::Call, registers(call.rax(), subject, words))
    }

    /// An L4 call from beginning to end: its status and registers.
    pub fn call(&self, call: Call, subject: ThreadId, words: [u64; 7]) -> Check<(Status, Regs)> {
        self.start_call(call, subject, words)?;
        self.called()
    }

    /// Starts an `ipc`.
    pub fn start_ipc(&self, to: ThreadId, message: &Message, from: ThreadId, timeouts: Timeouts) -> Check {
        let regs = registers(Call::Ipc.rax() | message.tag.to_rax(), to, message.words);
        self.start(Code::Call, Regs { r13: from.0, r14: timeouts.0, ..regs })
    }

    /// The end of a call that was started.
    pub fn called(&self) -> Check<(Status, Regs)> {
        let regs = self.finish()?;
        let status = Status::from_rax(regs.rax).ok_or(Failure::new("not a status", regs.rax, 0))?;
        Ok((status, regs))
    }

    /// Reads a word at `address`, which has to be mapped.
    pub fn load(&self, address: u64) -> Check<u64> {
        Ok(self.run(Code::Load, Regs { rdi: address, ..Regs::default() })?.rax)
    }

    pub fn store(&self, address: u64, value: u64) -> Check {
        self.run(Code::Store, Regs { rdi: address, rsi: value, ..Regs::default() }).map(drop)
    }

    /// Loads from `address`, which faults; answers the fault by an item, and returns what was loaded.
    pub fn load_with(&self, address: u64, item: MapItem) -> Check<u64> {
        self.start(Code::Load, Regs { rdi: address, ..Regs::default() })?;
        same("address of the fault", self.page_fault()?.address, address)?;
        self.reply([], &[item])?;
        Ok(self.finish()?.rax)
    }

    /// Whether a load from `address` faults.
    pub fn load_faults(&self, address: u64) -> Check {
        self.start(Code::Load, Regs { rdi: address, ..Regs::default() })?;
        let fault = self.page_fault()?;
        same("address of the fault", fault.address, address)?;
        same("access of the fault", fault.access.0, Rights::R.0)
    }

    pub fn store_faults(&self, address: u64) -> Check {
        self.start(Code::Store, Regs { rdi: address, ..Regs::default() })?;
        let fault = self.page_fault()?;
        same("address of the fault", fault.address, address)?;
        same("access of the fault", fault.access.0, Rights::W.0)
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        // A case may have deleted it already.
        let _ = task::delete(self.id);
    }
}

/// Registers of an L4 call.
fn registers(rax: u64, subject: ThreadId, words: [u64; 7]) -> Regs {
    let [rbx, rdi, rsi, rdx, r10, r8, r9] = words;
    Regs { rax, rbx, rdi, rsi, rdx, r10, r8, r9, r12: subject.0, ..Regs::default() }
}

/// The words of a message, as they lie in registers.
pub fn words(regs: &Regs) -> [u64; 7] {
    [regs.rbx, regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9]
}

/// A message with these words and items. At most seven words together.
pub fn answer<const N: usize>(words: [u64; N], items: &[MapItem]) -> Message {
    let mut message = Message::new(Label(0), words);
    for item in items {
        let at = message.tag.words() + 2 * message.tag.items();
        message.words[at] = item.snd.0;
        message.words[at + 1] = item.base;
        message.tag = Tag::new(Label(0), message.tag.words(), message.tag.items() + 1);
    }
    message
}
