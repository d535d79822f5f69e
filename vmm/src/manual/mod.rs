//! What a user gets to read and to type with, made of the command line as clap knows it.
//!
//! - [`completions`]: for shells
//! - [`page`]: the manual's pages

pub mod completions;
pub mod page;
