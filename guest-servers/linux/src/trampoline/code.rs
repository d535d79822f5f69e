//! The trampoline's instructions.
//!
//! They are the same for every program, in one frame that is mapped once for each L4 thread: so what is relative to the instruction pointer is the
//! thread's own. They run with the program's flags, and change none. What the call leaves as it is (r15, rbp, the FPU) is not touched, nor is memory other than the save area.

use super::area::{DATA_DISTANCE, STACK_END};
use alloc::vec::Vec;
use ukernel_abi::call::L4_CALL;
use ukernel_abi::{Label, Tag, ThreadId, layout};

/// The message that is a system call: number and six arguments, in the registers where they are in the µ-kernel's [`Label::FOREIGN`].
pub const CALL: Tag = Tag::new(Label(0x4c), 7, 0);

/// Registers, by their numbers in instructions (Intel SDM vol. 2, 2.1.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Register {
    Rax = 0,
    Rcx = 1,
    Rdx = 2,
    Rbx = 3,
    Rsp = 4,
    Rsi = 6,
    Rdi = 7,
    R8 = 8,
    R9 = 9,
    R10 = 10,
    R11 = 11,
    R12 = 12,
    R13 = 13,
    R14 = 14,
}
use Register::*;

/// What is saved, word by word. The first is the system call's number, the last two are the way back and the flags, as SYSCALL leaves them.
pub const SAVED: [Register; 14] = [Rax, Rbx, Rdi, Rsi, Rdx, R10, R8, R9, R12, R13, R14, Rsp, R11, Rcx];

/// Offsets in the code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Everything has been saved. Before, nothing has changed.
    pub saved: u64,
    /// The call has returned, with its result in rbx.
    pub returned: u64,
    pub end: u64,
}

/// The code, for the system calls of which `server` is asked.
pub fn assemble(server: ThreadId) -> (Vec<u8>, Layout) {
    let mut code = Assembler(Vec::new());
    for (n, register) in SAVED.into_iter().enumerate() {
        code.store(register, n);
    }
    let saved = code.len();
    code.stack();
    code.bytes(&[0x48, 0x89, 0xc3]); // mov rbx, rax
    code.immediate(Rax, L4_CALL | CALL.to_rax());
    code.immediate(R12, server.0);
    code.bytes(&[0x4d, 0x89, 0xe5]); // mov r13, r12: who answers
    code.bytes(&[0x41, 0xbe, 0, 0, 0, 0]); // mov r14d, 0: however long it takes
    code.immediate(R11, layout::GATE);
    code.bytes(&[0x41, 0xff, 0xd3]); // call r11
    let returned = code.len();
    code.bytes(&[0x48, 0x89, 0xd8]); // mov rax, rbx
    for (n, register) in SAVED.into_iter().enumerate().skip(1) {
        code.load(register, n);
    }
    code.bytes(&[0xff, 0xe1]); // jmp rcx
    let end = code.len();
    (code.0, Layout { saved, returned, end })
}

struct Assembler(Vec<u8>);

impl Assembler {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// An instruction with a register and a place in the save area.
    fn at(&mut self, opcode: u8, register: Register, offset: u64) {
        let n = register as u8;
        self.bytes(&[0x48 | (n >> 3) << 2, opcode, (n & 7) << 3 | 0b101]);
        // It is relative to the next instruction, which begins behind it.
        let displacement = DATA_DISTANCE + offset - (self.len() + 4);
        self.bytes(&(displacement as u32).to_le_bytes());
    }
    fn store(&mut self, register: Register, word: usize) {
        self.at(0x89, register, 8 * word as u64);
    }
    fn load(&mut self, register: Register, word: usize) {
        self.at(0x8b, register, 8 * word as u64);
    }
    /// The gate needs a word of stack: lea rsp, [end of the save area].
    fn stack(&mut self) {
        self.at(0x8d, Rsp, STACK_END);
    }
    fn immediate(&mut self, register: Register, value: u64) {
        let n = register as u8;
        self.bytes(&[0x48 | n >> 3, 0xb8 | n & 7]);
        self.bytes(&value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::PAGE;

    #[test]
    fn it_fits_and_begins_with_what_may_be_undone() {
        let (code, layout) = assemble(ThreadId::new(5, 0, 1));
        assert_eq!(code.len() as u64, layout.end);
        assert!(layout.end < PAGE && layout.saved < layout.returned && layout.returned < layout.end);
        // mov [rip + …], rax: seven bytes, to the first word of the save area.
        assert_eq!(code[..3], [0x48, 0x89, 0x05]);
        assert_eq!(code[3..7], (DATA_DISTANCE as u32 - 7).to_le_bytes());
        // The last word that is saved is the way back, and it is the last that is loaded.
        let last = &code[code.len() - 9..];
        assert_eq!((&last[..3], &last[7..]), (&[0x48, 0x8b, 0x0d][..], &[0xff, 0xe1][..]));
        let to = u32::from_le_bytes(last[3..7].try_into().unwrap()) as u64 + layout.end - 2;
        assert_eq!(to, DATA_DISTANCE + 8 * 13);
    }

    #[test]
    fn the_stack_does_not_reach_what_is_saved() {
        assert!(STACK_END - 8 >= 8 * SAVED.len() as u64 && STACK_END <= PAGE);
    }
}
