//! The seven system calls of L4 V2: numbers, registers, flags and status codes.
//!
//! A call is made through the gate page ([`crate::layout::GATE`]) with
//!
//! | register | in | out |
//! |---|---|---|
//! | rax, low half | [`L4_CALL`] + number | [`Status`] |
//! | rax, high half | message tag (`ipc`) | received tag (`ipc`) |
//! | rbx rdi rsi rdx r10 r8 r9 | message words 0–6, or arguments 0–6 | received words, or results |
//! | r12 | destination (`ipc`), or the thread or task that is meant | sender, or the identifier made |
//! | r13 | whom to receive from (`ipc`) | for whom a redirected message was meant; else destroyed |
//! | r14 | timeouts (`ipc`) | who sent a propagated message; else destroyed |
//! | rcx r11 | – | destroyed |
//! | r15 rbp rsp | – | kept |
//!
//! rbx, rdi, rsi, rdx, r10, r8, r9 are in this order because a Linux program that enters the kernel
//! has its six arguments in rdi, rsi, rdx, r10, r8, r9: a forwarded system call leaves them where they are,
//! and its number moves from rax to rbx.

/// Bit 31 of rax marks an L4 call. A Linux call number is a positive `int` (`arch/x86/entry`, Linux
/// 6.1: the number is taken from eax), so no Linux call that exists can have it set.
pub const L4_CALL: u64 = 0x8000_0000;

/// Whether rax means an L4 call: bit 31 is set, and bits 8–30 are not. Any other number is foreign, also one that is
/// no call anywhere: a Linux program that tries call −1 gets its system's answer.
pub const fn is_l4_call(rax: u64) -> bool {
    rax & 0xffff_ff00 == L4_CALL
}

/// System-call numbers, in the order of the L4 reference manual.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Call {
    Ipc = 0,
    IdNearest = 1,
    FpageUnmap = 2,
    ThreadSwitch = 3,
    ThreadSchedule = 4,
    LthreadExRegs = 5,
    TaskNew = 6,
}

impl Call {
    /// What goes into rax (a message tag is or-ed into the high half).
    pub const fn rax(self) -> u64 {
        L4_CALL | self as u64
    }
}

/// What became of a call. The low half of rax.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Status {
    Ok = 0,
    /// No call has this number.
    NoSuchCall = 1,
    /// An argument is not one that the call takes (bad flexpage, bad address, bad flags, bad tag).
    BadArgument = 2,
    /// No such thread or task, or it has died and the identifier is stale.
    NotExistent = 3,
    /// The caller has no right to do this (not the chief, out of reach, not to speak in that name, not to the line, not to give that priority).
    Denied = 4,
    /// The kernel memory of the task is used up, or no task or thread number is free.
    NoMemory = 5,
    /// `ipc`: the partner was not ready to receive in time. Nothing was sent.
    SendTimeout = 6,
    /// `ipc`: nothing came in time. The send phase was done.
    ReceiveTimeout = 7,
    /// `ipc`: another thread's `lthread_ex_regs` ended the send phase. Nothing was sent.
    SendCancelled = 8,
    /// `ipc`: another thread's `lthread_ex_regs` ended the receive phase.
    ReceiveCancelled = 9,
    /// `ipc`, send: the words were transferred, a map item was not: it was bad, or there was no memory for it.
    MapFailed = 10,
    /// `ipc`: the partner died while this thread waited for it.
    Aborted = 11,
    /// `ipc`: a string found no buffer, or one that is too short. All else was transferred, and of the strings what fitted.
    MessageCut = 12,
    /// `ipc`: the transfer timeout of one side was over before all strings were transferred.
    TransferTimeout = 13,
    /// `ipc`: strings were being transferred, and the other side died or was cancelled, or a pager was not there.
    TransferAborted = 14,
}

impl Status {
    pub const fn from_rax(rax: u64) -> Option<Self> {
        Some(match rax as u32 {
            0 => Self::Ok,
            1 => Self::NoSuchCall,
            2 => Self::BadArgument,
            3 => Self::NotExistent,
            4 => Self::Denied,
            5 => Self::NoMemory,
            6 => Self::SendTimeout,
            7 => Self::ReceiveTimeout,
            8 => Self::SendCancelled,
            9 => Self::ReceiveCancelled,
            10 => Self::MapFailed,
            11 => Self::Aborted,
            12 => Self::MessageCut,
            13 => Self::TransferTimeout,
            14 => Self::TransferAborted,
            _ => return None,
        })
    }
}

