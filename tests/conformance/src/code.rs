//! The code that puppets run: short pieces, each with a UD2 at its end unless it goes on for ever. They lie in a page of this server's own image, which
//! is mapped to puppets at the same address.

use core::arch::global_asm;
use ukernel_abi::call::schedule;
use ukernel_abi::layout::GATE;
use userlib::{Fpage, Rights};

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
    // Counts in rbx and rbp, for ever.
    "puppet_count: inc rbx",
    "inc rbp",
    "jmp puppet_count",
    // Copies the word at rdi to rsi, for ever.
    "puppet_copy: mov rax, [rdi]",
    "mov [rsi], rax",
    "inc rbx",
    "jmp puppet_copy",
    // Moves itself, thread r12, between CPUs 0 and 1, rbp times, with r15 in vector registers. rax = status, or what was found.
    "puppet_move: push r12",
    "push rax",
    "movq xmm0, r15",
    "movq xmm15, r15",
    "1: mov rax, [rsp]",
    "mov r12, [rsp + 8]",
    "mov ebx, {set_cpu}",
    "mov edx, ebp",
    "and edx, 1",
    "movabs r11, {gate}",
    "call r11",
    "test eax, eax",
    "jnz 2f",
    "movq rax, xmm0",
    "cmp rax, r15",
    "jne 2f",
    "movq rax, xmm15",
    "cmp rax, r15",
    "jne 2f",
    "dec rbp",
    "jnz 1b",
    "2: ud2",
    // Sends rbx to r12 and waits for what comes from r15, rbp times; counts in rbx. rax = last status.
    "puppet_rally: push rax",
    "1: mov rax, [rsp]",
    "mov r13, r15",
    "xor r14d, r14d",
    "movabs r11, {gate}",
    "call r11",
    "mov r12, r15",
    "test eax, eax",
    "jnz 2f",
    "inc rbx",
    "dec rbp",
    "jnz 1b",
    "2: ud2",
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
    set_cpu = const schedule::SET_CPU,
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
    Copy,
    Move,
    Rally,
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
            fn puppet_copy();
            fn puppet_move();
            fn puppet_rally();
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
            Self::Copy => puppet_copy,
            Self::Move => puppet_move,
            Self::Rally => puppet_rally,
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
