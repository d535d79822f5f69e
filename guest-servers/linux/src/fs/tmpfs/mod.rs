//! Files in memory.
//!
//! The root file system, and `/dev`. Content lies in frames of the pool that programs' memory comes from, so a page of a file is
//! mapped into a program as it is. Both frames and inodes are limited per file system, by Linux's own rule for tmpfs
//! (half of memory; an inode for every second page), because names and inodes take the server's memory, which no
//! program may use up.
//!
//! - [`limits`]: what a file system may use and does
//! - [`node`]: the inodes
//! - [`directory`]: the names in one
//! - [`pages`]: the content of a regular file, sparse
//! - [`regular`]: reading and writing it

mod directory;
mod limits;
mod node;
mod pages;
mod regular;

pub use node::{Tmpfs, root};
