//! The thread control block.
//!
//! One page of the TCB array. The register frame is at its start, where the processor itself puts the first part of it: the
//! kernel-stack pointer of the running thread (`tss.rsp0`) is the end of its frame, so entering the kernel saves the
//! registers straight into the TCB, and leaving it for another thread means taking that one's frame.

use core::cell::Cell;
use core::mem::offset_of;
use ukernel_abi::call::Timeouts;
use ukernel_abi::debug::outgoing;
use ukernel_abi::msg::StringItem;
use ukernel_abi::utcb::{BUFFERS, FpuState, RESERVED_WORDS, RunState, Utcb};
use ukernel_abi::{Fpage, ThreadId};

use crate::ipc::strings::Transfer;
use crate::queue::{Link, Queue};

pub type ThreadRef = &'static Thread;

/// The general registers of a thread while it is not in user mode, laid out as [`ukernel_abi::utcb::Regs`].
#[derive(Default)]
#[repr(C)]
pub struct Frame {
    pub r15: Cell<u64>,
    pub r14: Cell<u64>,
    pub r13: Cell<u64>,
    pub r12: Cell<u64>,
    pub rbp: Cell<u64>,
    pub rbx: Cell<u64>,
    pub r11: Cell<u64>,
    pub r10: Cell<u64>,
    pub r9: Cell<u64>,
    pub r8: Cell<u64>,
    pub rax: Cell<u64>,
    pub rcx: Cell<u64>,
    pub rdx: Cell<u64>,
    pub rsi: Cell<u64>,
    pub rdi: Cell<u64>,
    /// Error code of the exception that led here; 0 otherwise.
    pub entry: Cell<u64>,
    pub rip: Cell<u64>,
    pub cs: Cell<u64>,
    pub rflags: Cell<u64>,
    pub rsp: Cell<u64>,
    pub ss: Cell<u64>,
}

const _: () = assert!(size_of::<Frame>() == size_of::<ukernel_abi::utcb::Regs>());

impl Frame {
    pub const fn new() -> Self {
        Self {
            r15: Cell::new(0),
            r14: Cell::new(0),
            r13: Cell::new(0),
            r12: Cell::new(0),
            rbp: Cell::new(0),
            rbx: Cell::new(0),
            r11: Cell::new(0),
            r10: Cell::new(0),
            r9: Cell::new(0),
            r8: Cell::new(0),
            rax: Cell::new(0),
            rcx: Cell::new(0),
            rdx: Cell::new(0),
            rsi: Cell::new(0),
            rdi: Cell::new(0),
            entry: Cell::new(0),
            rip: Cell::new(0),
            cs: Cell::new(0),
            rflags: Cell::new(0),
            rsp: Cell::new(0),
            ss: Cell::new(0),
        }
    }

    /// Message words that travel in registers, in their order.
    #[inline(always)]
    pub fn words(&self) -> [&Cell<u64>; ukernel_abi::msg::REGISTER_WORDS] {
        [&self.rbx, &self.rdi, &self.rsi, &self.rdx, &self.r10, &self.r8, &self.r9]
    }

    /// Message word `n`, if it travels in a register.
    #[inline(always)]
    pub fn word(&self, n: usize) -> Option<&Cell<u64>> {
        Some(match n {
            0 => &self.rbx,
            1 => &self.rdi,
            2 => &self.rsi,
            3 => &self.rdx,
            4 => &self.r10,
            5 => &self.r8,
            6 => &self.r9,
            _ => return None,
        })
    }
}

/// What the thread is about to send or has sent and not had answered.
///
/// Debuggers read it ([`crate::debug`]): the kind is the first word, what belongs to it follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Outgoing {
    /// The message in its registers and UTCB.
    Ipc = outgoing::IPC,
    PageFault {
        addr: u64,
        access: u64,
    } = outgoing::PAGE_FAULT,
    Exception {
        vector: u64,
    } = outgoing::EXCEPTION,
    Foreign = outgoing::FOREIGN,
    /// The end of its time slice, at a TSC reading.
    Preemption {
        now: u64,
    } = outgoing::PREEMPTION,
}

/// A page that the thread shares with the kernel, as cells: the program may change it at any time.
pub type UtcbRef = &'static UtcbCells;

/// [`Utcb`] as the kernel sees it.
#[repr(C, align(4096))]
pub struct UtcbCells {
    pub words: [Cell<u64>; ukernel_abi::msg::WORDS],
    pub window: Cell<Fpage>,
    pub io_window: Cell<Fpage>,
    pub send_deadline: Cell<u64>,
    pub receive_deadline: Cell<u64>,
    pub virtual_sender: Cell<ThreadId>,
    pub transfer_timeouts: Cell<Timeouts>,
    pub buffer_count: Cell<u64>,
    _reserved: Cell<u64>,
    pub regs: Cell<ukernel_abi::utcb::Regs>,
    pub fs_base: Cell<u64>,
    pub gs_base: Cell<u64>,
    _reserved1: Cell<u64>,
    pub fpu: Cell<FpuState>,
    _reserved2: [Cell<u64>; RESERVED_WORDS],
    pub buffers: [Cell<StringItem>; BUFFERS],
}

