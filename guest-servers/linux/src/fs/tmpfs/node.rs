//! Inodes of the file system in memory.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, OnceCell, RefCell};

use super::directory::Entries;
use super::limits::Limits;
use super::pages::Pages;
use super::regular::RegularFile;
use crate::errno::{Errno, Result};
use crate::frames::{FRAME_SIZE, Frame, FramePool};
use crate::fs::context::FsContext;
use crate::fs::dentry::Dentry;
use crate::fs::file::FileOps;
use crate::fs::inode::{Directory, Inode, New};
use crate::fs::metadata::{Change, DeviceId, FileKind, Metadata, Owner, Time};
use crate::fs::pipe::Pipe;
use crate::fs::statfs::StatFs;

/// Bytes a directory entry counts for in the directory's size (Linux's `BOGO_DIRENT_SIZE`).
const DIRENT_SIZE: u64 = 20;

/// One file system.
pub struct Tmpfs {
    pub(super) limits: Limits,
    device: DeviceId,
    next_inode: Cell<u64>,
}

/// What kind of file it is, and its content.
pub(super) enum Body {
    Regular(RefCell<Pages>),
    Directory(RefCell<Entries>),
    Symlink(LinkText),
    Fifo(OnceCell<Rc<Pipe>>),
    Device(FileKind, DeviceId),
    Socket,
}

/// The text of a symbolic link: a long one takes a frame, so that links cannot use up the server's heap.
pub(super) enum LinkText {
    Short(Box<[u8]>),
    Long(Frame, usize),
}

pub(super) struct Node {
    pub(super) fs: Rc<Tmpfs>,
    number: u64,
    pub(super) links: Cell<u32>,
    pub(super) owner: Cell<Owner>,
    pub(super) body: Body,
}

/// A link's text up to this length lies in the inode (Linux: `SHORT_SYMLINK_LEN`).
const SHORT_LINK: usize = 128;

/// A new, empty file system and the root directory of it.
pub fn root(pool: FramePool, device: DeviceId, permissions: u32, now: Time) -> Result<Rc<Dentry>> {
    let fs = Rc::new(Tmpfs { limits: Limits::new(pool), device, next_inode: Cell::new(1) });
    let owner = Owner::new(permissions, 0, 0, now);
    Ok(Dentry::new_root(fs.node(Body::Directory(RefCell::default()), owner)?))
}

impl Tmpfs {
    fn node(self: &Rc<Self>, body: Body, owner: Owner) -> Result<Rc<Node>> {
        self.limits.take_inode()?;
        let number = self.next_inode.get();
        self.next_inode.set(number + 1);
        let links = if matches!(body, Body::Directory(_)) { 2 } else { 1 };
        Ok(Rc::new(Node { fs: self.clone(), number, links: Cell::new(links), owner: Cell::new(owner), body }))
    }

    /// A new inode in a directory that belongs to `dir`.
    pub(super) fn new_node(
        self: &Rc<Self>,
        new: New<'_>,
        dir: &Owner,
        ctx: &FsContext<'_>,
    ) -> Result<Rc<Node>> {
        let (body, mut permissions) = match new {
            New::File { permissions } => (Body::Regular(RefCell::default()), permissions),
            New::Directory { permissions } => (Body::Directory(RefCell::default()), permissions),
            New::Symlink { target } => (Body::Symlink(self.link_text(target)?), 0o777),
            New::Fifo { permissions } => (Body::Fifo(OnceCell::new()), permissions),
            New::Socket { permissions } => (Body::Socket, permissions),
            New::Device { character, permissions, rdev } => {
                let kind = if character { FileKind::Character } else { FileKind::Block };
                (Body::Device(kind, rdev), permissions)
            }
        };
        // In a set-group-ID directory everything belongs to its group, and so do directories' own rules.
        let mut gid = ctx.creds.gid;
        if dir.permissions & 0o2000 != 0 {
            gid = dir.gid;
            if matches!(body, Body::Directory(_)) {
                permissions |= 0o2000;
            }
        }
        self.node(body, Owner::new(permissions, ctx.creds.uid, gid, ctx.now()))
    }

    fn link_text(&self, text: &[u8]) -> Result<LinkText> {
        if text.len() < SHORT_LINK {
            return Ok(LinkText::Short(text.into()));
        }
        if text.len() > FRAME_SIZE {
            return Err(Errno::ENAMETOOLONG);
        }
        let frame = self.limits.take_frame()?;
        frame.write(0, text);
        Ok(LinkText::Long(frame, text.len()))
    }
}

