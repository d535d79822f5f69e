//! Places at which a debugger stops a server to hear of something. For everybody else they are two instructions.

use ukernel_abi::ThreadId;

/// Tells a debugger that `thread` is about to get `signal` (Linux's number) because of what it has done, and returns which one it is to
/// get: the same one as a rule, or what the debugger wants, where 0 is none.
#[cfg(target_os = "none")]
pub fn program_signal(thread: ThreadId, signal: u64) -> u64 {
    // SAFETY: it does what the assembly below says: nothing but return one of its arguments.
    unsafe { ukvmm_program_signal(thread.task().into(), thread.lthread().into(), signal) }
}

/// Tells a debugger that the task of `thread` has a program, and is about to begin with it.
#[cfg(target_os = "none")]
pub fn program_starts(thread: ThreadId) {
    // SAFETY: it does what the assembly below says: nothing.
    unsafe { ukvmm_program_starts(thread.task().into()) }
}

#[cfg(not(target_os = "none"))]
pub fn program_starts(_thread: ThreadId) {}

#[cfg(not(target_os = "none"))]
pub fn program_signal(_thread: ThreadId, signal: u64) -> u64 {
    signal
}

// Assembly, because the debugger relies on the registers: task in rdi, lthread in rsi, signal in rdx. A compiler that sees all
// callers of a function may pass its arguments as it likes.
#[cfg(target_os = "none")]
core::arch::global_asm!(
    ".section .text.ukvmm_program_signal, \"ax\"",
    ".global ukvmm_program_signal",
    ".type ukvmm_program_signal, @function",
    "ukvmm_program_signal:",
    "mov rax, rdx",
    "ret",
    ".size ukvmm_program_signal, . - ukvmm_program_signal",
    ".section .text.ukvmm_program_starts, \"ax\"",
    ".global ukvmm_program_starts",
    ".type ukvmm_program_starts, @function",
    "ukvmm_program_starts:",
    "ret",
    ".size ukvmm_program_starts, . - ukvmm_program_starts",
    ".text",
);

#[cfg(target_os = "none")]
unsafe extern "C" {
    fn ukvmm_program_signal(task: u64, lthread: u64, signal: u64) -> u64;
    fn ukvmm_program_starts(task: u64);
}
