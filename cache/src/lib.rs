//! The memory-system view, after Chen and Bershad, *The Impact of Operating System Structure on Memory System Performance* (SOSP '93): addresses of instructions and data, of programs and of the
//! system, are fed to a model of caches.
//!
//! - [`trace`]: files of addresses
//! - [`side`]: whose an access is: the program's, a server's, the kernel's, the host's
//! - [`shape`], [`model`]: a cache, and why it misses; [`hierarchy`]: two levels of them
//! - [`view`]: what a trace comes to; [`lines`]: how many lines it touches; [`table`]: both, for people

#![forbid(unsafe_code)]

pub mod hierarchy;
pub mod lines;
pub mod model;
pub mod shape;
pub mod side;
pub mod table;
pub mod trace;
pub mod view;
