//! `/proc`: processes and the system as text.
//!
//! Nothing is stored here: names are made when they are looked up, texts when they are read. What processes are comes
//! through [`ProcInfo`].
//!
//! - [`info`]: what must be known
//! - [`node`]: directories, files and links
//! - [`process_text`], [`system_text`]: the formats (proc(5))

pub mod info;
mod node;
mod process_text;
mod system_text;

pub use info::{ProcInfo, ProcessInfo, SystemInfo};
pub use node::root;
