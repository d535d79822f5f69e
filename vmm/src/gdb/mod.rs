//! GDB's remote protocol (GDB manual, "GDB Remote Serial Protocol"), over anything that is a [`Debuggee`](crate::debug::debuggee::Debuggee).
//!
//! What gdb does with several processes, seen with gdb 13.1, has shaped this more than its manual:
//!
//! - `target remote` takes all processes of the first list of threads for its own, and gives its first inferior, which may have a program
//!   already, to the first in the list. That is the kernel here. It reads every process's program by itself.
//! - It reads the description of the registers for the first process alone. See [`arch`].
//! - A process without a program has the registers of a 32-bit CPU to it, which spoils the session: see `target::files`.
//! - Unless `schedule-multiple` is on, `continue` has one process run. The machine runs as a whole, and gdb understands stops of the other
//!   processes, but it shows the registers that it has read from them before. It is told to say so once in a session.
//! - It takes a process that it finds new in a list for its current one, and reads something of it without saying whose it wants. See `lists`
//!   and `naming`.
//! - `break main` is a breakpoint in each process with such a function, `break *main` one in the current process.
//! - When gdb ends it lets go of one process after the other.
//!
//! - [`serve`], `door`: waits for debuggers, and for the machine
//! - [`session`]: one debugger's session, with `stop`, `processes`, `naming`, `lists` and `console`
//! - [`framing`], [`ids`], `translate`: packets, and what is in them of several processes
//! - `stub`, `target`: all other packets, by crate `gdbstub`
//! - [`arch`], [`registers`], [`description`], [`signal`]: what gdb knows of the CPU and of Linux

pub mod arch;
mod console;
pub mod description;
mod door;
pub mod framing;
pub mod ids;
mod lists;
mod naming;
mod processes;
pub mod registers;
pub mod serve;
pub mod session;
pub mod signal;
mod stop;
mod stub;
mod target;
#[cfg(test)]
mod tests;
mod translate;

pub use serve::{serve, serve_one};
