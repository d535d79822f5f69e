//! System calls: the table, and what every handler is given.
//!
//! A handler is a plain function from a [`Ctx`] to a [`SysResult`]. Those that may have to wait are async: they get their
//! `Ctx` by value and return a boxed future ([`Pending`]), which the executor polls until it is done. Those of which most do not have to
//! wait after all try first, and make a future of the rest ([`Step`]).
//!
//! - [`table`]: number → [`Entry`], put together from one list a family
//! - `dispatch`: from the number to the handler, and from its result to the answer
//! - [`immediate`]: calls that are answered where they are received
//! - [`args`]: how arguments look in a trace
//! - `fs_calls`: files; `time`, `ids`, `limits`, `memory`, `process`, `control`, `signals`, `system`, `futex`: everything else
//!
//! A call is added by writing its handler into its family's file and an [`Entry`] into the `CALLS` list there. The entry
//! says how complete it is: `docs/linux.md` is generated from that.

pub mod args;
mod caller;
mod control;
mod dispatch;
mod fs_calls;
mod futex;
mod ids;
pub mod immediate;
mod limits;
mod memory;
pub mod process;
mod signals;
pub mod system;
pub mod table;
mod time;

use crate::errno::Errno;
use crate::machine::ThreadState;
use crate::mm::user::UserMemory;
use crate::process::{Process, Thread};
use crate::server::Server;
use alloc::boxed::Box;
use alloc::rc::Rc;
use args::Arg;
use core::future::Future;
use core::pin::Pin;

/// What a call gives: the value for rax, or an error.
pub type SysResult = Result<u64, Errno>;
/// A call that may have to wait.
pub type Pending = Pin<Box<dyn Future<Output = SysResult>>>;

/// A system call under way: who makes it, with what.
///
/// Cloning one is cheap (reference counts). Nothing in it is borrowed, so it may be kept across an await.
#[derive(Clone)]
pub struct Ctx {
    pub server: Rc<Server>,
    pub thread: Rc<Thread>,
    /// The process that `thread` belongs to.
    pub proc: Rc<Process>,
    pub args: [u64; 6],
}

impl Ctx {
    /// Argument `n` as the C type `int`: the upper half of the register has no meaning.
    pub fn int(&self, n: usize) -> i32 {
        self.args[n] as i32
    }
    /// Argument `n` as the C type `unsigned int`.
    pub fn uint(&self, n: usize) -> u32 {
        self.args[n] as u32
    }
    /// Waits for `future` unless a signal comes first: then the call ends with ERESTARTSYS, which becomes EINTR or makes the
    /// call again. A future that is ready is not interrupted.
    pub async fn interruptible<F: Future>(&self, future: F) -> Result<F::Output, Errno> {
        self.thread.interrupt.guard(future).await.map_err(|_| Errno::ERESTARTSYS)
    }
    /// What an immediate call gets to see.
    fn immediate(&self) -> immediate::Immediate<'_> {
        immediate::Immediate { thread: &self.thread, process: &self.proc, argument: self.args[0] }
    }
    /// Access to the memory of the process.
    pub fn user(&self) -> UserMemory {
        UserMemory::new(&self.proc)
    }
}

/// What has come of a call that may have to wait.
pub enum Step {
    /// It need not.
    Done(SysResult),
    /// This is still to be done.
    Waits(Pending),
}

/// How a call ends that does not just return a value.
pub enum Outcome {
    /// As other calls do.
    Return(SysResult),
    /// The handler has set the thread going; there is nothing to answer.
    Resumed,
    /// The thread goes on with this state.
    State(Box<ThreadState>),
    /// The thread is gone.
    Gone,
}

/// How a call is carried out.
#[derive(Clone, Copy)]
pub enum Handler {
    /// Needs only its process and its arguments, and cannot fail: see [`immediate`].
    Immediate(immediate::Function),
    /// Answered at once, without allocation.
    Sync(fn(&Ctx) -> SysResult),
    /// May wait, but mostly need not, and allocates nothing then.
    Prompt(fn(&Ctx) -> Step),
    /// May wait.
    Async(fn(Ctx) -> Pending),
    /// Changes the caller's own thread in ways that a value does not describe (`exit`, `execve`, `rt_sigreturn`).
    Control(fn(&Ctx) -> Outcome),
}

/// How much of what Linux does a call does here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Coverage {
    Full,
    /// Works, but for what is said here.
    Partial(&'static str),
}

/// One system call.
#[derive(Clone, Copy)]
pub struct Entry {
    pub nr: u16,
    pub name: &'static str,
    pub args: &'static [Arg],
    pub coverage: Coverage,
    pub handler: Handler,
}

impl Entry {
    pub const fn immediate(
        nr: u32,
        name: &'static str,
        args: &'static [Arg],
        f: immediate::Function,
    ) -> Self {
        Self { nr: nr as u16, name, args, coverage: Coverage::Full, handler: Handler::Immediate(f) }
    }
    pub const fn sync(nr: u32, name: &'static str, args: &'static [Arg], f: fn(&Ctx) -> SysResult) -> Self {
        Self { nr: nr as u16, name, args, coverage: Coverage::Full, handler: Handler::Sync(f) }
    }
    pub const fn prompt(nr: u32, name: &'static str, args: &'static [Arg], f: fn(&Ctx) -> Step) -> Self {
        Self { nr: nr as u16, name, args, coverage: Coverage::Full, handler: Handler::Prompt(f) }
    }
    pub const fn wait(nr: u32, name: &'static str, args: &'static [Arg], f: fn(Ctx) -> Pending) -> Self {
        Self { nr: nr as u16, name, args, coverage: Coverage::Full, handler: Handler::Async(f) }
    }
    pub const fn control(nr: u32, name: &'static str, args: &'static [Arg], f: fn(&Ctx) -> Outcome) -> Self {
        Self { nr: nr as u16, name, args, coverage: Coverage::Full, handler: Handler::Control(f) }
    }
    /// Says what is missing.
    pub const fn partial(mut self, missing: &'static str) -> Self {
        self.coverage = Coverage::Partial(missing);
        self
    }
}
