//! Bits and numbers in the fields of messages (Linux's `include/net/9p/9p.h`).

/// Flags of `lopen` and `lcreate`. The numbers are those of Linux on most machines, whatever machine the client is.
pub mod open {
    pub const ACCESS: u32 = 0o3;
    pub const READ: u32 = 0o0;
    pub const WRITE: u32 = 0o1;
    pub const READ_WRITE: u32 = 0o2;
    pub const EXCLUSIVE: u32 = 0o200;
    pub const TRUNCATE: u32 = 0o1000;
    pub const APPEND: u32 = 0o2000;
    pub const DATA_SYNC: u32 = 0o10000;
    pub const DIRECTORY: u32 = 0o20_0000;
    pub const SYNC: u32 = 0o400_0000;
}

/// What a `getattr` asks for and says that it gives.
pub mod getattr {
    /// Mode, links, owner, group, device, three times, inode, size, blocks.
    pub const BASIC: u64 = 0x7ff;
    pub const BIRTH_TIME: u64 = 0x800;
}

/// What a `setattr` changes.
pub mod setattr {
    pub const MODE: u32 = 1 << 0;
    pub const OWNER: u32 = 1 << 1;
    pub const GROUP: u32 = 1 << 2;
    pub const SIZE: u32 = 1 << 3;
    pub const ACCESSED: u32 = 1 << 4;
    pub const MODIFIED: u32 = 1 << 5;
    /// Without it, the time of access becomes now, not the time in the message.
    pub const ACCESSED_SET: u32 = 1 << 7;
    pub const MODIFIED_SET: u32 = 1 << 8;
}

/// `unlinkat`: remove a folder, not a file.
pub const REMOVE_DIRECTORY: u32 = 0x200;

/// Locks.
pub mod lock {
    pub const UNLOCK: u8 = 2;
    pub const SUCCESS: u8 = 0;
}
