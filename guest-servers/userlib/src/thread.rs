//! Threads: reading and changing them, and a second thread of one's own task.

use crate::gate::{self, Frame};
use crate::start::{self, Me};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};
use proto::place;
use ukernel_abi::call::{Timeouts, ex_regs, schedule};
use ukernel_abi::utcb::RunState;
use ukernel_abi::{Call, Status, ThreadId};

/// An `lthread_ex_regs` in the making. Register and FPU state (`GET_REGS`, `SET_FPU`, …) goes through the
/// caller's [`Utcb`].
#[derive(Clone, Copy, Debug)]
pub struct ExRegs {
    flags: u64,
    ip: u64,
    sp: u64,
    pager: u64,
    handler: u64,
    fs_base: u64,
    trampoline: u64,
    preempter: ThreadId,
}

/// What `lthread_ex_regs` tells about a thread: its state before the call.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    pub thread: ThreadId,
    pub ip: u64,
    pub sp: u64,
    pub pager: ThreadId,
    pub handler: ThreadId,
    pub trampoline: u64,
    pub preempter: ThreadId,
    pub state: RunState,
    pub stopped: bool,
}

impl ExRegs {
    /// Of the flags in `ukernel_abi::call::ex_regs`; those that need a value are set by the other methods.
    pub const fn new(flags: u64) -> Self {
        Self {
            flags,
            ip: 0,
            sp: 0,
            pager: 0,
            handler: 0,
            fs_base: 0,
            trampoline: 0,
            preempter: ThreadId::NIL,
        }
    }
    pub const fn ip(self, ip: u64) -> Self {
        Self { flags: self.flags | ex_regs::SET_IP, ip, ..self }
    }
    pub const fn sp(self, sp: u64) -> Self {
        Self { flags: self.flags | ex_regs::SET_SP, sp, ..self }
    }
    pub const fn pager(self, pager: ThreadId) -> Self {
        Self { flags: self.flags | ex_regs::SET_PAGER, pager: pager.0, ..self }
    }
    pub const fn handler(self, handler: ThreadId) -> Self {
        Self { flags: self.flags | ex_regs::SET_HANDLER, handler: handler.0, ..self }
    }
    pub const fn fs_base(self, fs_base: u64) -> Self {
        Self { flags: self.flags | ex_regs::SET_FS_BASE, fs_base, ..self }
    }
    /// Where the thread's foreign system calls go on; 0: with its handler.
    pub const fn trampoline(self, trampoline: u64) -> Self {
        Self { flags: self.flags | ex_regs::SET_TRAMPOLINE, trampoline, ..self }
    }
    /// Who hears of the ends of the thread's time slices; nil: nobody.
    pub const fn preempter(self, preempter: ThreadId) -> Self {
        Self { flags: self.flags | ex_regs::SET_PREEMPTER, preempter, ..self }
    }

    /// Does it to a thread of a task whose chief the caller's task is. Threads of one's own task are refused:
    /// where they run is Rust's affair ([`spawn`]).
    pub fn apply(&self, thread: ThreadId) -> Result<Before, Status> {
        if thread.task() == start::own_id().task() {
            return Err(Status::Denied);
        }
        // SAFETY: the thread is in another task, so nothing of this one's memory is concerned but the UTCB.
        unsafe { self.apply_unchecked(thread) }
    }

    /// # Safety
    ///
    /// If the thread is of the caller's task, the change must leave it running sound code on a stack of its
    /// own.
    unsafe fn apply_unchecked(&self, thread: ThreadId) -> Result<Before, Status> {
        let words = [self.flags, self.ip, self.sp, self.pager, self.handler, self.fs_base, self.trampoline];
        let mut frame = Frame::new(Call::LthreadExRegs, thread, words);
        // SAFETY: the caller's promise.
        let [preempter, _] = unsafe { gate::call(&mut frame, self.preempter, Timeouts::ALL_NEVER) };
        frame.done()?;
        let preempter = ThreadId(preempter);
        let [state, ip, sp, pager, handler, _, trampoline] = frame.words;
        let (state, stopped) = RunState::from_raw(state).unwrap_or((RunState::Ready, false));
        let (pager, handler) = (ThreadId(pager), ThreadId(handler));
        Ok(Before { thread: frame.subject(), ip, sp, pager, handler, trampoline, preempter, state, stopped })
    }
}

