//! Extended attributes, of users alone (`user.…`): the other kinds mean something to the host's kernel (capabilities of programs,
//! security labels), so a guest does not see them and cannot set them.

use super::{Kind, Node, Share};
use rustix::fs::{OFlags, XattrFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;

const OURS: &[u8] = b"user.";
/// The longest value and the longest list of names that Linux has.
pub const LONGEST: usize = 64 << 10;

impl Share {
    /// The value of an attribute.
    pub fn get_xattr(&self, node: &Node, name: &[u8]) -> Result<Vec<u8>, Errno> {
        let file = self.open_for_xattr(node, name)?;
        let mut value = vec![0; LONGEST];
        let length = rustix::fs::fgetxattr(&file, name, &mut value[..])?;
        value.truncate(length);
        Ok(value)
    }

    /// The names of all attributes, each with a NUL behind it.
    pub fn list_xattr(&self, node: &Node) -> Result<Vec<u8>, Errno> {
        if !matches!(node.kind(), Kind::Regular | Kind::Folder) {
            return Ok(Vec::new());
        }
        let file = self.open_node(node, OFlags::RDONLY)?;
        let mut names = vec![0; LONGEST];
        let length = rustix::fs::flistxattr(&file, &mut names[..])?;
        names.truncate(length);
        let ours = names.split_inclusive(|&byte| byte == 0).filter(|name| name.starts_with(OURS));
        Ok(ours.flatten().copied().collect())
    }

    /// Sets an attribute; an empty value removes it, since 9P has no message for that.
    pub fn set_xattr(&self, node: &Node, name: &[u8], value: &[u8], flags: u32) -> Result<(), Errno> {
        self.writable()?;
        let known = XattrFlags::CREATE | XattrFlags::REPLACE;
        let flags = XattrFlags::from_bits_retain(flags);
        if !known.contains(flags) {
            return Err(Errno::INVAL);
        }
        let file = self.open_for_xattr(node, name)?;
        match value {
            [] => rustix::fs::fremovexattr(&file, name),
            _ => rustix::fs::fsetxattr(&file, name, value, flags),
        }
    }

    fn open_for_xattr(&self, node: &Node, name: &[u8]) -> Result<OwnedFd, Errno> {
        if !name.starts_with(OURS) || !matches!(node.kind(), Kind::Regular | Kind::Folder) {
            return Err(Errno::OPNOTSUPP);
        }
        self.open_node(node, OFlags::RDONLY)
    }
}