impl Node {
    pub(super) fn touch(&self, change: impl FnOnce(&mut Owner)) {
        let mut owner = self.owner.get();
        change(&mut owner);
        self.owner.set(owner);
    }

    /// Content or entries have changed.
    pub(super) fn touch_modified(&self, now: Time) {
        self.touch(|o| (o.modified, o.changed) = (now, now));
    }

    pub(super) fn pages(&self) -> Result<&RefCell<Pages>> {
        match &self.body {
            Body::Regular(pages) => Ok(pages),
            Body::Directory(_) => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }

    fn kind(&self) -> FileKind {
        match &self.body {
            Body::Regular(_) => FileKind::Regular,
            Body::Directory(_) => FileKind::Directory,
            Body::Symlink(_) => FileKind::Symlink,
            Body::Fifo(_) => FileKind::Fifo,
            Body::Device(kind, _) => *kind,
            Body::Socket => FileKind::Socket,
        }
    }
}

impl Inode for Node {
    fn metadata(&self) -> Metadata {
        let mut meta = self.owner.get().metadata(self.fs.device, self.number, self.kind());
        meta.links = self.links.get();
        match &self.body {
            Body::Regular(pages) => {
                let pages = pages.borrow();
                meta.size = pages.size();
                meta.blocks = pages.frames() as u64 * (FRAME_SIZE as u64 / 512);
            }
            Body::Directory(entries) => meta.size = (entries.borrow().len() as u64 + 2) * DIRENT_SIZE,
            Body::Symlink(LinkText::Short(text)) => meta.size = text.len() as u64,
            Body::Symlink(LinkText::Long(_, len)) => (meta.size, meta.blocks) = (*len as u64, 8),
            Body::Device(_, rdev) => meta.rdev = *rdev,
            Body::Fifo(_) | Body::Socket => {}
        }
        meta
    }

    fn change(&self, change: &Change) -> Result<()> {
        self.touch(|owner| owner.apply(change));
        Ok(())
    }

    fn statfs(&self) -> StatFs {
        StatFs { id: self.fs.device.0, ..self.fs.limits.statfs() }
    }

    fn as_dir(&self) -> Option<&dyn Directory> {
        matches!(self.body, Body::Directory(_)).then_some(self as &dyn Directory)
    }

    fn read_link(&self, _ctx: &FsContext<'_>) -> Result<Vec<u8>> {
        match &self.body {
            Body::Symlink(LinkText::Short(text)) => Ok(text.to_vec()),
            Body::Symlink(LinkText::Long(frame, len)) => {
                let mut text = alloc::vec![0; *len];
                frame.read(0, &mut text);
                Ok(text)
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn open(self: Rc<Self>, flags: u32, ctx: &FsContext<'_>) -> Result<Rc<dyn FileOps>> {
        match &self.body {
            Body::Regular(_) => Ok(Rc::new(RegularFile(self))),
            Body::Directory(_) => Ok(Rc::new(OpenDirectory)),
            Body::Fifo(pipe) => {
                let pipe = pipe.get_or_init(|| Pipe::new(ctx.vfs.pool().clone()));
                Ok(Rc::new(pipe.open_fifo(flags)?))
            }
            Body::Device(kind, rdev) => ctx.vfs.open_device(*kind, *rdev, flags, ctx),
            Body::Symlink(_) => Err(Errno::ELOOP),
            Body::Socket => Err(Errno::ENXIO),
        }
    }

    fn truncate(&self, size: u64, now: Time) -> Result<()> {
        let given = self.pages()?.borrow_mut().resize(size)?;
        self.fs.limits.give_frames(given);
        self.touch_modified(now);
        Ok(())
    }

    fn page(&self, index: u64) -> Result<Frame> {
        {
            let pages = self.pages().map_err(|_| Errno::ENODEV)?.borrow();
            if index >= pages.size().div_ceil(FRAME_SIZE as u64) {
                return Err(Errno::EFAULT);
            }
            if let Some(frame) = pages.get(index) {
                return Ok(frame);
            }
        }
        self.frame_for_write(index)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let frames = match &self.body {
            Body::Regular(pages) => pages.borrow().frames(),
            Body::Symlink(LinkText::Long(..)) => 1,
            _ => 0,
        };
        self.fs.limits.give_frames(frames);
        self.fs.limits.give_inode();
    }
}

/// An open directory; reading entries goes by its dentry.
struct OpenDirectory;

impl FileOps for OpenDirectory {}
