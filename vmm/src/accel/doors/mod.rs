//! Doors in the wall of the lab: sockets in it that stand for what a command line names outside of it.
//!
//! Outside, everything that the command line names has been opened when it was read, and stays there. The `ukvmm` in the lab is given a door in
//! its place, which is a socket, and [`super::relay`] carries what is said there. Those who come from outside (debuggers, `ukvmm ctl`, `ukvmm top`) are let in by a door.
//!
//! - [`outside`]: the doors of a command line, and who comes to them
//! - [`ways`]: where those lead that lead out; [`carry`]: what goes through them
//! - [`inside`]: the sockets in the lab

mod carry;
pub mod inside;
pub mod outside;
mod ways;

pub use outside::Doors;

use std::path::PathBuf;

/// Where they are in the lab.
const FOLDER: &str = "/lab/doors";

/// The socket of a door.
fn socket(door: u8) -> PathBuf {
    PathBuf::from(FOLDER).join(door.to_string())
}
