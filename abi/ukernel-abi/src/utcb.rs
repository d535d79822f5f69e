//! The user thread control block: memory that a thread shares with the kernel.
//!
//! The kernel maps one page of it at [`crate::layout::utcb`] for a thread made with `WITH_UTCB`. Threads
//! that only ever exchange register messages (Linux programs) have none.

use crate::call::Timeouts;
use crate::fpage::Fpage;
use crate::id::ThreadId;
use crate::msg::{StringItem, WORDS};

/// The general registers of a thread, as it will have them when it next runs in user mode.
/// The order is the kernel's entry frame: pushed registers, then what IRETQ takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Regs {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    /// Written by the kernel at entry; ignored when registers are set.
    pub entry: u64,
    pub rip: u64,
    /// Ignored when registers are set: always the user code segment.
    pub cs: u64,
    /// Only the flags that user mode may change are taken: [`USER_FLAGS`].
    pub rflags: u64,
    pub rsp: u64,
    /// Ignored when registers are set: always the user stack segment.
    pub ss: u64,
}

const _: () = assert!(size_of::<Regs>() == 21 * 8);

/// RFLAGS bits that user mode may set: CF PF AF ZF SF TF DF OF RF AC ID.
pub const USER_FLAGS: u64 = 0x25_0dd5;
/// RFLAGS bits that are always set in user mode: IF and the reserved bit 1.
pub const FIXED_FLAGS: u64 = 0x202;

/// Size of [`FpuState`], which is x87 and SSE: what AVX and AVX-512 add never passes through a UTCB.
pub const FPU_BYTES: usize = 512;

/// The FPU state in the format of FXSAVE64 (SDM vol. 1, 10.5).
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct FpuState(pub [u8; FPU_BYTES]);

impl FpuState {
    /// FNINIT and the reset value of MXCSR.
    pub const INIT: Self = {
        let mut b = [0; FPU_BYTES];
        b[0] = 0x7f;
        b[1] = 0x03;
        b[24] = 0x80;
        b[25] = 0x1f;
        b[28] = 0xff; // MXCSR_MASK
        b[29] = 0xff;
        Self(b)
    };
}

/// Number of entries in the list of receive buffers.
pub const BUFFERS: usize = 16;
/// Words between the FPU state and that list.
pub const RESERVED_WORDS: usize = (4096 - BUFFERS * size_of::<StringItem>() - 0x300 - FPU_BYTES) / 8;

/// One page, shared by a thread and the kernel.
#[repr(C, align(4096))]
pub struct Utcb {
    /// Message words; those that travel in registers are not used here.
    pub words: [u64; WORDS],
    /// Where map items may be received; [`Fpage::NIL`] takes none. A thread that waits for a page fault or foreign
    /// call to be answered takes items anywhere, whatever this says.
    pub window: Fpage,
    /// Where port and interrupt items may be received, as `window`; any value but nil takes all.
    pub io_window: Fpage,
    /// TSC readings for [`crate::call::Timeout::Deadline`].
    pub send_deadline: u64,
    pub receive_deadline: u64,
    /// In whose name a message with [`crate::msg::Tag::PROPAGATED`] is sent.
    pub virtual_sender: ThreadId,
    /// How long a transfer of strings may take, from its beginning to its end: the high half counts when this thread sends, the low half when it
    /// receives. What is over first ends it for both.
    pub transfer_timeouts: Timeouts,
    /// Number of entries of [`buffers`](Self::buffers) that are in use.
    pub buffer_count: u64,
    _reserved: u64,
    /// For `lthread_ex_regs` and `task_new`.
    pub regs: Regs,
    pub fs_base: u64,
    pub gs_base: u64,
    _reserved1: u64,
    pub fpu: FpuState,
    _reserved2: [u64; RESERVED_WORDS],
    /// Where strings are received: the first string in the first buffer, and so on. A buffer with [`StringItem::MORE`] goes on in the next entry.
    pub buffers: [StringItem; BUFFERS],
}

const _: () = assert!(core::mem::offset_of!(Utcb, window) == 0x200);
const _: () = assert!(core::mem::offset_of!(Utcb, send_deadline) == 0x210);
const _: () = assert!(core::mem::offset_of!(Utcb, virtual_sender) == 0x220);
const _: () = assert!(core::mem::offset_of!(Utcb, transfer_timeouts) == 0x228);
const _: () = assert!(core::mem::offset_of!(Utcb, buffer_count) == 0x230);
const _: () = assert!(core::mem::offset_of!(Utcb, buffers) == 0xf00);
const _: () = assert!(core::mem::offset_of!(Utcb, regs) == 0x240);
const _: () = assert!(core::mem::offset_of!(Utcb, fs_base) == 0x2e8);
const _: () = assert!(core::mem::offset_of!(Utcb, fpu) == 0x300);
const _: () = assert!(size_of::<Utcb>() == 4096);

/// What a thread is doing, as `lthread_ex_regs` and `thread_schedule` report it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum RunState {
    /// In user mode, or ready to go there. Its registers are those of the program.
    Ready = 0,
    /// In the send phase of an `ipc`, or its fault or foreign call has not been received yet.
    Sending = 1,
    /// In the receive phase of an `ipc`.
    Receiving = 2,
    /// Its page fault has been received and not been answered.
    PageFault = 3,
    /// Its exception has been received and not been answered.
    Exception = 4,
    /// Its foreign system call has been received and not been answered.
    Foreign = 5,
    /// The end of its time slice has been received by its preempter and not been answered.
    Preempted = 6,
    /// It sends or receives strings, and waits: the receiver for the sender to copy them, the sender for the receiver's page fault to be answered. A side whose own
    /// page fault it is, is in the state `Sending` or `PageFault`.
    InTransfer = 7,
    /// It sends strings, and goes on copying when it runs: to the scheduler it is ready.
    Copying = 128,
}

impl RunState {
    /// Whether the kernel has sent something in the name of a thread in this state, and it waits for the answer.
    #[inline(always)]
    pub const fn waits_for_answer(self) -> bool {
        matches!(self, Self::PageFault | Self::Exception | Self::Foreign | Self::Preempted)
    }

    /// Whether a thread in this state runs when it is its turn, unless it is stopped.
    #[inline(always)]
    pub const fn is_ready(self) -> bool {
        self as u8 & 0x7f == 0
    }

    /// Or-ed into the value when the thread is stopped as well.
    pub const STOPPED: u64 = 1 << 8;

    pub const fn from_raw(raw: u64) -> Option<(Self, bool)> {
        let state = match raw & 0xff {
            0 => Self::Ready,
            1 => Self::Sending,
            2 => Self::Receiving,
            3 => Self::PageFault,
            4 => Self::Exception,
            5 => Self::Foreign,
            6 => Self::Preempted,
            7 => Self::InTransfer,
            128 => Self::Copying,
            _ => return None,
        };
        Some((state, raw & Self::STOPPED != 0))
    }
}
