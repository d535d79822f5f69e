//! `ukvmm ctl`: what the control socket offers, for people and for scripts.
//!
//! - [`options`]: the command line; [`command`]: does it
//! - [`link`]: asks, and understands the answer
//! - [`words`]: says it in words

pub mod command;
pub mod link;
pub mod options;
pub mod words;
