//! SSE and x87 registers, and MXCSR, of a program that sleeps while others use theirs. Two of them also change places with each
//! other.

use crate::places::word;
use core::arch::global_asm;
use ukernel_abi::Call;
use ukernel_abi::call::{Status, Timeouts};
use ukernel_abi::layout::GATE;

const REST_US: u32 = 700;
/// MXCSR: all exceptions masked, round towards zero.
const MXCSR: u32 = 0x7f80;

/// The timeouts of its rest, in r8.
pub fn rest(pace: u32) -> Timeouts {
    Timeouts::new(0, REST_US * pace)
}

pub fn entry() -> u64 {
    unsafe extern "C" {
        fn soak_vectors();
    }
    soak_vectors as *const () as u64
}

global_asm!(
    ".section .text.soak_vectors, \"ax\"",
    // rdi = context, rdx = own identifier, r8 = timeouts. The call keeps r15 and rbp: rounds and context.
    "soak_vectors: mov rbp, rdi",
    "xor r15d, r15d",
    "push {mxcsr}",
    "ldmxcsr [rsp]",
    "push r8",
    "push rdx",
    "2: inc r15",
    "mov [rbp + {done}], r15",
    // A pattern of the round and the thread.
    "mov rax, [rsp]",
    "rol rax, 23",
    "xor rax, r15",
    "movq xmm0, rax",
    "pshufd xmm0, xmm0, 0x44",
    ".irp n,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "movdqa xmm\\n, xmm0",
    ".endr",
    "push r15",
    "fild qword ptr [rsp]",
    "pop rcx",
    // Rest.
    "movabs rax, {ipc}",
    "xor r12d, r12d",
    "mov r13, [rsp]",
    "mov r14, [rsp + 8]",
    "movabs r11, {gate}",
    "call r11",
    "cmp eax, {timed_out}",
    "mov esi, 2",
    "jne 3f",
    // Look.
    "mov rcx, [rsp]",
    "rol rcx, 23",
    "xor rcx, r15",
    ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "movq rax, xmm\\n",
    "mov esi, 3",
    "cmp rax, rcx",
    "jne 3f",
    "punpckhqdq xmm\\n, xmm\\n",
    "movq rax, xmm\\n",
    "mov esi, 4",
    "cmp rax, rcx",
    "jne 3f",
    ".endr",
    "push 0",
    "fistp qword ptr [rsp]",
    "pop rax",
    "mov rcx, r15",
    "mov esi, 5",
    "cmp rax, rcx",
    "jne 3f",
    "push 0",
    "stmxcsr [rsp]",
    "pop rax",
    // Its low six bits are sticky.
    "and eax, 0xffc0",
    "mov ecx, {mxcsr}",
    "mov esi, 6",
    "cmp rax, rcx",
    "je 2b",
    "3: mov [rbp + {got}], rax",
    "mov [rbp + {want}], rcx",
    "mov [rbp + {check}], rsi",
    "ud2",
    ".text",
    mxcsr = const MXCSR,
    done = const word::DONE * 8,
    got = const word::GOT * 8,
    want = const word::WANT * 8,
    check = const word::CHECK * 8,
    ipc = const Call::Ipc.rax(),
    gate = const GATE,
    timed_out = const Status::ReceiveTimeout as u32,
);