/// How long a phase of an `ipc` may wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timeout {
    Never,
    /// Not at all.
    Now,
    /// Microseconds.
    In(u32),
    /// Until the TSC reading in the caller's UTCB (`send_deadline`, `receive_deadline`).
    Deadline,
}

impl Timeout {
    const NOW: u32 = 1 << 31;
    const DEADLINE: u32 = Self::NOW | 1;

    /// A value that means nothing counts as `Now`.
    pub const fn from_bits(bits: u32) -> Self {
        match bits {
            0 => Self::Never,
            Self::DEADLINE => Self::Deadline,
            us if us < Self::NOW => Self::In(us),
            _ => Self::Now,
        }
    }

    pub const fn bits(self) -> u32 {
        match self {
            Self::Never => 0,
            Self::Now | Self::In(0) => Self::NOW,
            Self::In(us) if us < Self::NOW => us,
            Self::In(_) => Self::NOW - 1,
            Self::Deadline => Self::DEADLINE,
        }
    }

    /// From microseconds, of which [`Timeouts::NEVER`] means for ever.
    pub const fn from_us(us: u32) -> Self {
        match us {
            0 => Self::Now,
            Timeouts::NEVER => Self::Never,
            us => Self::In(us),
        }
    }
}

/// The timeouts of an `ipc`: bits 31–0 for the receive phase, bits 63–32 for the send phase. 0 is never: so the commonest case of all,
/// to wait for a message for ever, is the cheapest to recognise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Timeouts(pub u64);

impl Timeouts {
    /// In microseconds: for ever.
    pub const NEVER: u32 = u32::MAX;
    pub const ALL_NEVER: Self = Self(0);

    /// From microseconds: 0 is not at all, [`Self::NEVER`] for ever; more than 2^31 − 1 is taken as that.
    pub const fn new(send_us: u32, receive_us: u32) -> Self {
        Self::of(Timeout::from_us(send_us), Timeout::from_us(receive_us))
    }

    pub const fn of(send: Timeout, receive: Timeout) -> Self {
        Self(receive.bits() as u64 | (send.bits() as u64) << 32)
    }

    pub const fn send(self) -> Timeout {
        Timeout::from_bits((self.0 >> 32) as u32)
    }

    pub const fn receive(self) -> Timeout {
        Timeout::from_bits(self.0 as u32)
    }
}

/// `fpage_unmap`: rbx = flexpage (its rights are those taken away), rdi = flags, r12 = nil or, with
/// [`unmap::IN_TASK`], a thread of the task whose space is meant.
pub mod unmap {
    /// Also take the rights from the caller's own (or the named task's own) mapping, not only from
    /// those derived of it.
    pub const FLUSH: u64 = 1;
    /// The flexpage is in the space of the task in r12, of which the caller's task is the chief.
    /// Implies [`FLUSH`].
    pub const IN_TASK: u64 = 2;
}

