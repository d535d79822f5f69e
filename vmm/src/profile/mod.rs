//! Profiles: what a machine did when, and how long it took.
//!
//! - [`sites`]: has the kernel record

pub mod sites;
