//! The system call: registers in, registers out.
//!
//! The convention is the table in `ukernel_abi::call`. Two things are peculiar to Rust: LLVM keeps rbx for
//! itself, so word 0 is carried in r15 (which the kernel keeps) and exchanged around the call; and a `call`
//! writes to the stack, which is allowed because the block is not `nostack`, and harms nothing because the
//! target has no red zone.

use core::arch::asm;
use ukernel_abi::call::Timeouts;
use ukernel_abi::{Call, Status, Tag, ThreadId, layout};

/// What goes into the registers, but for the timeouts and source of an `ipc`; afterwards what came out.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub rax: u64,
    /// rbx rdi rsi rdx r10 r8 r9.
    pub words: [u64; 7],
    pub r12: u64,
}

impl Frame {
    pub fn new(call: Call, subject: ThreadId, words: [u64; 7]) -> Self {
        Self { rax: call.rax(), words, r12: subject.0 }
    }

    /// The status; a value that the interface does not define counts as an argument error.
    pub fn status(&self) -> Status {
        Status::from_rax(self.rax).unwrap_or(Status::BadArgument)
    }

    pub fn tag(&self) -> Tag {
        Tag::from_rax(self.rax)
    }

    pub fn subject(&self) -> ThreadId {
        ThreadId(self.r12)
    }

    pub(crate) fn done(&self) -> Result<&Self, Status> {
        match self.status() {
            Status::Ok => Ok(self),
            status => Err(status),
        }
    }
}

/// Makes the call. What it leaves in r13 and r14 comes back: it means something for messages that went through a chief.
///
/// # Safety
///
/// What the call does to memory of this task (a mapping received, an `fpage_unmap` of its own pages, a thread
/// set to another instruction) must leave Rust's objects alone.
#[inline(always)]
pub unsafe fn call(frame: &mut Frame, from: ThreadId, timeouts: Timeouts) -> [u64; 2] {
    let (mut r13, mut r14) = (from.0, timeouts.0);
    // SAFETY: the gate page is in every task and returns by `ret`. All registers that the interface calls
    // destroyed are outputs here; rbx, which it changes but asm! cannot name, is saved in r15, which it
    // keeps. Its effects on memory are the caller's promise, and the compiler assumes that memory has
    // changed.
    unsafe {
        asm!(
            "xchg r15, rbx",
            "call r11",
            "xchg r15, rbx",
            inout("r15") frame.words[0],
            inout("rax") frame.rax,
            inout("rdi") frame.words[1],
            inout("rsi") frame.words[2],
            inout("rdx") frame.words[3],
            inout("r10") frame.words[4],
            inout("r8") frame.words[5],
            inout("r9") frame.words[6],
            inout("r12") frame.r12,
            inout("r13") r13,
            inout("r14") r14,
            inout("r11") layout::GATE => _,
            out("rcx") _,
        );
    }
    [r13, r14]
}
