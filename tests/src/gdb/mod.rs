//! Sessions of GDB with a guest: what somebody types, and what they see.
//!
//! A session is a file in `tests/gdb`, to be read by people who want to know how it is done, and to be tried by the tests: Debian's `gdb` in batch
//! mode gets the commands, and has to print what the file says.
//!
//! - [`session`]: the files
//! - [`pattern`]: lines with dots in them
//! - [`client`]: runs GDB
//! - [`machine`]: a guest with a debugger's socket, here or in the lab
//! - [`lab`]: many sessions in one lab

pub mod client;
pub mod lab;
pub mod machine;
pub mod pattern;
pub mod session;
