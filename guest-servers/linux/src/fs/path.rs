//! From a path to what it names.
//!
//! The walk keeps the part of the path that is still to go; a symbolic link puts its text in front of that. The rules are those of
//! path_resolution(7), with the limits of Linux: 40 links, 255 bytes a name, 4095 bytes a path.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;

use super::context::{FsContext, may};
use super::dentry::Dentry;
use super::fd_table::FdTable;
use super::metadata::FileKind;
use crate::errno::{Errno, Result};
use linux_raw_sys::general as raw;

/// Bytes of a path, without its NUL.
pub const PATH_MAX: usize = raw::PATH_MAX as usize - 1;
/// Bytes of a name.
pub const NAME_MAX: usize = raw::NAME_MAX as usize;
/// Symbolic links that one walk follows (`MAXSYMLINKS` in Linux's `namei.h`).
const MAX_LINKS: usize = 40;

/// Where relative paths start.
#[derive(Clone, Copy)]
pub enum Base<'a> {
    Cwd,
    /// The directory of a descriptor, which is looked at only if the path is relative.
    Fd(&'a FdTable, i32),
}

impl<'a> Base<'a> {
    /// From the `dirfd` argument of the `*at` calls.
    pub fn at(table: &'a FdTable, dirfd: i32) -> Self {
        if dirfd == raw::AT_FDCWD { Self::Cwd } else { Self::Fd(table, dirfd) }
    }

    fn dentry(&self, ctx: &FsContext<'_>) -> Result<Rc<Dentry>> {
        match self {
            Self::Cwd => Ok(ctx.cwd()),
            Self::Fd(table, fd) => Ok(table.get(*fd)?.dentry().clone()),
        }
    }
}

/// What to do at the end of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// A symbolic link is what is meant, unless there is a slash behind it.
    Keep,
    /// A symbolic link is followed.
    Follow,
    /// A file is to be made if there is none: a slash at the end is EISDIR, whatever is there.
    Create { follow: bool },
}

/// The last part of a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Last {
    Name(Box<[u8]>),
    Dot,
    DotDot,
    /// The path was `/`.
    Root,
}

/// Where a path leads, whether or not there is something.
#[derive(Debug)]
pub struct Target {
    /// The directory of the last name.
    pub parent: Rc<Dentry>,
    pub last: Last,
    /// What is there.
    pub dentry: Option<Rc<Dentry>>,
    /// The path ended with a slash.
    pub slash: bool,
}

impl Target {
    /// The name at the end of the path; `otherwise` if it is not a name.
    pub fn name(&self, otherwise: Errno) -> Result<&[u8]> {
        match &self.last {
            Last::Name(name) => Ok(name),
            _ => Err(otherwise),
        }
    }
}

/// What the path names. ENOENT if there is nothing. With `follow`, a symbolic link at the end is followed.
pub fn lookup(ctx: &FsContext<'_>, base: Base<'_>, path: &[u8], follow: bool) -> Result<Rc<Dentry>> {
    let target = target(ctx, base, path, if follow { End::Follow } else { End::Keep })?;
    let dentry = target.dentry.ok_or(Errno::ENOENT)?;
    if target.slash && !dentry.inode().metadata().is_dir() {
        return Err(Errno::ENOTDIR);
    }
    Ok(dentry)
}

/// As [`lookup`], with the `AT_EMPTY_PATH` and `AT_SYMLINK_NOFOLLOW` flags of the `*at` calls.
pub fn lookup_at(ctx: &FsContext<'_>, base: Base<'_>, path: &[u8], flags: u32) -> Result<Rc<Dentry>> {
    if path.is_empty() && flags & raw::AT_EMPTY_PATH != 0 {
        return base.dentry(ctx);
    }
    lookup(ctx, base, path, flags & raw::AT_SYMLINK_NOFOLLOW == 0)
}

