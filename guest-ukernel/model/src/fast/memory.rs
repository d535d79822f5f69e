//! Thread control blocks as bytes, for assembler code.
//!
//! Only the fields that the fast path has a reason to touch are here. What reads or writes anything else is found out.

use core::mem::offset_of;

use ukernel_abi::ThreadId;
use ukernel_abi::utcb::RunState;
use ukernel_core::thread::{FRAME_END, Frame, Thread, ThreadRef};

use crate::rig::Kernel;

pub const TCBS: u64 = 0xffff_c000_0000_0000;
pub const TCB_SIZE: u64 = 4096;

pub fn tcb_address(t: &Thread) -> u64 {
    TCBS + t.id.get().index() as u64 * TCB_SIZE
}

/// End of the frame of `t`: what the CPU's `rsp0` holds while it runs.
pub fn frame_end(t: &Thread) -> u64 {
    tcb_address(t) + FRAME_END as u64
}

/// The thread in the TCB at `index`, and where in the TCB `address` is. None: a TCB that is not there, which reads as zeroes.
pub fn thread_at(kernel: &Kernel, address: u64) -> (Option<ThreadRef>, usize) {
    let offset = address.checked_sub(TCBS).unwrap_or_else(|| panic!("{address:#x} is no TCB's"));
    let index = (offset / TCB_SIZE) as usize;
    assert!(index < ThreadId::TASKS * ThreadId::LTHREADS, "{address:#x} is beyond the TCBs");
    let t = kernel.threads.borrow().iter().copied().find(|t| t.id.get().index() == index);
    (t, (offset % TCB_SIZE) as usize)
}

struct Field {
    offset: usize,
    size: usize,
    get: fn(&Thread) -> u64,
    set: fn(&Thread, u64),
}

macro_rules! word {
    ($name:ident, $get:expr, $set:expr) => {
        Field { offset: offset_of!(Thread, $name), size: 8, get: $get, set: $set }
    };
}
macro_rules! register {
    ($name:ident) => {
        Field {
            offset: offset_of!(Thread, frame) + offset_of!(Frame, $name),
            size: 8,
            get: |t| t.frame.$name.get(),
            set: |t, value| t.frame.$name.set(value),
        }
    };
}
macro_rules! small {
    ($name:ident, $size:expr, $get:expr, $set:expr) => {
        Field { offset: offset_of!(Thread, $name), size: $size, get: $get, set: $set }
    };
}

fn never(_: &Thread, _: u64) {
    panic!("the fast path writes what it only may read");
}

fn set_state(t: &Thread, value: u64) {
    t.state.set(RunState::from_raw(value).expect("a state").0);
}

const FIELDS: &[Field] = &[
    word!(id, |t| t.id.get().0, never),
    register!(r15),
    register!(r14),
    register!(r13),
    register!(r12),
    register!(rbp),
    register!(rbx),
    register!(r11),
    register!(r10),
    register!(r9),
    register!(r8),
    register!(rax),
    register!(rcx),
    register!(rdx),
    register!(rsi),
    register!(rdi),
    register!(entry),
    register!(rip),
    register!(cs),
    register!(rflags),
    register!(rsp),
    register!(ss),
    small!(state, 1, |t| t.state.get() as u64, set_state),
    small!(stopped, 1, |t| t.stopped.get().into(), never),
    small!(timeout_queued, 1, |t| t.timeout_queued.get().into(), never),
    small!(uses_fpu, 1, |t| t.uses_fpu.get().into(), never),
    small!(cpu, 4, |t| t.cpu.get().into(), never),
    word!(partner, |t| t.partner.get().0, |t, value| t.partner.set(ThreadId(value))),
    word!(cr3, |t| t.cr3.get(), never),
    small!(chief, 2, |t| t.chief.get().into(), never),
    small!(priority, 1, |t| t.priority.get().into(), never),
    small!(waited_for, 1, |t| t.waited_for.get().into(), |t, value| t.waited_for.set(value != 0)),
    small!(pending_lines, 1, |t| t.pending_lines.get().into(), never),
    word!(handler, |t| t.handler.get().0, never),
    word!(trampoline, |t| t.trampoline.get(), never),
    // Of a list only whether it is empty.
    word!(senders, |t| (!t.senders.is_empty()).into(), never),
    word!(pager, |t| t.pager.get().0, never),
];

fn field(offset: usize) -> &'static Field {
    let has_it = |f: &&Field| (f.offset..f.offset + f.size).contains(&offset);
    FIELDS.iter().find(has_it).unwrap_or_else(|| panic!("the fast path touches offset {offset} of a TCB"))
}

/// `size` bytes at `offset`; they may be those of several fields.
pub fn load(t: &Thread, offset: usize, size: usize) -> u64 {
    (0..size).fold(0, |value, n| {
        let f = field(offset + n);
        let byte = (f.get)(t) >> (8 * (offset + n - f.offset)) & 0xff;
        value | byte << (8 * n)
    })
}

/// Set a field as a whole.
pub fn store(t: &Thread, offset: usize, size: usize, value: u64) {
    let f = field(offset);
    assert!(f.offset == offset && f.size == size, "{size} bytes are written at offset {offset} of a TCB");
    (f.set)(t, value);
}
