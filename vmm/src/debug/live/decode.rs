//! Instructions that are not stepped like others.
//!
//! The trap flag is part of what a step changes, and a few instructions show it, load it, or leave user mode with it.

use ukernel_abi::layout::{GATE, PAGE};

/// Bytes of an instruction, at most (SDM vol. 2, 2.3.11).
pub const LENGTH_MAX: usize = 15;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Instruction {
    Other,
    /// SYSCALL, with its length in bytes: what comes behind is executed when the kernel has answered.
    Syscall(u64),
    /// PUSHF, of so many bytes.
    PushFlags(u64),
    /// POPF or IRET: the trap flag is the program's own afterwards.
    LoadsFlags,
}

impl Instruction {
    /// From the bytes where it begins.
    pub fn decode(code: &[u8]) -> Self {
        let is_prefix = |byte: &u8| matches!(byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x40..=0x4f | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3);
        let prefixes = code.iter().take_while(|byte| is_prefix(byte)).count();
        let narrow = code[..prefixes].contains(&0x66);
        match code[prefixes..] {
            [0x0f, 0x05, ..] => Self::Syscall(prefixes as u64 + 2),
            [0x9c, ..] => Self::PushFlags(if narrow { 2 } else { 8 }),
            [0x9d | 0xcf, ..] => Self::LoadsFlags,
            _ => Self::Other,
        }
    }
}

/// Whether `rip` is at the beginning of the page that programs call the kernel with: its instruction is a system call.
pub fn is_gate(rip: u64) -> bool {
    rip == GATE
}

/// Whether `address` is on a page that is the same for all programs.
pub fn is_everybody_s(address: u64) -> bool {
    (GATE..GATE + 2 * PAGE).contains(&address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_do_not_hide_an_instruction() {
        assert_eq!(Instruction::decode(&[0x0f, 0x05, 0x90]), Instruction::Syscall(2));
        assert_eq!(Instruction::decode(&[0x48, 0x0f, 0x05]), Instruction::Syscall(3));
        assert_eq!(Instruction::decode(&[0x9c]), Instruction::PushFlags(8));
        assert_eq!(Instruction::decode(&[0x66, 0x9c]), Instruction::PushFlags(2));
        assert_eq!(Instruction::decode(&[0x9d]), Instruction::LoadsFlags);
        assert_eq!(Instruction::decode(&[0x48, 0xcf]), Instruction::LoadsFlags);
        assert_eq!(Instruction::decode(&[0x90, 0x9c]), Instruction::Other);
        assert_eq!(Instruction::decode(&[0x66; LENGTH_MAX]), Instruction::Other);
        assert_eq!(Instruction::decode(&[]), Instruction::Other);
    }
}
