//! Programs: from a path to an address space that can run.
//!
//! - [`script`]: `#!` lines
//! - [`image`]: what the headers of an ELF file say, checked
//! - [`load`]: mapping the segments of a program and its interpreter
//! - [`stack`]: arguments, environment and auxiliary vector
//! - [`exec`]: `execve` as a whole, and the first program

pub mod exec;
pub mod image;
pub mod load;
pub mod script;
pub mod stack;
