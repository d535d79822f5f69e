//! `--profile`: what a machine did when, and how long it took.
//!
//! The guest writes its records into rings in its own memory ([`vmm_abi::trace`]); a thread of ours takes them out and writes them to a file, or hands them to those who watch
//! ([`crate::live`]). Without either option there is neither, and a vCPU pays one branch for each exit. What is made of the file is the crate `profile`'s affair.
//!
//! The way of a run: [`options`] → [`wish`], before there is a machine → [`session`], from its start to its end → [`deposit`], what has become of it
//! ([`progress`] on the terminal).
//!
//! - [`output`]: where the records go
//! - [`rings`]: the guest's rings; [`ring`]: takes records out of one
//! - [`sites`]: has the kernel record
//! - [`exits`]: what the vCPUs' threads record
//! - [`sampling`]: where vCPUs are found when one looks
//! - [`drain`]: the thread that empties both, into an [`outlet`]; [`names`]: what it learns about tasks meanwhile
//! - [`clock`], [`procfs`]: what the certificate says
//! - [`command`]: `ukvmm report`

pub mod clock;
pub mod command;
pub mod deposit;
pub mod drain;
pub mod exits;
pub mod names;
pub mod options;
pub mod outlet;
pub mod output;
pub mod procfs;
pub mod progress;
pub mod ring;
pub mod rings;
pub mod sampling;
pub mod session;
pub mod sites;
pub mod wish;
