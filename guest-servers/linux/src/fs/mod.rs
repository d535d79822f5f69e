//! Files: what a path leads to, what can be done with it, and the file systems that are built in.
//!
//! The tree is made of [`Dentry`]s (a name in a directory) that point to [`Inode`]s (what is there). Opening an inode gives
//! [`FileOps`]; with an offset and flags around them they are a [`File`], which an [`FdTable`] holds. Nothing here knows of
//! processes: who asks is a [`Caller`], and everything a lookup depends on is an [`FsContext`].
//!
//! No operation of an inode or a file waits. One that would have to says EAGAIN, and [`File::read`], [`File::write`] and
//! [`poll`] wait for the queues that [`FileOps::poll`] names.
//!
//! - names: [`dentry`], [`path`] (resolution), [`names`] (mkdir, rename, unlink …), [`open`]
//! - things: [`inode`], [`metadata`], [`attributes`] (chmod, chown, utimes, truncate, access), [`statfs`], [`layout`] (the bytes of `struct stat`)
//! - open files: [`file`], [`fd_table`], [`poll`], [`dirent`]
//! - who asks, and where: [`context`], [`vfs`]
//! - file systems: [`tmpfs`] (and [`cpio`] to fill it), [`devices`] (and [`recorder`]), [`pipe`], [`socket`] (pairs), [`procfs`]

pub mod attributes;
pub mod bytes_file;
pub mod context;
pub mod cpio;
pub mod dentry;
pub mod devices;
pub mod dirent;
pub mod fd_table;
pub mod file;
pub mod inode;
pub mod layout;
pub mod metadata;
pub mod names;
pub mod open;
pub mod path;
pub mod pipe;
pub mod poll;
pub mod procfs;
pub mod recorder;
pub mod socket;
pub mod statfs;
pub mod tmpfs;
pub mod vfs;

pub use context::{Caller, Credentials, FsContext, FsInfo};
pub use dentry::Dentry;
pub use fd_table::FdTable;
pub use file::{File, FileOps, Io};
pub use inode::{Directory, Inode};
pub use metadata::{FileKind, Metadata, Time};
pub use path::Base;
pub use poll::Events;
pub use vfs::Vfs;

#[cfg(test)]
pub(crate) mod tests;
