//! Notes about threads, as Linux writes them: what a debugger knows how to read.
//!
//! The structures are those of an x86-64 Linux (Linux, `include/linux/elfcore.h`, `include/uapi/linux/elfcore.h`; registers:
//! `struct user_regs_struct` in `arch/x86/include/asm/user_64.h`). A debugger tells them by their sizes.

use super::note::Notes;
use crate::debug::registers::{Registers, segment};
use crate::debug::thread::Thread;
use crate::debug::xsave::{XSAVE, XSAVE_WITHOUT_AVX};

const NT_PRSTATUS: u32 = 1;
const NT_FPREGSET: u32 = 2;
const NT_PRPSINFO: u32 = 3;
const NT_X86_XSTATE: u32 = 0x202;

/// `struct elf_prstatus`.
const STATUS: usize = 336;
const STATUS_SIGNAL: usize = 0;
const STATUS_CURRENT_SIGNAL: usize = 12;
const STATUS_PID: usize = 32;
const STATUS_REGISTERS: usize = 112;
const STATUS_FP_VALID: usize = 328;

/// `struct elf_prpsinfo`.
const INFO: usize = 136;
const INFO_NAME: usize = 40;
const INFO_NAME_MAX: usize = 16;
const INFO_ARGUMENTS: usize = 56;

/// What is added for a thread of the next task.
const TASK: u32 = 10_000;

/// The number of `thread` in a core, which debuggers call its LWP: 1 and up for vCPUs, and 50002 for thread 5.2.
pub fn number(thread: Thread) -> u32 {
    match thread.as_l4() {
        Some((task, _)) => u32::from(task) * TASK + thread.number,
        None => thread.number,
    }
}

/// Says what the process was: the kernel's file name, and its path.
pub fn add_process(notes: &mut Notes, name: &str, path: &str) {
    let mut info = [0; INFO];
    // Strings that are cut end with a zero all the same.
    let mut put = |at: usize, len: usize, text: &str| {
        let len = text.len().min(len - 1);
        info[at..at + len].copy_from_slice(&text.as_bytes()[..len]);
    };
    put(INFO_NAME, INFO_NAME_MAX, name);
    put(INFO_ARGUMENTS, INFO - INFO_ARGUMENTS, path);
    notes.add("CORE", NT_PRPSINFO, &info);
}

/// Adds a thread of a process that ended by `signal`. All threads of a core have that; debuggers show the first one's or the last one's.
pub fn add_thread(notes: &mut Notes, thread: Thread, signal: u8, registers: &Registers) {
    let mut status = [0; STATUS];
    let mut put = |at: usize, bytes: &[u8]| status[at..at + bytes.len()].copy_from_slice(bytes);
    put(STATUS_SIGNAL, &u32::from(signal).to_le_bytes());
    put(STATUS_CURRENT_SIGNAL, &u16::from(signal).to_le_bytes());
    put(STATUS_PID, &number(thread).to_le_bytes());
    for (index, value) in general(registers).into_iter().enumerate() {
        put(STATUS_REGISTERS + 8 * index, &value.to_le_bytes());
    }
    put(STATUS_FP_VALID, &1u32.to_le_bytes());
    notes.add("CORE", NT_PRSTATUS, &status);
    notes.add("CORE", NT_FPREGSET, &registers.vector.to_fxsave());
    // A debugger wants it as long as what it says of itself.
    let len = if registers.vector.ymm_high.is_some() { XSAVE } else { XSAVE_WITHOUT_AVX };
    notes.add("LINUX", NT_X86_XSTATE, &registers.vector.to_xsave()[..len]);
}

/// `struct user_regs_struct`.
fn general(registers: &Registers) -> [u64; 27] {
    let [rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15] = registers.general;
    let segment = |index: usize| u64::from(registers.segments[index]);
    // Where Linux has the number of a system call that is to be restarted, there is none.
    let original_rax = u64::MAX;
    [
        r15,
        r14,
        r13,
        r12,
        rbp,
        rbx,
        r11,
        r10,
        r9,
        r8,
        rax,
        rcx,
        rdx,
        rsi,
        rdi,
        original_rax,
        registers.rip,
        segment(segment::CS),
        registers.rflags,
        rsp,
        segment(segment::SS),
        registers.fs_base,
        registers.gs_base,
        segment(segment::DS),
        segment(segment::ES),
        segment(segment::FS),
        segment(segment::GS),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_knows_a_thread_by_its_number() {
        assert_eq!(number(Thread::vcpu(1)), 2);
        assert_eq!(number(Thread::l4(5, 1)), 50_002);
        assert!(i32::try_from(number(Thread::l4(u16::MAX, 1023))).is_ok());
    }

    #[test]
    fn long_names_are_cut() {
        let mut notes = Notes::default();
        add_process(&mut notes, &"n".repeat(50), &"p".repeat(500));
        let header = 20;
        assert_eq!(notes.bytes().len(), header + INFO);
        assert_eq!(notes.bytes()[header + INFO_NAME + 14..][..3], [b'n', 0, b'p']);
        assert_eq!(notes.bytes().last(), Some(&0));
    }
}
