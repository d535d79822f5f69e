//! Profiles: what a guest and its host have recorded in the TSC channel ([`vmm_abi::trace`]), and what follows from it.
//!
//! `ukvmm --profile` writes the records to a file as they come; everything else is done here, of a file and without a KVM.
//!
//! - [`file`]: the raw format, its writer and its reader
//! - [`certificate`]: how far the clock can be trusted, in words
//! - [`format`]: the forms that a profile can be had in

#![forbid(unsafe_code)]

pub mod certificate;
pub mod file;
pub mod format;
