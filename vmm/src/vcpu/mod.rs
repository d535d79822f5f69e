//! vCPUs: one thread each.
//!
//! - [`cpuid`]: what CPUID tells each
//! - [`entry`]: the registers that a guest starts with
//! - [`exit`]: what to do when the guest leaves to us; a function of the exit, so that it is tested without a guest
//! - [`thread`]: the thread and its loop
//! - [`group`]: all of a machine's, started and stopped together
//! - [`kick`]: how another thread gets a vCPU out of the guest
//! - [`registers`]: all registers of one, as debuggers show them, and back
//! - [`moments`]: when the guest did what, in its own time
//! - [`excursion`]: has a vCPU run other code for a moment
//! - [`snapshot`]: where the guest was, for messages

pub mod cpuid;
pub mod entry;
pub mod excursion;
pub mod exit;
pub mod group;
pub mod kick;
pub mod moments;
pub mod registers;
pub mod snapshot;
pub mod thread;
