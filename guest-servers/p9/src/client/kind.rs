//! Numbers of the protocol.

/// Types of requests. The answer's type is one more.
pub const LOPEN: u8 = 12;
pub const LCREATE: u8 = 14;
pub const GETATTR: u8 = 24;
pub const SETATTR: u8 = 26;
pub const READDIR: u8 = 40;
pub const FSYNC: u8 = 50;
pub const MKDIR: u8 = 72;
pub const UNLINKAT: u8 = 76;
pub const VERSION: u8 = 100;
pub const ATTACH: u8 = 104;
pub const WALK: u8 = 110;
pub const READ: u8 = 116;
pub const WRITE: u8 = 118;
pub const CLUNK: u8 = 120;

/// Answer to any request that failed: a number of Linux's (`errno`).
pub const LERROR: u8 = 7;

/// The tag of `VERSION`; of all others there is one at a time, and this is not it.
pub const NO_TAG: u16 = 0xffff;
pub const TAG: u16 = 0;
/// No file, and nobody: there is no authentication.
pub const NO_FID: u32 = u32::MAX;
/// The folder that is shared.
pub const ROOT_FID: u32 = 0;

pub const DIALECT: &str = "9P2000.L";
/// Size, type and tag.
pub const HEADER: usize = 7;
/// Header, offset and count of a `READ`, fid and so on: what a `WRITE` has before its bytes.
pub const WRITE_HEADER: usize = HEADER + 4 + 8 + 4;
/// What the answers to `READ` and `READDIR` have before theirs.
pub const READ_HEADER: usize = HEADER + 4;
/// Most names in one `WALK`.
pub const WALK_MAX: usize = 16;

/// In the mask of `GETATTR`: all that `stat` tells.
pub const GETATTR_BASIC: u64 = 0x7ff;
/// In the mask of `SETATTR`: the size.
pub const SETATTR_SIZE: u32 = 1 << 3;
/// Flag of `UNLINKAT`: a folder.
pub const AT_REMOVEDIR: u32 = 0x200;

/// Flags of `LOPEN` and `LCREATE`, as Linux has them on x86.
pub mod open {
    pub const READ: u32 = 0;
    pub const WRITE: u32 = 1;
    pub const READ_WRITE: u32 = 2;
    pub const CREATE: u32 = 0o100;
    pub const EXCLUSIVE: u32 = 0o200;
    pub const TRUNCATE: u32 = 0o1000;
    pub const DIRECTORY: u32 = 0o200_000;
}

/// `errno`s that mean something here.
pub mod errno {
    pub const NOT_FOUND: u32 = 2;
    pub const EXISTS: u32 = 17;
    pub const INVALID: u32 = 22;
    pub const NAME_TOO_LONG: u32 = 36;
}
