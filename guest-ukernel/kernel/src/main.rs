//! The µ-kernel.
//!
//! It knows threads, spaces, messages and nothing else: no files, no devices, no policy. What it does is in
//! [`ukernel_core`], tested on the host; here is what touches the machine. `docs/abi.md` is its manual, `docs/kernel.md` says how it works.
//!
//! Principles:
//! - Run to completion: nothing blocks inside the kernel, interrupts are off, a thread's whole state is in its TCB.
//! - Every instruction counts: some machines emulate each one. No loop over memory, no search, no allocation on common paths.
//! - One binary for all machines: what differs is found out as it happens.
//! - A caller's mistake is a [`Status`](ukernel_abi::call::Status); a kernel bug is a panic with last words.
//!
//! - [`start`]: from boot information to the first two servers
//! - [`arch`]: the machine
//! - [`trap`]: each way in
//! - [`syscall`]: the seven calls
//! - [`kernel`], [`cpu`]: state
//! - [`smp`]: several CPUs
//! - [`task`], [`tcb`], [`regs`]: tasks and threads
//! - [`mem`]: spaces and mappings
//! - [`kip`]: the pages that every task sees
//! - [`events`], [`panic`]: last words
//! - [`debug`]: where debuggers find all this

#![no_std]
#![no_main]

mod arch;
mod cpu;
mod debug;
mod events;
mod kernel;
mod kip;
mod mem;
mod panic;
mod regs;
mod smp;
mod start;
mod syscall;
mod task;
mod tcb;
mod trap;
