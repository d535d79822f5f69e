//! Disks: files and block devices of the host's, behind the block device's model.
//!
//! Data goes straight between the file and the guest's memory, and never on a vCPU's thread: by io_uring, or where the host's kernel
//! refuses that, by a few threads ([`Engine`]). Those do also what io_uring may leave half done: discarding and zeroing, which not every
//! file can and which then has to be done another way.
//!
//! - [`options`]: `--disk FILE,ro,serial=…` → what is wanted
//! - [`image`]: the file: found, checked, locked
//! - [`vectors`]: the guest's buffers, as the kernel takes them
//! - [`perform`]: one operation, done at once
//! - [`pool`]: threads that do that
//! - [`ring`]: the kernel's io_uring
//! - [`backend`]: what the device's model sees of all that

pub mod backend;
pub mod image;
pub mod options;
pub mod perform;
pub mod pool;
pub mod ring;
pub mod vectors;

pub use backend::{DiskError, Engine, HostDisk};
pub use image::{Image, ImageError};
pub use options::DiskOptions;

#[cfg(test)]
mod tests;
