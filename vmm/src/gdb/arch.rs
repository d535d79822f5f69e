//! The registers as GDB numbers them.
//!
//! Numbers are fixed by us, in `target.xml`. But gdb (13) reads that for the first process alone: for the others it takes for granted the
//! registers of a Linux program on a CPU with SSE, which it knows by their program's file, and it refuses a packet `g` with more of them. So
//! those come first, in gdb's order: `gdbstub_arch`'s, orig_rax and the segments' bases ([`KNOWN`] in number). They are all that packet `g`
//! has; gdb asks for each of the others, the system registers and AVX, when it wants it.

use gdbstub::arch::{Arch, RegId, Registers};
use gdbstub_arch::x86::reg::id::X86_64CoreRegId;
use std::num::NonZeroUsize;

/// A register.
#[derive(Clone, Copy, Debug)]
pub enum Register {
    Core(X86_64CoreRegId),
    /// Linux's: the number of a system call that may have to be begun again. No thread of ours has it, but with it gdb knows programs of Linux.
    OrigRax,
    System(System),
    /// The upper half of a ymm register.
    YmmHigh(usize),
}

/// A register beyond those that all programs of user mode know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum System {
    FsBase,
    GsBase,
    KernelGsBase,
    Cr0,
    Cr2,
    Cr3,
    Cr4,
    Cr8,
    Efer,
}

impl System {
    pub const ALL: [Self; 9] = [
        Self::FsBase,
        Self::GsBase,
        Self::KernelGsBase,
        Self::Cr0,
        Self::Cr2,
        Self::Cr3,
        Self::Cr4,
        Self::Cr8,
        Self::Efer,
    ];
}

/// How many registers `gdbstub_arch` has.
const CORE: usize = 57;
pub const ORIG_RAX: usize = CORE;
pub const SYSTEM: usize = ORIG_RAX + 1;
/// The first that is not among those that gdb takes for granted.
pub const KNOWN: usize = SYSTEM + 2;
pub const YMM_HIGH: usize = SYSTEM + System::ALL.len();
/// One more than the highest number.
pub const END: usize = YMM_HIGH + 16;

impl Register {
    /// The register with this number, and its length in bytes.
    pub fn numbered(number: usize) -> Option<(Self, usize)> {
        Some(match number {
            0..ORIG_RAX => {
                let (register, length) = X86_64CoreRegId::from_raw_id(number)?;
                (Self::Core(register), length?.get())
            }
            ORIG_RAX => (Self::OrigRax, 8),
            SYSTEM..YMM_HIGH => (Self::System(System::ALL[number - SYSTEM]), 8),
            YMM_HIGH..END => (Self::YmmHigh(number - YMM_HIGH), 16),
            _ => return None,
        })
    }
}

impl RegId for Register {
    fn from_raw_id(id: usize) -> Option<(Self, Option<NonZeroUsize>)> {
        Self::numbered(id).map(|(register, length)| (register, NonZeroUsize::new(length)))
    }
}

/// The registers in packets `g` and `G`: bytes of which some are not known.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KnownRegisters(pub Vec<Option<u8>>);

impl Registers for KnownRegisters {
    type ProgramCounter = u64;

    /// Nobody asks: gdb takes the instruction pointer from the bytes.
    fn pc(&self) -> u64 {
        0
    }

    fn gdb_serialize(&self, write_byte: impl FnMut(Option<u8>)) {
        self.0.iter().copied().for_each(write_byte);
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        self.0 = bytes.iter().copied().map(Some).collect();
        Ok(())
    }
}

/// What crate `gdbstub` has to know of the CPU.
pub enum Amd64 {}

impl Arch for Amd64 {
    type Usize = u64;
    type Registers = KnownRegisters;
    type BreakpointKind = usize;
    type RegId = Register;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_gaps() {
        assert!((0..END).all(|number| Register::numbered(number).is_some()));
        assert!(Register::numbered(END).is_none());
        assert!(X86_64CoreRegId::from_raw_id(CORE).is_none());
        assert!(matches!(Register::numbered(SYSTEM), Some((Register::System(System::FsBase), 8))));
    }
}
