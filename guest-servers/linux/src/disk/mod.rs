//! `/dev/vda`: the disk that the server of block devices drives, as a file of programs.
//!
//! What is asked of a disk takes as long as the device takes, and other programs go on meanwhile. So a read or a write is a future, whatever the
//! file's flags are, and waits until the event loop is told that the request has ended. There is no cache: what has been written is the
//! disk's when the call returns, and only what was read ahead is in memory.
//!
//! - [`drive`]: the way to the driver, as a trait; tests have a mock
//! - [`turns`]: one request after the other, and whose turn it is
//! - [`transfer`]: any bytes, made of whole sectors
//! - [`ahead`]: what has been read ahead
//! - [`file`]: the device file

mod ahead;
pub mod drive;
pub mod file;
mod transfer;
mod turns;

pub use drive::{Drive, Facts, Request};
pub use turns::Disk;

#[cfg(test)]
pub(crate) mod mock;
#[cfg(test)]
mod tests;
