//! Owner, mode, times and size of files, and what symbolic links say.
//!
//! A descriptor that only names a file does not do for most of these calls; they go by its entry in `/proc`, which leads to just that file.

use super::{Kind, Node, Share, file};
use rustix::fs::{AtFlags, Gid, OFlags, StatFs, Timestamps, Uid};
use rustix::io::Errno;
use rustix::path::DecInt;
use std::os::fd::OwnedFd;

impl Share {
    pub fn set_mode(&self, node: &Node, mode: u32) -> Result<(), Errno> {
        self.writable()?;
        if node.kind() == Kind::Symlink {
            return Err(Errno::OPNOTSUPP);
        }
        let link = DecInt::from_fd(node.descriptor());
        rustix::fs::chmodat(&self.descriptors, link.as_c_str(), file::mode(mode), AtFlags::empty())
    }

    /// Changes owner and group; `None` leaves them.
    pub fn set_owner(&self, node: &Node, owner: Option<u32>, group: Option<u32>) -> Result<(), Errno> {
        self.writable()?;
        // All ones would mean "leave it", and is nobody's number.
        if owner == Some(u32::MAX) || group == Some(u32::MAX) {
            return Err(Errno::INVAL);
        }
        let (owner, group) = (owner.map(Uid::from_raw), group.map(Gid::from_raw));
        rustix::fs::chownat(node.descriptor(), c"", owner, group, AtFlags::EMPTY_PATH)
    }

    /// Changes the size. `open` is the file if it is open for writing: then its mode does not matter any more.
    pub fn set_size(&self, node: &Node, open: Option<&OwnedFd>, size: u64) -> Result<(), Errno> {
        self.writable()?;
        match (node.kind(), open) {
            (Kind::Folder, _) => Err(Errno::ISDIR),
            (_, Some(file)) => rustix::fs::ftruncate(file, size),
            (_, None) => rustix::fs::ftruncate(self.open_node(node, OFlags::WRONLY)?, size),
        }
    }

    pub fn set_times(&self, node: &Node, times: &Timestamps) -> Result<(), Errno> {
        self.writable()?;
        let link = DecInt::from_fd(node.descriptor());
        rustix::fs::utimensat(&self.descriptors, link.as_c_str(), times, AtFlags::empty())
    }

    /// What a symbolic link says.
    pub fn read_link(&self, node: &Node) -> Result<Vec<u8>, Errno> {
        if node.kind() != Kind::Symlink {
            return Err(Errno::INVAL);
        }
        rustix::fs::readlinkat(node.descriptor(), c"", Vec::new()).map(|target| target.into_bytes())
    }

    /// The file system that a file is on.
    pub fn file_system(&self, node: &Node) -> Result<StatFs, Errno> {
        rustix::fs::fstatfs(node.descriptor())
    }
}