/// As a new thread finds it.
impl Default for UtcbCells {
    fn default() -> Self {
        Self {
            words: [const { Cell::new(0) }; ukernel_abi::msg::WORDS],
            window: Cell::new(Fpage::NIL),
            io_window: Cell::new(Fpage::NIL),
            send_deadline: Cell::new(0),
            receive_deadline: Cell::new(0),
            virtual_sender: Cell::new(ThreadId::NIL),
            transfer_timeouts: Cell::new(Timeouts::ALL_NEVER),
            buffer_count: Cell::new(0),
            _reserved: Cell::new(0),
            regs: Cell::default(),
            fs_base: Cell::new(0),
            gs_base: Cell::new(0),
            _reserved1: Cell::new(0),
            fpu: Cell::new(FpuState::INIT),
            _reserved2: [const { Cell::new(0) }; RESERVED_WORDS],
            buffers: [const { Cell::new(StringItem { addr: 0, word: 0 }) }; BUFFERS],
        }
    }
}

const _: () = assert!(size_of::<UtcbCells>() == size_of::<Utcb>());
const _: () = assert!(core::mem::offset_of!(UtcbCells, regs) == core::mem::offset_of!(Utcb, regs));
const _: () = assert!(core::mem::offset_of!(UtcbCells, buffers) == core::mem::offset_of!(Utcb, buffers));
const _: () = assert!(core::mem::offset_of!(UtcbCells, fpu) == core::mem::offset_of!(Utcb, fpu));

/// A thread. `id` is [`ThreadId::NIL`] where there is none.
///
/// The first 256 bytes are all that a short message between two threads touches; the kernel's assembler code knows the offsets. From
/// `state` to `cpu` they are compared as one word: the partner of a short message waits (`Receiving`), nothing speaks against waking it, and it
/// belongs to the same CPU.
#[repr(C, align(64))]
pub struct Thread {
    pub id: Cell<ThreadId>,
    pub frame: Frame,
    /// What it does, without regard to `stopped`.
    pub state: Cell<RunState>,
    pub stopped: Cell<bool>,
    pub timeout_queued: Cell<bool>,
    /// Owns FPU, FS and GS state.
    pub uses_fpu: Cell<bool>,
    /// Number of the CPU on which it runs.
    pub cpu: Cell<u32>,
    /// Whom it sends to (state Sending) or waits for (all later states).
    pub partner: Cell<ThreadId>,
    /// Page-table root of its task, as CR3 takes it.
    pub cr3: Cell<u64>,
    /// Task that made this thread's task.
    pub chief: Cell<u16>,
    pub priority: Cell<u8>,
    /// Some thread has waited for this one alone: when it dies they must hear of it.
    pub waited_for: Cell<bool>,
    /// Number of its interrupt lines on which something has come.
    pub pending_lines: Cell<u8>,
    pub handler: Cell<ThreadId>,
    /// Where foreign system calls go on in the thread itself; 0 if they go to the handler.
    pub trampoline: Cell<u64>,
    /// Threads that wait to send to this one.
    pub senders: Queue,
    pub pager: Cell<ThreadId>,
    /// Who hears of the ends of its time slices; nil: nobody.
    pub preempter: Cell<ThreadId>,
    pub outgoing: Cell<Outgoing>,
    /// In whose name it sends; nil: its own.
    pub in_name_of: Cell<ThreadId>,
    /// Some of `senders` may send in another's name.
    pub propagated_to: Cell<bool>,
    pub utcb: Cell<Option<UtcbRef>>,
    pub transfer: Transfer,
    /// This thread's place in its partner's `senders`.
    pub send_link: Link,
    /// Its place in a ready queue.
    pub ready_link: Link,
    pub ready_queued: Cell<bool>,
    /// Its place in the list of timeouts, and the TSC reading at which it is due.
    pub timeout_link: Link,
    pub deadline: Cell<u64>,
    /// It has been given to another CPU, but the one it comes from still has to save registers of its.
    pub moving: Cell<bool>,
    /// Its place among the threads of its task.
    pub task_link: Link,
    /// Length of its time slice in TSC ticks.
    pub timeslice: Cell<u64>,
    pub fs_base: Cell<u64>,
    pub gs_base: Cell<u64>,
    /// Physical address of its page at `layout::vector_area`; 0 if it has none.
    pub vector_frame: Cell<u64>,
    pub fpu: FpuArea,
}

/// Where the FPU state is kept while other threads use the FPU. Only instructions read and write it.
#[repr(C, align(64))]
pub struct FpuArea(pub Cell<FpuState>);

