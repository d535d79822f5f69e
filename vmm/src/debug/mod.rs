//! What a debugger sees of a machine and can do with it, without a word about GDB's protocol.
//!
//! A machine is shown as the person who debugs it thinks of it: as processes with threads. Every L4 task is a process, the servers and the
//! Linux programs alike, and the kernel is one more, whose threads are the vCPUs.
//!
//! - [`thread`]: names of processes and threads
//! - [`registers`]: the registers of a thread or vCPU; [`xsave`]: those that XSAVE and FXSAVE have in memory
//! - [`view`]: a machine that stands still, to look at: one that is stopped, or the core of one that has crashed
//! - [`programs`]: the ELF files of kernel and servers
//! - [`debuggee`]: what a debugger does with it
//! - [`options`], [`listen`]: how and where the user wants it
//! - [`server`]: the thread that serves debuggers; [`absent`]: the machine while there is none
//! - [`control`]: stops the vCPUs of a machine that runs, and lets them go on; [`live`]: that machine, as something to debug
//! - [`mock`]: a machine that is only thought up, for tests and fuzzers

pub mod absent;
pub mod control;
pub mod debuggee;
pub mod listen;
pub mod live;
pub mod mock;
pub mod options;
pub mod programs;
pub mod registers;
pub mod server;
pub mod thread;
pub mod view;
pub mod xsave;
