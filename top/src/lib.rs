//! `ukvmm top`: shows what a machine does just now, as it tells by `--live` ([`profile::live`]).
//!
//! The way of a second's figures: [`link`] (lines from a socket) → [`panel`] (rows and columns) → [`plain`], text, or [`view`], a terminal.
//!
//! - [`place`]: where the sockets of machines are; [`find`]: which machine is meant
//! - [`header`], [`threads`], [`ipc`], [`requests`]: what is shown; [`figures`]: rates and shares; [`panel`]: how it is put into columns
//! - [`view`]: what is seen and how keys change it; [`draw`]: puts it on a terminal; [`events`], [`screen`]: the terminal

#![forbid(unsafe_code)]

pub mod draw;
pub mod events;
pub mod figures;
pub mod find;
pub mod header;
pub mod ipc;
pub mod link;
pub mod panel;
pub mod place;
pub mod plain;
pub mod requests;
pub mod screen;
pub mod threads;
pub mod view;

#[cfg(test)]
mod sample;
