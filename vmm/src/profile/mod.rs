//! Profiles: what a machine did when, and how long it took.
//!
//! - [`sites`]: has the kernel record
//! - [`command`]: `ukvmm report`

pub mod command;
pub mod sites;
