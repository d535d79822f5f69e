//! A file that is named and not opened.

use rustix::fs::{AtFlags, FileType, Statx, StatxFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What can be done with a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Regular,
    Folder,
    Symlink,
    /// A device, FIFO or socket: it is seen and never opened.
    Special,
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Kind::Regular,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Symlink,
            _ => Kind::Special,
        }
    }
}

/// Which file it is on this machine: device (major, minor) and inode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    pub device: (u32, u32),
    pub inode: u64,
}

impl Identity {
    pub fn of(stat: &Statx) -> Self {
        Identity { device: (stat.stx_dev_major, stat.stx_dev_minor), inode: stat.stx_ino }
    }
}

/// A file, by a descriptor that cannot be read nor written (`O_PATH`). What is found out once does not change while it is held.
#[derive(Debug)]
pub struct Node {
    descriptor: OwnedFd,
    kind: Kind,
    identity: Identity,
}

impl Node {
    pub(super) fn new(descriptor: OwnedFd) -> Result<Self, Errno> {
        let stat = stat(descriptor.as_fd(), StatxFlags::TYPE | StatxFlags::INO)?;
        let kind = FileType::from_raw_mode(stat.stx_mode.into()).into();
        Ok(Node { descriptor, kind, identity: Identity::of(&stat) })
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn identity(&self) -> Identity {
        self.identity
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    pub fn stat(&self) -> Result<Statx, Errno> {
        stat(self.descriptor(), StatxFlags::BASIC_STATS | StatxFlags::BTIME)
    }
}

fn stat(descriptor: BorrowedFd<'_>, wanted: StatxFlags) -> Result<Statx, Errno> {
    rustix::fs::statx(descriptor, c"", AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW, wanted)
}