/// Priority and time slice (µs) of a thread; `None` leaves one as it is. The old values come back.
pub fn set_schedule(
    thread: ThreadId,
    priority: Option<u8>,
    slice_us: Option<u32>,
) -> Result<(u8, u32), Status> {
    let flags = if priority.is_some() { schedule::SET_PRIORITY } else { 0 }
        | if slice_us.is_some() { schedule::SET_TIMESLICE } else { 0 };
    let words = [flags, priority.unwrap_or(0).into(), slice_us.unwrap_or(0).into(), 0, 0, 0, 0];
    let mut frame = Frame::new(Call::ThreadSchedule, thread, words);
    // SAFETY: scheduling changes no memory.
    unsafe { gate::call(&mut frame, ThreadId::NIL, Timeouts::ALL_NEVER) };
    frame.done()?;
    Ok((frame.words[1] as u8, frame.words[2] as u32))
}

/// Lets `thread` run on CPU `cpu` from now on.
pub fn set_cpu(thread: ThreadId, cpu: u32) -> Result<(), Status> {
    let words = [schedule::SET_CPU, 0, 0, cpu.into(), 0, 0, 0];
    let mut frame = Frame::new(Call::ThreadSchedule, thread, words);
    // SAFETY: scheduling changes no memory.
    unsafe { gate::call(&mut frame, ThreadId::NIL, Timeouts::ALL_NEVER) };
    frame.done().map(|_| ())
}

/// Gives the processor to `to` if it is ready, or with [`ThreadId::NIL`] to whoever comes next.
pub fn switch_to(to: ThreadId) {
    let mut frame = Frame::new(Call::ThreadSwitch, to, [0; 7]);
    // SAFETY: a switch changes no memory.
    unsafe { gate::call(&mut frame, ThreadId::NIL, Timeouts::ALL_NEVER) };
}

/// Waits for `us` microseconds: nothing ever comes from oneself.
pub fn sleep(us: u32) {
    let _timed_out = crate::ipc::receive(current(), us);
}

/// The calling thread. Free for the first thread of a task, which its stack pointer tells; a system call for
/// others.
pub fn current() -> ThreadId {
    let local = 0u8;
    let sp = (&raw const local).addr() as u64;
    if (place::STACK..place::STACK_END).contains(&sp) {
        return start::own_id();
    }
    let mut frame = Frame::new(Call::IdNearest, ThreadId::NIL, [0; 7]);
    // SAFETY: the call only reads.
    unsafe { gate::call(&mut frame, ThreadId::NIL, Timeouts::ALL_NEVER) };
    frame.subject()
}

/// Memory for the stack of a second thread: `static RX: Stack<8192> = Stack::new();`
#[repr(C, align(16))]
pub struct Stack<const BYTES: usize> {
    bytes: UnsafeCell<[u8; BYTES]>,
    taken: AtomicBool,
}

// SAFETY: the bytes are handed to one thread, once (`taken`).
unsafe impl<const BYTES: usize> Sync for Stack<BYTES> {}

impl<const BYTES: usize> Stack<BYTES> {
    #[expect(clippy::new_without_default, reason = "only for statics, where Default cannot be used")]
    pub const fn new() -> Self {
        const { assert!(BYTES >= 4096 && BYTES.is_multiple_of(16)) };
        Self { bytes: UnsafeCell::new([0; BYTES]), taken: AtomicBool::new(false) }
    }
}

/// Starts lthread `number` (not 0) of this task at `main`, with a UTCB, this task's pager as pager and
/// handler, and the caller's priority. A stack is used once: with one that has been, the answer is
/// [`Status::BadArgument`].
pub fn spawn<const BYTES: usize>(
    number: u16,
    stack: &'static Stack<BYTES>,
    main: fn(Me) -> !,
) -> Result<ThreadId, Status> {
    if number == 0 || stack.taken.swap(true, Ordering::AcqRel) {
        return Err(Status::BadArgument);
    }
    let own = start::own_id();
    let thread = ThreadId::new(own.task(), number, own.version());
    // SAFETY: this is inside of the stack's memory, which nobody else uses (`taken`).
    let top = unsafe { stack.bytes.get().cast::<u8>().add(BYTES - 16) };
    let make = ExRegs::new(ex_regs::CREATE | ex_regs::WITH_UTCB)
        .ip(start::thread_entry())
        .sp(top.expose_provenance() as u64)
        .pager(start::pager())
        .handler(start::pager());
    // SAFETY: the new thread starts at code made for it, on a stack that only it has; it is not running yet.
    let made = unsafe { make.apply_unchecked(thread) }?.thread;
    // SAFETY: 16 bytes from `top` on are the stack's, aligned, and the thread that will read them is stopped.
    unsafe { top.cast::<(fn(Me) -> !, ThreadId)>().write((main, made)) };
    // SAFETY: everything that the thread finds when it starts has been written.
    unsafe { ExRegs::new(ex_regs::RESUME).apply_unchecked(made) }?;
    Ok(made)
}
