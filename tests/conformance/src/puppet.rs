//! Tasks to test with. Each does one thing at a time: this server sets all its registers, lets it run one of a few
//! short pieces of code, and gets its registers back when it has come to the UD2 at the end of the piece (which is an
//! exception, and so a message).
//!
//! The code lies in a page of this server's own image, and is mapped to the puppet at the same address.

use crate::report::{Check, Failure, same};
use core::arch::global_asm;
use core::sync::atomic::{AtomicU32, Ordering};
use proto::Message;
use proto::kernel::{Event, Exception, Foreign, PageFault};
use ukernel_abi::call::{Timeouts, ex_regs, task_new};
use ukernel_abi::layout::GATE;
use ukernel_abi::utcb::{Regs, RunState};
use ukernel_abi::{Call, Label, MapItem, Tag};
use userlib::task::{self, NewTask};
use userlib::thread::{Before, ExRegs, set_cpu};
use userlib::{Fpage, Me, Rights, Status, ThreadId, ipc};

global_asm!(
    ".section .text.puppet, \"ax\"",
    ".balign 4096",
    "puppet_code:",
    // An L4 call with the registers as they are; r11 is destroyed by the call anyway.
    "puppet_call: movabs r11, {gate}",
    "call r11",
    "ud2",
    // Any other system call.
    "puppet_syscall: syscall",
    "ud2",
    "puppet_load: mov rax, [rdi]",
    "ud2",
    "puppet_store: mov [rdi], rsi",
    "ud2",
    "puppet_jump: jmp rdi",
    "puppet_divide: xor ecx, ecx",
    "xor edx, edx",
    "div ecx",
    "ud2",
    "puppet_port_in: xor eax, eax",
    "in al, dx",
    "ud2",
    "puppet_privileged: cli",
    "ud2",
    "puppet_stop: ud2",
    // A trampoline that goes straight back.
    "puppet_return: jmp rcx",
    // Counts in rbx, for ever.
    "puppet_count: inc rbx",
    "jmp puppet_count",
    // Has rdi in vector and x87 registers and checks rbx times that it is still there. rax = what was found.
    "puppet_vectors: movq xmm0, rdi",
    "movq xmm7, rdi",
    "movq xmm8, rdi",
    "movq xmm15, rdi",
    "push rdi",
    "fild qword ptr [rsp]",
    "1: movq rax, xmm0",
    "cmp rax, rdi",
    "jne 2f",
    "movq rax, xmm7",
    "cmp rax, rdi",
    "jne 2f",
    "movq rax, xmm8",
    "cmp rax, rdi",
    "jne 2f",
    "movq rax, xmm15",
    "cmp rax, rdi",
    "jne 2f",
    "dec rbx",
    "jnz 1b",
    "fistp qword ptr [rsp]",
    "pop rax",
    "2: ud2",
    // The same with the upper halves of AVX registers, which must have been zero before. What AVX-512 adds is there if esi is not 0.
    "puppet_wide: vextractf128 xmm1, ymm9, 1",
    "vmovq rax, xmm1",
    "test rax, rax",
    "jnz 2f",
    "vmovq xmm0, rdi",
    "vinsertf128 ymm9, ymm0, xmm0, 1",
    "vinsertf128 ymm15, ymm0, xmm0, 1",
    "test esi, esi",
    "jz 1f",
    "kmovw k5, edi",
    "vinserti64x2 zmm8, zmm0, xmm0, 3",
    "vinserti64x2 zmm31, zmm0, xmm0, 3",
    "1: vextractf128 xmm1, ymm9, 1",
    "vmovq rax, xmm1",
    "cmp rax, rdi",
    "jne 2f",
    "vextractf128 xmm1, ymm15, 1",
    "vmovq rax, xmm1",
    "cmp rax, rdi",
    "jne 2f",
    "test esi, esi",
    "jz 3f",
    "vextracti64x2 xmm1, zmm8, 3",
    "vmovq rax, xmm1",
    "cmp rax, rdi",
    "jne 2f",
    "vextracti64x2 xmm1, zmm31, 3",
    "vmovq rax, xmm1",
    "cmp rax, rdi",
    "jne 2f",
    "kmovw eax, k5",
    "cmp ax, di",
    "jne 2f",
    "mov rax, rdi",
    "3: dec rbx",
    "jnz 1b",
    "2: ud2",
    // What is in the registers: rax = upper half of ymm15, rbx = xmm3, rcx = xmm15.
    "puppet_read_wide: vmovq rcx, xmm15",
    "vmovq rbx, xmm3",
    "vextractf128 xmm1, ymm15, 1",
    "vmovq rax, xmm1",
    "ud2",
    ".balign 4096",
    ".text",
    gate = const GATE,
);

/// The pieces of code.
#[derive(Clone, Copy)]
pub enum Code {
    Call,
    Syscall,
    Load,
    Store,
    Jump,
    Divide,
    PortIn,
    Privileged,
    Stop,
    Return,
    Count,
    Vectors,
    Wide,
    ReadWide,
}

impl Code {
    pub fn address(self) -> u64 {
        unsafe extern "C" {
            fn puppet_call();
            fn puppet_syscall();
            fn puppet_load();
            fn puppet_store();
            fn puppet_jump();
            fn puppet_divide();
            fn puppet_port_in();
            fn puppet_privileged();
            fn puppet_stop();
            fn puppet_return();
            fn puppet_count();
            fn puppet_vectors();
            fn puppet_wide();
            fn puppet_read_wide();
        }
        let code: unsafe extern "C" fn() = match self {
            Self::Call => puppet_call,
            Self::Syscall => puppet_syscall,
            Self::Load => puppet_load,
            Self::Store => puppet_store,
            Self::Jump => puppet_jump,
            Self::Divide => puppet_divide,
            Self::PortIn => puppet_port_in,
            Self::Privileged => puppet_privileged,
            Self::Stop => puppet_stop,
            Self::Return => puppet_return,
            Self::Count => puppet_count,
            Self::Vectors => puppet_vectors,
            Self::Wide => puppet_wide,
            Self::ReadWide => puppet_read_wide,
        };
        code as usize as u64
    }
}

/// The page with the code.
pub fn code_page(rights: Rights) -> Fpage {
    Fpage::memory(Code::Call.address() & !0xfff, 12, rights)
}

/// Makes root map the code to this server.
pub fn touch_code() {
    // SAFETY: an address in this server's text.
    unsafe { core::ptr::with_exposed_provenance::<u8>(Code::Call.address() as usize).read_volatile() };
}

/// Stack of puppet `n`: the last pages of the shared memory, at the same address in the puppet.
fn stack(number: usize) -> crate::memory::Page {
    crate::memory::Page(crate::memory::PAGES - 1 - number)
}

/// Priority of a puppet that nobody has said anything else about; this server's is above it.
pub const PRIORITY: u8 = 50;
/// Kernel memory of such a puppet, in frames.
pub const FRAMES: u64 = 64;
/// Time in which everything that is going to happen has happened, in µs.
pub const SOON: u32 = 2_000_000;
/// Time in which a puppet comes from one fault to the next, in µs.
const SETTLED: u32 = 20_000;
/// Vector of UD2's exception.
pub const INVALID_OPCODE: u64 = 6;

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

    /// Gives it `timeout` µs to wait for somebody else: for one whose wait does not last.
    pub fn settle_within(&self, timeout: u32) -> Check {
        while !self.is_silent(timeout)? {}
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
