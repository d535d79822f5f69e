//! Which file a file is: `type[1] version[4] path[8]`. Two files are one if their paths are equal; the version changes when the
//! content does.

/// The server's name of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Qid {
    /// [`DIRECTORY`], [`SYMLINK`] or [`FILE`].
    pub kind: u8,
    /// Never 0: Linux takes that for a file that must not be cached.
    pub version: u32,
    pub path: u64,
}

pub const DIRECTORY: u8 = 0x80;
pub const SYMLINK: u8 = 0x02;
/// Everything else.
pub const FILE: u8 = 0;
