//! What a debugger does with a machine.
//!
//! All-stop: either everything runs or everything stands still, and all methods but [`Debuggee::interrupt`] and [`Debuggee::event`] are for the
//! latter. What a machine cannot do, such as one that has crashed, it refuses with [`Error`], and nothing has changed then.

use super::registers::Registers;
use super::thread::{Process, Thread};
use std::os::fd::BorrowedFd;

/// Why something was not done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no thread {0}")]
    NoThread(Thread),
    #[error("there is no process {0}")]
    NoProcess(Process),
    #[error("nothing is mapped at {0:#x}")]
    NotMapped(u64),
    /// The machine has ended or crashed, or is a core.
    #[error("the machine cannot be changed or run any more")]
    ReadOnly,
    #[error("{0}")]
    Other(String),
}

/// Where to stop.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Point {
    /// Before the instruction at this address. Software and hardware breakpoints differ in how they are requested only.
    Code(u64),
    /// After an access to these bytes.
    Data { address: u64, length: u64, access: Access },
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Access {
    Write,
    Read,
    Both,
}

/// How to go on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// These execute one instruction; the machine stops when the first has.
    pub step: Vec<Thread>,
    /// A thread that steps goes on doing so while its instruction pointer is within these addresses.
    pub while_in: Option<(u64, u64)>,
    /// Nobody else runs, as far as that can be had: what a debugger wants in order to get a thread over a breakpoint that it has removed. A thread that
    /// waits for another does not finish its step then, so after a short time all run.
    pub alone: bool,
    /// A signal that the thread is to get on going on, as a debugger passes it; Linux's number. Those that are no Linux programs get none.
    pub signal: Option<(Thread, u8)>,
}

/// Why the machine has stopped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// This thread is at a breakpoint; its rip is the breakpoint's address.
    Breakpoint(Thread),
    /// This thread has touched a watched place; `address` is the first watched byte.
    Watchpoint {
        thread: Thread,
        address: u64,
        access: Access,
    },
    Stepped(Thread),
    /// By [`Debuggee::interrupt`].
    Interrupted(Thread),
    /// A Linux program is about to get this signal (Linux's number) because of what it has done.
    Signal(Thread, u8),
    /// A process is about to begin with a program: one that has just been made or, if it is not `new`, that was something else so far (execve(2)), which its
    /// breakpoints went with.
    Started {
        thread: Thread,
        new: bool,
    },
    /// The machine has stopped for good, by a kernel panic, triple fault, or error; it can still be looked at.
    Crashed {
        thread: Thread,
        message: String,
    },
    /// The machine has ended with this exit status; there is nothing left.
    Exited(u8),
}

/// A file that the machine has, for the debugger to read symbols from.
pub trait File {
    fn size(&self) -> u64;
    /// Reads at `offset`; fewer bytes than asked for only at the end.
    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, Error>;
}

pub trait Debuggee {
    /// All threads, in the order of processes.
    fn threads(&mut self) -> Vec<Thread>;
    /// What a person wants to know of `thread` in a line: `linux: sh[12], blocked in IPC to linux`.
    fn describe(&mut self, thread: Thread) -> Result<String, Error>;

    fn registers(&mut self, thread: Thread) -> Result<Registers, Error>;
    fn set_registers(&mut self, thread: Thread, registers: &Registers) -> Result<(), Error>;

    /// Reads what is mapped from `address` on, and says how many bytes that were; at least one. Breakpoints do not show.
    fn read(&mut self, process: Process, address: u64, into: &mut [u8]) -> Result<usize, Error>;
    /// Writes all or nothing, also where the process itself may only read.
    fn write(&mut self, process: Process, address: u64, from: &[u8]) -> Result<(), Error>;

    /// Also for addresses at which nothing is mapped yet.
    fn insert(&mut self, process: Process, point: Point) -> Result<(), Error>;
    fn remove(&mut self, process: Process, point: Point) -> Result<(), Error>;

    /// Lets the machine run. It stops by itself, with an [`Event`], or by [`Debuggee::interrupt`].
    fn resume(&mut self, plan: Plan) -> Result<(), Error>;
    /// Has it stop soon, with an event. Does nothing if it stands still.
    fn interrupt(&mut self);
    /// Readable when there is an event to be had.
    fn ready(&self) -> BorrowedFd<'_>;
    /// The event with which it has stopped, once.
    fn event(&mut self) -> Option<Event>;

    /// No debugger any more: breakpoints are gone, and the machine runs on. One that has crashed ends now, which is an event.
    fn detach(&mut self);
    /// Ends the machine.
    fn kill(&mut self);

    /// Path of the file that `process` runs, for [`Debuggee::open`].
    fn executable(&mut self, process: Process) -> Option<String>;
    /// The auxiliary vector of a Linux program (`/proc/PID/auxv` in proc(5)).
    fn auxv(&mut self, process: Process) -> Option<Vec<u8>>;
    /// Opens a file as `process` sees it.
    fn open(&mut self, process: Process, path: &str) -> Result<Box<dyn File>, Error>;
    /// Where a symbolic link leads.
    fn read_link(&mut self, process: Process, path: &str) -> Result<String, Error>;

    /// Does a command of the machine's monitor, of which `thread` is the debugger's current one, and returns its output.
    fn monitor(&mut self, thread: Thread, command: &str) -> String;
}
