//! The host's side of the socket device: programs of the host, by Unix sockets.
//!
//! A program of the guest that connects to port *n* of the host reaches whoever listens at the socket `PATH_n`. A program of the host connects to
//! the socket `PATH` and says `CONNECT n`, to reach port *n* of the guest; when that has taken it, it is told `OK` and the port that it comes
//! from. Firecracker does it in this way too, so its users' programs work.
//!
//! With `via=SOCKET` all connections of the guest come to that one, and say `CONNECT n` there.
//!
//! - [`options`]: `--vsock cid=…,path=…` → what is wanted
//! - [`host`]: connecting, and being connected to
//! - [`greeting`]: what a program says before it is connected
//! - [`stream`]: a connection

pub mod greeting;
pub mod host;
pub mod options;
pub mod stream;

pub use host::{Host, VsockError};
pub use options::VsockOptions;

#[cfg(test)]
mod tests;
