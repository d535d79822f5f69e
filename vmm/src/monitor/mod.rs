//! The machine's monitor: what it says when a debugger's user asks it something that is about the µ-kernel. Commands are text, and so are answers.
//!
//! It looks and changes nothing, so it serves running machines that are stopped, and cores, alike. Answers fit into 100 columns.
//!
//! - [`commands`]: which there are, and what a line of the user's means
//! - [`arguments`]: tasks and addresses as users write them
//! - [`table`]: text in columns
//! - one file for each command

pub mod arguments;
mod caps;
pub mod commands;
mod exits;
mod ipc;
mod irqs;
mod mappings;
mod space;
pub mod table;
mod tasks;
mod threads;
mod trace;
mod tsc;

#[cfg(test)]
mod tests;

use crate::debug::view::View;
use crate::inspect::Kernel;
use crate::inspect::names::Names;

/// What there is to look at.
pub struct Scene<'a> {
    pub view: &'a dyn View,
    /// `None`: the guest is another kernel.
    pub kernel: Option<&'a Kernel>,
    pub names: &'a Names,
    /// How often each vCPU has left the guest, and why; empty where nobody has counted.
    pub exits: &'a [Vec<(&'static str, u64)>],
}

/// Does the command `line` and returns what it says. Those that are somebody else's are in `others`, for `help`: how they are written, and
/// what they do.
pub fn run(scene: &Scene<'_>, others: &[(&str, &str)], line: &str) -> String {
    commands::run(scene, others, line).unwrap_or_else(|problem| format!("{problem}\n"))
}
