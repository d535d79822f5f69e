//! Fuzz targets: plain functions of bytes, for everything that takes bytes from a guest or from a file that somebody else has made.
//!
//! A target must not panic, not hang, and keep what it promises, whatever the bytes. Three things run it: the tests ([`mutate`], a fixed
//! number of mutations of the corpus, always the same), the program `fuzz` (the same without end), and libFuzzer (`libfuzzer/`).
//!
//! - [`targets`]: the targets, one a file, and the table of them
//! - [`script`]: what a driver does, as bytes, for the targets that are devices
//! - [`play`]: does it to a device
//! - [`mutate`]: changes bytes at random
//! - [`corpus`]: the inputs in the repository

#![forbid(unsafe_code)]

pub mod corpus;
pub mod mutate;
pub mod play;
pub mod script;
pub mod targets;
