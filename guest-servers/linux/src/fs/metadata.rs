//! What is known about a file: kind, mode, owner, size, times.

use core::cell::Cell;
use linux_raw_sys::general as raw;

/// A point in time: seconds and nanoseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Time {
    pub seconds: i64,
    pub nanos: u32,
}

impl Time {
    /// From nanoseconds since 1970.
    pub const fn from_ns(ns: u64) -> Self {
        Self { seconds: (ns / 1_000_000_000) as i64, nanos: (ns % 1_000_000_000) as u32 }
    }
}

/// The kinds of file that there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    Fifo,
    Character,
    Directory,
    Block,
    Regular,
    Symlink,
    Socket,
}

impl FileKind {
    /// The kind in the S_IFMT bits of a mode.
    pub const fn from_mode(mode: u32) -> Option<Self> {
        Some(match mode & raw::S_IFMT {
            raw::S_IFIFO => Self::Fifo,
            raw::S_IFCHR => Self::Character,
            raw::S_IFDIR => Self::Directory,
            raw::S_IFBLK => Self::Block,
            raw::S_IFREG => Self::Regular,
            raw::S_IFLNK => Self::Symlink,
            raw::S_IFSOCK => Self::Socket,
            _ => return None,
        })
    }

    /// The S_IFMT bits.
    pub const fn mode_bits(self) -> u32 {
        match self {
            Self::Fifo => raw::S_IFIFO,
            Self::Character => raw::S_IFCHR,
            Self::Directory => raw::S_IFDIR,
            Self::Block => raw::S_IFBLK,
            Self::Regular => raw::S_IFREG,
            Self::Symlink => raw::S_IFLNK,
            Self::Socket => raw::S_IFSOCK,
        }
    }

    /// The `d_type` of a directory entry: the S_IFMT bits without their zeros (`DT_*` in Linux's `fs_types.h`).
    pub const fn dirent_type(self) -> u8 {
        (self.mode_bits() >> 12) as u8
    }
}

/// A device number, as `st_dev` and `st_rdev` hold it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct DeviceId(pub u64);

impl DeviceId {
    pub const NONE: Self = Self(0);

    /// Packs the numbers as Linux's `new_encode_dev` does (majors of 12 bits, minors of 20).
    pub const fn new(major: u32, minor: u32) -> Self {
        Self(((minor & 0xff) | (major & 0xfff) << 8 | (minor & 0xfff00) << 12) as u64)
    }
    pub const fn major(self) -> u32 {
        (self.0 >> 8 & 0xfff) as u32
    }
    pub const fn minor(self) -> u32 {
        (self.0 & 0xff | self.0 >> 12 & 0xfff00) as u32
    }
}

/// Everything that `stat` tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metadata {
    /// The file system.
    pub device: DeviceId,
    pub inode: u64,
    pub kind: FileKind,
    /// The low twelve bits of the mode.
    pub permissions: u32,
    pub links: u32,
    pub uid: u32,
    pub gid: u32,
    /// Of a device file.
    pub rdev: DeviceId,
    /// Bytes.
    pub size: u64,
    /// In units of 512 bytes.
    pub blocks: u64,
    pub accessed: Time,
    pub modified: Time,
    pub changed: Time,
    pub created: Time,
}

impl Metadata {
    /// `st_mode`.
    pub const fn mode(&self) -> u32 {
        self.kind.mode_bits() | self.permissions
    }
    pub fn is_dir(&self) -> bool {
        self.kind == FileKind::Directory
    }
}

/// Changes to make; `None` leaves a field as it is.
#[derive(Clone, Copy, Default, Debug)]
pub struct Change {
    pub permissions: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub accessed: Option<Time>,
    pub modified: Option<Time>,
    /// The time of the change itself.
    pub changed: Time,
}

/// What a file system without real files of its own keeps for each of them: enough to be changed by chmod and chown.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    pub permissions: u32,
    pub uid: u32,
    pub gid: u32,
    pub accessed: Time,
    pub modified: Time,
    pub changed: Time,
    pub created: Time,
}

impl Owner {
    pub const fn new(permissions: u32, uid: u32, gid: u32, now: Time) -> Self {
        Self { permissions, uid, gid, accessed: now, modified: now, changed: now, created: now }
    }

    pub fn apply(&mut self, change: &Change) {
        self.permissions = change.permissions.unwrap_or(self.permissions);
        self.uid = change.uid.unwrap_or(self.uid);
        self.gid = change.gid.unwrap_or(self.gid);
        self.accessed = change.accessed.unwrap_or(self.accessed);
        self.modified = change.modified.unwrap_or(self.modified);
        self.changed = change.changed;
    }

    /// As [`Owner::apply`], where the owner is kept in a cell.
    pub fn apply_in(cell: &Cell<Self>, change: &Change) {
        let mut owner = cell.get();
        owner.apply(change);
        cell.set(owner);
    }

    /// The metadata of a file that is this and has the given identity; no size, one link.
    pub const fn metadata(&self, device: DeviceId, inode: u64, kind: FileKind) -> Metadata {
        Metadata {
            device,
            inode,
            kind,
            permissions: self.permissions,
            links: 1,
            uid: self.uid,
            gid: self.gid,
            rdev: DeviceId::NONE,
            size: 0,
            blocks: 0,
            accessed: self.accessed,
            modified: self.modified,
            changed: self.changed,
            created: self.created,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers_round_trip() {
        for (major, minor) in [(1, 3), (5, 0), (0, 0xfffff), (0xfff, 0x12345)] {
            let id = DeviceId::new(major, minor);
            assert_eq!((id.major(), id.minor()), (major, minor));
        }
        assert_eq!(DeviceId::new(1, 3).0, 0x103);
    }

    #[test]
    fn kinds_round_trip() {
        for mode in [0o010_000, 0o020_000, 0o040_000, 0o060_000, 0o100_000, 0o120_000, 0o140_000] {
            let kind = FileKind::from_mode(mode | 0o644).unwrap();
            assert_eq!(kind.mode_bits(), mode);
            assert_eq!(u32::from(kind.dirent_type()), mode >> 12);
        }
        assert_eq!(FileKind::from_mode(0o644), None);
    }
}
