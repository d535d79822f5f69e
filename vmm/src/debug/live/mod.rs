//! A machine that runs, as something to debug.
//!
//! The guest's user mode is debugged with the guest's own means, since not every KVM has others (`docs/debugging.md`): breakpoints are
//! INT3 instructions in its memory, steps are made with the trap flag, and both arrive at the guest's IDT, from where they come to us. Its kernel mode
//! is debugged with KVM's. Everything that is changed in the guest is in a small number of places, each with a file, and goes when the debugger goes.
//!
//! - [`page`]: our code in the kernel's image; [`hooks`]: what leads there
//! - [`machine`]: vCPUs and memory; [`guest`]: the same with what we have changed, and how a vCPU [`stands`](stand)
//! - [`agent`]: has the kernel mode change a page table; [`copies`]: pages of one's own, which the kernel can [`reach`]
//! - [`patches`]: bytes that are ours, [`offspring`]: what the guest has copied of them; [`points`]: breakpoints; [`unmaps`]: when they may have lost their pages
//! - [`decode`]: instructions that are not stepped like others; [`step`]: one instruction
//! - [`watch`]: watchpoints; [`notices`]: programs start, or are about to get a signal
//! - [`memory`], [`registers`]: what debuggers read and write
//! - [`run`]: lets it run until something has happened; [`sort`]: what that was; [`wake`]: how one waits for it; [`rest`]: a good moment to stop at
//! - [`debuggee`]: all of it, as a [`Debuggee`](crate::debug::debuggee::Debuggee)

pub mod agent;
pub mod copies;
pub mod debuggee;
pub mod decode;
pub mod guest;
pub mod hooks;
pub mod machine;
pub mod memory;
pub mod notices;
pub mod offspring;
pub mod page;
pub mod patches;
pub mod points;
pub mod reach;
pub mod registers;
pub mod rest;
pub mod run;
pub mod sort;
pub mod stand;
pub mod step;
pub mod unmaps;
pub mod wake;
pub mod watch;
