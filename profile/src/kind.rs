//! What a thread wants of the kernel when it enters it.

use ukernel_abi::call::{Call, is_l4_call};
use vmm_abi::trace::{Event, Record};

/// Vector of INT3, by which the gate page enters the kernel where SYSCALL cannot (`docs/abi.md`).
const BREAKPOINT: u8 = 3;
/// First vector of an interrupt.
const INTERRUPTS: u8 = 32;

/// Why the kernel was entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entered {
    /// For something that the thread waits for.
    Request(Kind),
    /// By an interrupt, which has nothing to do with the thread.
    Interrupt(u8),
}

/// A request of a thread's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// A Linux system call.
    Linux(u64),
    /// A Linux system call that a trampoline in the program's own address space has taken, and made a message of.
    Trampoline(u64),
    /// … and has answered by itself.
    InPlace(u64),
    PageFault,
    Exception(u8),
    /// An L4 system call, by its number.
    L4(u8),
    /// INT3: an L4 system call by the gate page, or a breakpoint.
    Gate,
}

impl Entered {
    /// What an `ENTER` record says.
    pub const fn of(record: &Record) -> Self {
        let vector = record.argument as u8;
        Self::Request(match record.event() {
            Event::ENTER_PAGE_FAULT => Kind::PageFault,
            Event::ENTER_TRAP if vector == BREAKPOINT => Kind::Gate,
            Event::ENTER_TRAP if vector < INTERRUPTS => Kind::Exception(vector),
            Event::ENTER_TRAP => return Self::Interrupt(vector),
            _ if is_l4_call(record.argument) => Kind::L4(vector),
            // Linux reads eax (arch/x86/entry).
            _ => Kind::Linux(record.argument & 0xffff_ffff),
        })
    }

    /// Whether a message may come with the way back.
    pub const fn is_call(self) -> bool {
        matches!(self, Self::Request(kind) if !matches!(kind, Kind::PageFault | Kind::Exception(_)))
    }
}

impl Kind {
    /// Whether it may be a message from one server to another, or to wait for one.
    pub const fn may_be_ipc(self) -> bool {
        matches!(self, Self::Gate) || matches!(self, Self::L4(number) if number == Call::Ipc as u8)
    }

    /// Whether the kernel does it without anybody's help.
    pub const fn is_kernels_own(self) -> bool {
        matches!(self, Self::L4(_)) && !self.may_be_ipc()
    }
}
