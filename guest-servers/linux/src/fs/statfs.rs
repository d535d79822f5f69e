//! What is known about a file system.

use linux_raw_sys::general as raw;

/// Everything that `statfs` tells. Sizes are in blocks of 4096 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StatFs {
    /// The magic number (`linux/magic.h`).
    pub magic: u32,
    pub blocks: u64,
    pub free_blocks: u64,
    pub files: u64,
    pub free_files: u64,
    pub id: u64,
}

impl StatFs {
    pub const TMPFS: u32 = raw::TMPFS_MAGIC;
    pub const PROC: u32 = raw::PROC_SUPER_MAGIC;
    /// Of pipes, which belong to no mounted file system.
    pub const PIPE: u32 = raw::PIPEFS_MAGIC;

    /// Of sockets, likewise.
    pub const SOCKET: u32 = raw::SOCKFS_MAGIC;

    /// A file system that holds nothing.
    pub const fn empty(magic: u32) -> Self {
        Self { magic, blocks: 0, free_blocks: 0, files: 0, free_files: 0, id: 0 }
    }
}
