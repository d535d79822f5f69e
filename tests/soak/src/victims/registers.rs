//! The general registers of a program that is preempted. It has the fuzzer's priority, makes no calls, and its stack
//! pointer is one of the patterns: nothing may ever be pushed there.

use crate::places::word;
use core::arch::global_asm;

pub fn entry() -> u64 {
    unsafe extern "C" {
        fn soak_registers();
    }
    soak_registers as *const () as u64
}

global_asm!(
    ".section .text.soak_registers, \"ax\"",
    // rdi = context; r15 = rounds.
    "soak_registers: xor r15d, r15d",
    "mov rsp, 0x5a5a5a58",
    "2: inc r15",
    "mov [rdi + {done}], r15",
    "lea rax, [r15 + 1]",
    "lea rbx, [r15 + 2]",
    "lea rcx, [r15 + 3]",
    "lea rdx, [r15 + 4]",
    "lea rsi, [r15 + 5]",
    "lea rbp, [r15 + 6]",
    "lea r8, [r15 + 7]",
    "lea r9, [r15 + 8]",
    "lea r10, [r15 + 9]",
    "lea r11, [r15 + 10]",
    "lea r12, [r15 + 11]",
    "lea r13, [r15 + 12]",
    "mov r14d, 5000",
    "3: dec r14",
    "jnz 3b",
    // All differences or-ed together.
    "sub rax, r15",
    "xor rax, 1",
    "sub rbx, r15",
    "xor rbx, 2",
    "or rax, rbx",
    "sub rcx, r15",
    "xor rcx, 3",
    "or rax, rcx",
    "sub rdx, r15",
    "xor rdx, 4",
    "or rax, rdx",
    "sub rsi, r15",
    "xor rsi, 5",
    "or rax, rsi",
    "sub rbp, r15",
    "xor rbp, 6",
    "or rax, rbp",
    "sub r8, r15",
    "xor r8, 7",
    "or rax, r8",
    "sub r9, r15",
    "xor r9, 8",
    "or rax, r9",
    "sub r10, r15",
    "xor r10, 9",
    "or rax, r10",
    "sub r11, r15",
    "xor r11, 10",
    "or rax, r11",
    "sub r12, r15",
    "xor r12, 11",
    "or rax, r12",
    "sub r13, r15",
    "xor r13, 12",
    "or rax, r13",
    "mov rbx, rsp",
    "xor rbx, 0x5a5a5a58",
    "or rax, rbx",
    "jz 2b",
    "mov [rdi + {got}], rax",
    "mov qword ptr [rdi + {check}], 2",
    "ud2",
    ".text",
    done = const word::DONE * 8,
    got = const word::GOT * 8,
    check = const word::CHECK * 8,
);
