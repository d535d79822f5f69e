//! Profiles: what a guest and its host have recorded in the TSC channel ([`vmm_abi::trace`]), and what follows from it.
//!
//! `ukvmm --profile` writes the records to a file as they come; everything else is done here, of a file and without a KVM.
//!
//! The way of an analysis: [`file`] → [`input`] (each ring by itself) → [`merge`] (one timeline) → [`follow`] (requests of threads, what CPUs do) → [`sink`]: [`summary`], or
//! a format that wants every single one.
//!
//! - [`file`]: the raw format, its writer and its reader
//! - [`cost`], [`point`]: what measuring costs
//! - [`kind`], [`phase`], [`span`]: requests; [`thread`], [`cpu`], [`roles`]: what is known meanwhile
//! - [`stats`], [`metric`], [`bins`]: figures; [`names`], [`clock`]: what they mean
//! - [`stacks`]: what was called by whom when samples were taken; [`flame`]: as boxes in rows
//! - [`certificate`]: how far the clock can be trusted, in words
//! - [`rounds`]: what a program's own rounds consist of
//! - [`format`]: the forms that a profile can be had in; [`report`]: makes them; [`charts`]: what pages have of pictures
//! - [`live`]: the same, of a machine that still runs
//! - [`mock`]: a guest's records without a guest, for tests

#![forbid(unsafe_code)]

pub mod bins;
pub mod certificate;
pub mod charts;
pub mod clock;
pub mod cost;
pub mod cpu;
pub mod file;
pub mod flame;
pub mod follow;
pub mod format;
pub mod input;
pub mod kind;
pub mod live;
pub mod merge;
pub mod metric;
pub mod mock;
pub mod names;
pub mod phase;
pub mod point;
pub mod report;
pub mod roles;
pub mod rounds;
pub mod sink;
pub mod span;
pub mod stacks;
pub mod stats;
pub mod summary;
pub mod thread;
