//! Asks a server that stands still, by running a function of its own.
//!
//! Much of what a person who debugs wants to know is in the Linux server's memory: processes, their files, what is in those. Only the
//! server's code understands that memory, and the machine stands still. So the function `ukvmm_report` of the server is run
//! beside the machine: in a virtual machine of its own, which is thrown away, in user mode, on the server's memory as it is. What
//! the server could write is a copy, all else is read-only; nothing of the debugged machine changes. It works for the core of a machine
//! that has crashed as well.
//!
//! The server may be in the middle of something, and then its memory does not make sense to its own code. That is no danger to anybody: whatever
//! goes wrong ends the run, which also has a limit of time, and the answer is that it cannot be asked now.
//!
//! - [`image`]: the memory of the virtual machine, and its page tables
//! - [`space`]: the address space in which the function runs
//! - [`scratch`]: the virtual machine
//! - [`linux`]: questions to the Linux server; [`processes`]: the monitor's commands that ask them
//! - [`kill`]: the monitor's command that ends a server
//! - [`facts`]: all that a debugger learns in this and other ways

pub mod facts;
pub mod image;
pub mod kill;
pub mod linux;
mod processes;
pub mod scratch;
pub mod space;
