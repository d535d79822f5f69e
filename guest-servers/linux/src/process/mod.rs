//! Processes and their threads.
//!
//! - [`process::Process`], [`thread::Thread`]: what they own
//! - [`table`], [`threads`]: finding them by number and by L4 thread
//! - [`credentials`], [`limits`]: who a process is and what it may use
//! - [`fork`]: making them; [`exit`]: ending them; [`wait`]: hearing about it
//! - [`jobs`]: process groups, sessions, stopping and continuing
//! - [`outsider`]: who uses files and is no process
//! - [`usage`]: what time they use
//! - [`info`]: what `/proc` tells about them; [`name`]: what a debugger calls them

pub mod credentials;
pub mod exit;
pub mod fork;
pub mod info;
pub mod jobs;
pub mod limits;
pub mod name;
pub mod outsider;
#[allow(clippy::module_inception)]
pub mod process;
pub mod table;
pub mod thread;
pub mod threads;
pub mod usage;
pub mod wait;

pub use process::{Process, State};
pub use thread::Thread;

/// A process, thread, process group or session number. Always positive.
pub type Pid = i32;
