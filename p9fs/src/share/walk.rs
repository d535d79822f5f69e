//! From file to file.

use super::{Kind, Name, Node, Share};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::path::DecInt;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

impl Share {
    /// The file `name` in `folder`; if that is a symbolic link, the link. The caller asks afterwards whether it is
    /// [`inside`](Self::inside).
    pub fn child(&self, folder: &Node, name: Name<'_>) -> Result<Node, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Node::new(self.enter(folder, name, flags, Mode::empty())?)
    }

    /// The folder that `folder` is in; of the folder shared, itself.
    pub fn parent(&self, folder: &Node) -> Result<Node, Errno> {
        let up = if self.place(folder)?.is_empty() { c"." } else { c".." };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let parent = Node::new(rustix::fs::openat(folder.descriptor(), up, flags, Mode::empty())?)?;
        self.inside(&parent)?;
        Ok(parent)
    }

    /// Opens the file `name` in `folder`, in whatever way `flags` say.
    pub(super) fn enter(
        &self,
        folder: &Node,
        name: Name<'_>,
        flags: OFlags,
        mode: Mode,
    ) -> Result<OwnedFd, Errno> {
        if folder.kind() != Kind::Folder {
            return Err(Errno::NOTDIR);
        }
        let flags = flags | OFlags::NOFOLLOW;
        if self.openat2.get() {
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
            match rustix::fs::openat2(folder.descriptor(), name.bytes(), flags, mode, resolve) {
                // A kernel before 5.6, or a filter of system calls that does not know it and answers for it.
                Err(Errno::NOSYS) => self.openat2.set(false),
                result => return result,
            }
        }
        // One name and no link: it cannot lead anywhere else even so.
        rustix::fs::openat(folder.descriptor(), name.bytes(), flags, mode)
    }

    /// Whether a file is in the folder shared, or is that. No error says that it was there after the call began.
    pub fn inside(&self, node: &Node) -> Result<(), Errno> {
        self.place(node).map(drop)
    }

    /// The path from the folder shared to a file, by which it was reached or to where it was moved since: empty, or `/` and a
    /// name, and so on. [`Errno::NOENT`] if it is not in there. The kernel gives a path as of one moment; of a file that was removed, the last
    /// one it had and a remark.
    pub(super) fn place(&self, node: &Node) -> Result<Vec<u8>, Errno> {
        let root = self.path(self.root.descriptor())?;
        let path = self.path(node.descriptor())?;
        let root = if root == b"/" { &[][..] } else { &root };
        match path.strip_prefix(root) {
            Some(b"/") if root.is_empty() => Ok(Vec::new()),
            Some(rest) if rest.is_empty() || rest[0] == b'/' => Ok(rest.to_vec()),
            _ => Err(Errno::NOENT),
        }
    }

    /// The folder that a file is in and the name it has there, now.
    pub(super) fn locate(&self, node: &Node) -> Result<(Arc<Node>, Vec<u8>), Errno> {
        let place = self.place(node)?;
        let mut names = place.split(|&byte| byte == b'/').skip(1);
        // The folder shared has no name: it can be neither renamed nor removed.
        let mut name = Name::new(names.next().ok_or(Errno::BUSY)?)?;
        let mut folder = Arc::clone(&self.root);
        for next in names {
            folder = Arc::new(self.child(&folder, name)?);
            name = Name::new(next)?;
        }
        // It may have been renamed meanwhile, and another have taken its name.
        if self.child(&folder, name)?.identity() != node.identity() {
            return Err(Errno::NOENT);
        }
        Ok((folder, name.bytes().to_vec()))
    }

    /// The path of a file, as this process sees it.
    fn path(&self, descriptor: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
        let link = DecInt::from_fd(descriptor);
        rustix::fs::readlinkat(&self.descriptors, link.as_c_str(), Vec::with_capacity(256))
            .map(|path| path.into_bytes())
    }
}