const _: () = assert!(offset_of!(Thread, frame) == 8);
/// `state` to `cpu` are one word, as the fast path compares it.
const _: () = assert!(
    offset_of!(Thread, state) == FRAME_END
        && offset_of!(Thread, stopped) == FRAME_END + 1
        && offset_of!(Thread, timeout_queued) == FRAME_END + 2
        && offset_of!(Thread, uses_fpu) == FRAME_END + 3
        && offset_of!(Thread, cpu) == FRAME_END + 4
);
/// The rest of the first 256 bytes, as `docs/kernel.md` draws them.
const _: () = assert!(
    offset_of!(Thread, partner) == 0xb8
        && offset_of!(Thread, cr3) == 0xc0
        && offset_of!(Thread, chief) == 0xc8
        && offset_of!(Thread, priority) == 0xca
        && offset_of!(Thread, waited_for) == 0xcb
        && offset_of!(Thread, pending_lines) == 0xcc
        && offset_of!(Thread, handler) == 0xd0
        && offset_of!(Thread, trampoline) == 0xd8
        && offset_of!(Thread, senders) == 0xe0
        && offset_of!(Thread, pager) == 0xf0
        && offset_of!(Thread, preempter) == 0xf8
);
/// Offset of the end of the frame in the TCB: what `tss.rsp0` points to. A multiple of 16, because the processor aligns
/// the stack before it pushes (SDM vol. 3, 6.14.2).
pub const FRAME_END: usize = 8 + size_of::<Frame>();
const _: () = assert!(FRAME_END.is_multiple_of(16));
const _: () = assert!(size_of::<Thread>() <= 2048);

impl Default for Thread {
    fn default() -> Self {
        Self {
            id: Cell::new(ThreadId::NIL),
            frame: Frame::default(),
            state: Cell::new(RunState::Ready),
            stopped: Cell::new(false),
            timeout_queued: Cell::new(false),
            uses_fpu: Cell::new(false),
            cpu: Cell::new(0),
            partner: Cell::new(ThreadId::NIL),
            cr3: Cell::new(0),
            chief: Cell::new(0),
            priority: Cell::new(0),
            waited_for: Cell::new(false),
            pending_lines: Cell::new(0),
            handler: Cell::new(ThreadId::NIL),
            trampoline: Cell::new(0),
            senders: Queue::new(),
            pager: Cell::new(ThreadId::NIL),
            preempter: Cell::new(ThreadId::NIL),
            outgoing: Cell::new(Outgoing::Ipc),
            in_name_of: Cell::new(ThreadId::NIL),
            propagated_to: Cell::new(false),
            utcb: Cell::new(None),
            transfer: Transfer::new(),
            send_link: Link::new(),
            ready_link: Link::new(),
            ready_queued: Cell::new(false),
            timeout_link: Link::new(),
            deadline: Cell::new(0),
            moving: Cell::new(false),
            task_link: Link::new(),
            timeslice: Cell::new(0),
            fs_base: Cell::new(0),
            gs_base: Cell::new(0),
            vector_frame: Cell::new(0),
            fpu: FpuArea(Cell::new(FpuState::INIT)),
        }
    }
}

impl Thread {
    pub fn is_runnable(&self) -> bool {
        self.state.get().is_ready() && !self.stopped.get() && !self.moving.get()
    }

    /// Whether it waits for a message that `from` may send.
    pub fn accepts(&self, from: ThreadId) -> bool {
        let state = self.state.get();
        if state == RunState::Receiving {
            return self.listens_to(from);
        }
        state.waits_for_answer() && self.partner.get() == from
    }

    /// Whether it takes a message of `from`'s, if it is in a receive phase.
    #[inline(always)]
    pub fn listens_to(&self, from: ThreadId) -> bool {
        self.partner.get().is_any() || self.is_partner(from)
    }

    /// In the partner of a closed receive: it is in another clan, and what is sent in its name comes through a chief. To the fast path that is nobody,
    /// so it never lets a message past the chief.
    pub(crate) const ABROAD: u64 = 1 << 63;

    pub const fn abroad(id: ThreadId) -> ThreadId {
        ThreadId(id.0 | Self::ABROAD)
    }

    /// Whether `id` is the partner, here or abroad.
    pub fn is_partner(&self, id: ThreadId) -> bool {
        self.partner.get().0 & !Self::ABROAD == id.0
    }

    /// In whose name it sends.
    pub fn name(&self) -> ThreadId {
        let name = self.in_name_of.get();
        if name.is_nil() { self.id.get() } else { name }
    }

    /// Where its program is, also while it copies strings.
    pub fn rip(&self) -> &Cell<u64> {
        self.transfer.rip().unwrap_or(&self.frame.rip)
    }

    /// Let rcx and r11 be what SYSCALL has made of them: the fast path does not save them with a foreign call.
    #[inline]
    pub fn complete_foreign(&self) {
        if self.state.get() == RunState::Foreign {
            self.frame.rcx.set(self.frame.rip.get());
            self.frame.r11.set(self.frame.rflags.get());
        }
    }

    /// State as system calls report it.
    pub fn run_state(&self) -> u64 {
        self.state.get() as u64 | if self.stopped.get() { RunState::STOPPED } else { 0 }
    }
}
