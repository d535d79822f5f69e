//! The Linux server: runs unmodified Linux x86-64 programs without a Linux kernel.
//!
//! The server is one L4 task. It is the pager of every Linux process and the handler of its system calls and
//! exceptions; a process is an L4 task, its thread an L4 thread. Everything here is safe code that knows the µ-kernel only
//! through [`machine::Machine`], so that all of it runs, and is tested, on the host.
//!
//! How it fits together:
//!
//! - [`machine`]: what the server asks of the µ-kernel; [`event`]: what it is told
//! - [`boot`]: from nothing to the first program
//! - [`server`]: the event loop's body and the state that everything shares
//! - [`syscall`]: the table of system calls and their handlers
//! - [`process`]: processes, threads, credentials, fork, exit, wait
//! - [`program`]: loading ELF files and scripts
//! - [`mm`]: address spaces, faults, copy-on-write, access to user memory
//! - [`signal`]: dispositions, delivery, frames
//! - [`trampoline`]: another way in for system calls
//! - [`report`]: what a debugger asks
//! - [`profile`]: what a profile shows of the server
//! - [`strace`]: system calls as text, and the list of those that are missing
//! - [`time`], [`random`], [`futex`], [`bytes`]: smaller things
//! - [`errno`], [`frames`], [`sparse`], [`buf`], [`exec`]: error numbers, physical memory, pages by number, buffers, the executor
//! - [`fs`], [`tty`], [`disk`]: files, the terminal, the disk

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod boot;
pub mod buf;
pub mod bytes;
pub mod disk;
pub mod errno;
pub mod event;
pub mod exec;
pub mod frames;
pub mod fs;
pub mod futex;
pub mod machine;
pub mod mm;
pub mod process;
pub mod profile;
pub mod program;
pub mod random;
pub mod report;
pub mod server;
pub mod signal;
pub mod sparse;
pub mod strace;
pub mod syscall;
pub mod time;
pub mod trampoline;
pub mod tty;

#[cfg(test)]
mod tests;
