//! The commands: one file each.

pub mod bench;
pub mod bochs;
pub mod book;
pub mod build;
pub mod deb;
pub mod fmt;
pub mod gdb;
pub mod lab;
pub mod lint;
pub mod loc;
pub mod prove;
pub mod rootfs;
pub mod run;
pub mod setup;
pub mod soak;
pub mod test;