/// Where the path leads. All but the last name must exist.
pub fn target(ctx: &FsContext<'_>, base: Base<'_>, path: &[u8], end: End) -> Result<Target> {
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    if path.len() > PATH_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    let at = if path[0] == b'/' { ctx.root() } else { base.dentry(ctx)? };
    let mut walk = Walk { ctx, at, rest: path.to_vec(), links: 0 };
    loop {
        if let Some(target) = walk.step(end)? {
            return Ok(target);
        }
    }
}

struct Walk<'a> {
    ctx: &'a FsContext<'a>,
    at: Rc<Dentry>,
    /// The part of the path that is still to go.
    rest: Vec<u8>,
    links: usize,
}

impl Walk<'_> {
    /// Goes one name further. Returns the target when it was the last.
    fn step(&mut self, end: End) -> Result<Option<Target>> {
        let start = self.rest.iter().position(|&b| b != b'/').unwrap_or(self.rest.len());
        let len = self.rest[start..].iter().position(|&b| b == b'/').unwrap_or(self.rest.len() - start);
        let name: Box<[u8]> = self.rest[start..start + len].into();
        self.rest.drain(..start + len);
        let slash = !self.rest.is_empty();
        let is_last = self.rest.iter().all(|&b| b == b'/');
        if name.is_empty() {
            let (parent, dentry) = (self.at.clone(), Some(self.at.clone()));
            return Ok(Some(Target { parent, last: Last::Root, dentry, slash: false }));
        }
        let meta = self.at.inode().metadata();
        if !meta.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        self.ctx.creds.check(&meta, may::EXEC)?;

        let creates = matches!(end, End::Create { .. });
        if is_last && slash && creates && &*name != b"." && &*name != b".." {
            return Err(Errno::EISDIR);
        }
        let parent = self.at.clone();
        let (last, child) = self.child(name)?;
        let Some(child) = child else {
            let target = Target { parent, last, dentry: None, slash };
            return if is_last { Ok(Some(target)) } else { Err(Errno::ENOENT) };
        };
        let is_link = child.inode().metadata().kind == FileKind::Symlink;
        let follow = matches!(end, End::Follow | End::Create { follow: true });
        if is_link && (!is_last || follow || slash) {
            return match self.follow(&child)? {
                // A jump ends where it ends; there is no text to go on with.
                true if is_last => {
                    let dentry = Some(self.at.clone());
                    Ok(Some(Target { parent, last, dentry, slash }))
                }
                _ => Ok(None),
            };
        }
        if is_last {
            return Ok(Some(Target { parent, last, dentry: Some(child), slash }));
        }
        self.at = child;
        Ok(None)
    }

    fn child(&self, name: Box<[u8]>) -> Result<(Last, Option<Rc<Dentry>>)> {
        if &*name == b"." {
            return Ok((Last::Dot, Some(self.at.clone())));
        }
        if &*name == b".." {
            let root = self.ctx.root();
            let parent = if Rc::ptr_eq(&self.at, &root) { None } else { self.at.parent() };
            return Ok((Last::DotDot, Some(parent.unwrap_or_else(|| self.at.clone()))));
        }
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let directory = self.at.inode().as_dir().ok_or(Errno::ENOTDIR)?;
        match directory.lookup(&self.at, &name, self.ctx) {
            Ok(child) => Ok((Last::Name(name), Some(child.uncovered()))),
            Err(Errno::ENOENT) => Ok((Last::Name(name), None)),
            Err(e) => Err(e),
        }
    }

    /// Follows a link. Returns whether it jumped, so that `at` is where it leads.
    fn follow(&mut self, link: &Rc<Dentry>) -> Result<bool> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::ELOOP);
        }
        if let Some(end) = link.inode().jump(self.ctx) {
            self.at = end?;
            return Ok(true);
        }
        let text = link.inode().read_link(self.ctx)?;
        if text.is_empty() {
            return Err(Errno::ENOENT);
        }
        if text[0] == b'/' {
            self.at = self.ctx.root();
        }
        self.rest.splice(..0, text);
        Ok(false)
    }
}