/// `lthread_ex_regs`: reads and changes a thread of the caller's task or of a task whose chief the caller's task is.
///
/// r12 = thread, rbx = flags, rdi = ip, rsi = sp, rdx = pager, r10 = handler, r8 = FS base, r9 = trampoline, r13 = preempter.
/// Out: rdi, rsi = old ip, sp; rdx, r10 = old pager, handler; r9 = old trampoline; r13 = old preempter; rbx = [`RunState`](super::utcb::RunState); r12 = full identifier.
pub mod ex_regs {
    pub const SET_IP: u64 = 1 << 0;
    pub const SET_SP: u64 = 1 << 1;
    pub const SET_PAGER: u64 = 1 << 2;
    pub const SET_HANDLER: u64 = 1 << 3;
    /// Make lthread r12.lthread of r12.task (the version is ignored). It starts stopped, with the
    /// caller's priority, unless [`RESUME`] is given too.
    pub const CREATE: u64 = 1 << 4;
    /// End the thread. Its identifier becomes stale.
    pub const DESTROY: u64 = 1 << 5;
    /// Take the thread off the processor until [`RESUME`].
    pub const STOP: u64 = 1 << 6;
    /// Undo [`STOP`].
    pub const RESUME: u64 = 1 << 7;
    /// End an IPC, fault or foreign system call that the thread is in. An `ipc` returns
    /// `SendCancelled`/`ReceiveCancelled`; a fault or foreign call is simply over.
    pub const CANCEL: u64 = 1 << 8;
    /// Copy the general registers into the caller's UTCB ([`Utcb::regs`](super::utcb::Utcb)), before any change.
    pub const GET_REGS: u64 = 1 << 9;
    /// Set the general registers from the caller's UTCB. Implies [`CANCEL`], silently: the new registers
    /// are what the thread goes on with.
    pub const SET_REGS: u64 = 1 << 10;
    /// Copy the FPU state into the caller's UTCB.
    pub const GET_FPU: u64 = 1 << 11;
    /// Set the FPU state from the caller's UTCB.
    pub const SET_FPU: u64 = 1 << 12;
    /// Back to the FPU state of a new thread (FNINIT; MXCSR = 0x1f80) and FS base, GS base 0.
    pub const RESET_FPU: u64 = 1 << 13;
    /// Set the FS base from r8.
    pub const SET_FS_BASE: u64 = 1 << 14;
    /// With [`CREATE`]: the thread owns FPU, FS and GS state, which is saved and restored for it.
    pub const USES_FPU: u64 = 1 << 15;
    /// With [`CREATE`]: give the thread a UTCB at `layout::utcb(lthread)`.
    pub const WITH_UTCB: u64 = 1 << 16;
    /// Foreign system calls of the thread go on at r9 in the thread itself: its *trampoline*, which finds the way back in rcx, the flags in
    /// r11 and all else as the program had it. 0: they become messages to the handler, as at first.
    pub const SET_TRAMPOLINE: u64 = 1 << 17;
    /// Set the *preempter* from r13: the thread that gets a message ([`Label::PREEMPTION`](crate::msg::Label)) when a time slice of the thread
    /// ends while it runs. Nil, as at first: nobody.
    pub const SET_PREEMPTER: u64 = 1 << 18;
}

/// `task_new`: makes a task with one thread (lthread 0), or deletes one.
///
/// rbx = flags, rdi = ip, rsi = sp, rdx = pager, r10 = handler, r8 = kernel-memory limit in 4-KiB frames
/// (what the task uses counts against it, its chief and so on up), r9 = priority (0–255, not above the caller's), r13 = trampoline. Out: r12 = the new thread. The
/// new thread starts with rdi = its own identifier, rsi = its pager, all else zero.
pub mod task_new {
    /// The thread starts stopped.
    pub const STOPPED: u64 = 1 << 0;
    /// As `ex_regs::USES_FPU`.
    pub const USES_FPU: u64 = 1 << 1;
    /// As `ex_regs::WITH_UTCB`.
    pub const WITH_UTCB: u64 = 1 << 2;
    /// Start from the registers in the caller's UTCB in place of ip and sp.
    pub const SET_REGS: u64 = 1 << 3;
    /// As `ex_regs::SET_FPU`.
    pub const SET_FPU: u64 = 1 << 4;
    /// Delete the task of r12, whose chief is the caller's task: its threads, its mappings and all derived
    /// from them, and the tasks it made.
    pub const DELETE: u64 = 1 << 5;
    /// As `ex_regs::SET_TRAMPOLINE`, from r13.
    pub const SET_TRAMPOLINE: u64 = 1 << 6;
}

/// `thread_schedule`: r12 = thread, rbx = flags, rdi = priority, rsi = time slice in µs, rdx = CPU.
/// Out: rdi, rsi, rdx = old values, rbx = [`RunState`](super::utcb::RunState).
pub mod schedule {
    pub const SET_PRIORITY: u64 = 1 << 0;
    pub const SET_TIMESLICE: u64 = 1 << 1;
    /// To the CPU whose number is in rdx.
    pub const SET_CPU: u64 = 1 << 2;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_keep_what_they_mean() {
        for (us, timeout) in [
            (0, Timeout::Now),
            (1, Timeout::In(1)),
            (5_000_000, Timeout::In(5_000_000)),
            (Timeouts::NEVER, Timeout::Never),
            (Timeouts::NEVER - 1, Timeout::In(i32::MAX as u32)),
        ] {
            assert_eq!(Timeouts::new(us, 7).send(), timeout);
            assert_eq!(Timeouts::new(7, us).receive(), timeout);
        }
        assert_eq!(Timeouts::of(Timeout::Deadline, Timeout::Now).send(), Timeout::Deadline);
        assert_eq!(Timeouts::new(Timeouts::NEVER, Timeouts::NEVER), Timeouts::ALL_NEVER);
        // What no timeout has been given does not wait.
        assert_eq!(Timeout::from_bits(u32::MAX), Timeout::Now);
    }
}
