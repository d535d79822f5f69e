//! What the server asks of the µ-kernel.
//!
//! The seven L4 calls, seen from a pager and system-call handler. The real implementation is in the guest binary, on top
//! of `userlib`; tests use [`mock`]. Methods take `&self`: the server is one thread and the implementation
//! keeps what state it needs in cells.
//!
//! A transition into the µ-kernel and back is the expensive thing (tens of microseconds where guest kernel mode is
//! emulated), so the methods are cut such that each is one call, and a reply may be held back until the
//! event loop waits again, to be sent by the same call. An implementation that holds a reply back must send it before
//! it does anything else to the same task.

use crate::signal::set::Signal;
use crate::tty::Channel;
use alloc::boxed::Box;
use alloc::string::String;
use ukernel_abi::utcb::{FpuState, Regs, RunState};
use ukernel_abi::{Fpage, MapItem, ThreadId};
use vmm_abi::trace;

#[cfg(test)]
pub mod mock;

/// Why the µ-kernel did not do what it was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MachineError {
    /// No kernel memory, task or thread number is left.
    NoMemory,
    /// The thread is gone, or the kernel refused. A bug of this server if it happens.
    Refused,
}

/// Everything that makes up a thread's user-visible processor state.
#[derive(Clone, Copy)]
pub struct ThreadState {
    pub regs: Regs,
    pub fpu: FpuState,
    pub fs_base: u64,
    pub gs_base: u64,
}

impl ThreadState {
    /// A fresh thread that starts with `regs`.
    pub const fn new(regs: Regs) -> Self {
        Self { regs, fpu: FpuState::INIT, fs_base: 0, gs_base: 0 }
    }
}

/// The most map items that one reply can carry.
pub const MAX_ITEMS: usize = 28;
/// Items that travel in registers beside the result; more of them cost memory accesses in the kernel.
pub const REGISTER_ITEMS: usize = 3;

pub trait Machine {
    /// Makes a task with one thread (lthread 0) that runs from `state`, owns FPU state and has this server as
    /// its pager and handler. Its system calls come by the way that the server set has chosen ([`crate::trampoline::Entry`]).
    fn new_task(&self, state: &ThreadState) -> Result<ThreadId, MachineError>;
    /// Ends the task that `thread` is in, with all its threads and mappings.
    fn delete_task(&self, thread: ThreadId);
    /// Makes lthread `number` in the task of `sibling`, running from `state`.
    fn new_thread(
        &self,
        sibling: ThreadId,
        number: u16,
        state: &ThreadState,
    ) -> Result<ThreadId, MachineError>;
    /// Ends one thread.
    fn destroy_thread(&self, thread: ThreadId);

    /// The thread's registers and what it is doing.
    fn regs(&self, thread: ThreadId) -> Result<(RunState, Regs), MachineError>;
    /// The whole state of a thread. It is large: 700 bytes.
    fn state(&self, thread: ThreadId) -> Result<Box<ThreadState>, MachineError>;
    /// Sets the general registers and lets the thread go on with them: a fault, exception or foreign call it is in is
    /// over.
    fn set_regs(&self, thread: ThreadId, regs: &Regs) -> Result<(), MachineError>;
    /// As [`Machine::set_regs`], and sets the FPU state too.
    fn set_regs_fpu(&self, thread: ThreadId, regs: &Regs, fpu: &FpuState) -> Result<(), MachineError>;
    /// As [`Machine::set_regs`], with everything else as in a new thread (`execve`).
    fn restart(&self, thread: ThreadId, regs: &Regs) -> Result<(), MachineError>;
    /// Sets the FS base of a thread that is in a foreign call; the call goes on.
    fn set_fs_base(&self, thread: ThreadId, base: u64) -> Result<(), MachineError>;
    /// Tells a debugger what runs in the task of `thread`, until that is deleted.
    fn name_task(&self, thread: ThreadId, name: &[u8]);
    /// Tells a debugger that the task of `thread` is about to begin with a program.
    fn program_starts(&self, thread: ThreadId);
    /// Tells a debugger that the thread is about to get a signal because of what it has done, and returns which one it is to get:
    /// the same one as a rule, or what the debugger wants; `None` for none.
    fn program_signal(&self, thread: ThreadId, signal: Signal) -> Option<Signal>;

    /// Takes the thread off the processor until [`Machine::resume`].
    fn stop(&self, thread: ThreadId);
    fn resume(&self, thread: ThreadId);

    /// Takes the rights of `page` away from that part of the address space of `thread`'s task.
    fn unmap(&self, thread: ThreadId, page: Fpage);

    /// Answers a foreign call: `value` becomes rax.
    fn reply_call(&self, thread: ThreadId, value: u64);
    /// Answers a page fault or exception with up to [`MAX_ITEMS`] map items and lets the thread go on.
    fn reply_fault(&self, thread: ThreadId, items: &[MapItem]);

    /// Whether somebody makes a profile: from beginning to end, or never.
    fn is_profiled(&self) -> bool;
    /// Writes a record of this server's own into the profile; nothing if there is none.
    fn record(&self, event: trace::Event, argument: u64);
    /// As [`Machine::record`], in the name of a program's thread.
    fn record_for(&self, thread: ThreadId, event: trace::Event, argument: u64);

    /// The thread that this server is.
    fn own_id(&self) -> ThreadId;
    /// Reading of a counter that runs all the time: the TSC.
    fn ticks(&self) -> u64;
    /// What so many ticks of it are in nanoseconds.
    fn ticks_to_ns(&self, ticks: u64) -> u64;
    /// Nanoseconds from the machine's start to such a reading.
    fn monotonic_ns_at(&self, ticks: u64) -> u64;
    /// Nanoseconds since the machine started.
    fn monotonic_ns(&self) -> u64 {
        self.monotonic_ns_at(self.ticks())
    }
    /// Nanoseconds since 1970.
    fn wall_ns(&self) -> u64;
    /// The best seed for random numbers that this machine has.
    fn seed(&self) -> [u8; 32];

    /// What `AT_HWCAP` tells programs: EDX of CPUID leaf 1.
    fn hwcap(&self) -> u64;
    /// Name of the processor, from CPUID.
    fn cpu_model(&self) -> String;
    /// Frequency of the TSC.
    fn cpu_khz(&self) -> u64;

    /// Prints all of `bytes` on the console.
    fn print(&self, channel: Channel, bytes: &[u8]);
    /// A line for the operator (the host's standard error).
    fn log(&self, line: &str);
    /// Ends the machine with this exit status.
    fn exit(&self, status: u8);
}
