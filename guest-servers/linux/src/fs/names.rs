//! Adding, removing and moving names.

use alloc::rc::Rc;

use super::context::{FsContext, may};
use super::dentry::Dentry;
use super::inode::{Directory, Inode, New};
use super::metadata::{DeviceId, FileKind, Metadata};
use super::path::{self, Base, End, Last, PATH_MAX, Target};
use crate::errno::{Errno, Result};
use linux_raw_sys::general as raw;

/// Adds something new to a directory, whose rights are checked.
pub(super) fn create(
    ctx: &FsContext<'_>,
    parent: &Rc<Dentry>,
    name: &[u8],
    new: New<'_>,
) -> Result<Rc<Dentry>> {
    writable_dir(ctx, parent)?.create(parent, name, new, ctx)
}

/// The directory, if names may be added to it and removed from it.
fn writable_dir<'a>(ctx: &FsContext<'_>, dir: &'a Rc<Dentry>) -> Result<&'a dyn Directory> {
    let directory = dir.inode().as_dir().ok_or(Errno::ENOTDIR)?;
    if dir.is_deleted() {
        return Err(Errno::ENOENT);
    }
    ctx.creds.check(&dir.inode().metadata(), may::WRITE | may::EXEC)?;
    Ok(directory)
}

/// Where something new is to go: EEXIST if there is something. Only directories may be named with a slash at the end.
fn vacant(ctx: &FsContext<'_>, base: Base<'_>, path: &[u8], is_dir: bool) -> Result<Target> {
    let target = path_to_entry(ctx, base, path)?;
    if target.dentry.is_some() {
        return Err(Errno::EEXIST);
    }
    if target.slash && !is_dir {
        return Err(Errno::ENOENT);
    }
    Ok(target)
}

/// mkdirat.
pub fn mkdir(ctx: &FsContext<'_>, base: Base<'_>, path: &[u8], mode: u32) -> Result<()> {
    let target = vacant(ctx, base, path, true)?;
    let new = New::Directory { permissions: ctx.masked(mode & 0o1777) };
    create(ctx, &target.parent, target.name(Errno::EEXIST)?, new).map(drop)
}

/// mknodat.
pub fn mknod(ctx: &FsContext<'_>, base: Base<'_>, path: &[u8], mode: u32, rdev: DeviceId) -> Result<()> {
    let permissions = ctx.masked(mode);
    let new = match FileKind::from_mode(mode) {
        None if mode & raw::S_IFMT == 0 => New::File { permissions },
        Some(FileKind::Regular) => New::File { permissions },
        Some(FileKind::Fifo) => New::Fifo { permissions },
        Some(FileKind::Socket) => New::Socket { permissions },
        Some(kind @ (FileKind::Character | FileKind::Block)) => {
            if !ctx.creds.is_root() {
                return Err(Errno::EPERM);
            }
            New::Device { character: kind == FileKind::Character, permissions, rdev }
        }
        Some(FileKind::Directory) => return Err(Errno::EPERM),
        _ => return Err(Errno::EINVAL),
    };
    let target = vacant(ctx, base, path, false)?;
    create(ctx, &target.parent, target.name(Errno::EEXIST)?, new).map(drop)
}

/// symlinkat: `path` becomes a link with the text `text`.
pub fn symlink(ctx: &FsContext<'_>, text: &[u8], base: Base<'_>, path: &[u8]) -> Result<()> {
    if text.is_empty() {
        return Err(Errno::ENOENT);
    }
    if text.len() > PATH_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    let target = vacant(ctx, base, path, false)?;
    create(ctx, &target.parent, target.name(Errno::EEXIST)?, New::Symlink { target: text }).map(drop)
}

/// linkat: `new` becomes another name of `old`.
pub fn link(ctx: &FsContext<'_>, old: &Rc<Dentry>, base: Base<'_>, new: &[u8]) -> Result<()> {
    let target = vacant(ctx, base, new, false)?;
    let name = target.name(Errno::EEXIST)?;
    let meta = old.inode().metadata();
    if meta.device != target.parent.inode().metadata().device {
        return Err(Errno::EXDEV);
    }
    let directory = writable_dir(ctx, &target.parent)?;
    if meta.is_dir() {
        return Err(Errno::EPERM);
    }
    if meta.links == 0 {
        return Err(Errno::ENOENT);
    }
    directory.link(&target.parent, name, old.inode(), ctx.now()).map(drop)
}

/// unlinkat, without AT_REMOVEDIR.
pub fn unlink(ctx: &FsContext<'_>, base: Base<'_>, path: &[u8]) -> Result<()> {
    let target = path_to_entry(ctx, base, path)?;
    target.name(Errno::EISDIR)?;
    let dentry = target.dentry.as_ref().ok_or(Errno::ENOENT)?;
    let meta = dentry.inode().metadata();
    if target.slash && !meta.is_dir() {
        return Err(Errno::ENOTDIR);
    }
    let directory = may_remove(ctx, &target.parent, &meta)?;
    if meta.is_dir() {
        return Err(Errno::EISDIR);
    }
    directory.remove(dentry, ctx.now())
}

/// rmdir, unlinkat with AT_REMOVEDIR.
pub fn rmdir(ctx: &FsContext<'_>, base: Base<'_>, path: &[u8]) -> Result<()> {
    let target = path_to_entry(ctx, base, path)?;
    match target.last {
        Last::Name(_) => {}
        Last::Dot => return Err(Errno::EINVAL),
        Last::DotDot => return Err(Errno::ENOTEMPTY),
        Last::Root => return Err(Errno::EBUSY),
    }
    let dentry = target.dentry.as_ref().ok_or(Errno::ENOENT)?;
    let meta = dentry.inode().metadata();
    let directory = may_remove(ctx, &target.parent, &meta)?;
    if !meta.is_dir() {
        return Err(Errno::ENOTDIR);
    }
    if is_busy(ctx, dentry) {
        return Err(Errno::EBUSY);
    }
    directory.remove(dentry, ctx.now())
}

/// renameat2.
pub fn rename(
    ctx: &FsContext<'_>,
    (old_base, old): (Base<'_>, &[u8]),
    (new_base, new): (Base<'_>, &[u8]),
    flags: u32,
) -> Result<()> {
    let exchange = flags & raw::RENAME_EXCHANGE != 0;
    let no_replace = flags & raw::RENAME_NOREPLACE != 0;
    if flags & !(raw::RENAME_EXCHANGE | raw::RENAME_NOREPLACE) != 0 || exchange && no_replace {
        return Err(Errno::EINVAL);
    }
    let from = path_to_entry(ctx, old_base, old)?;
    let to = path_to_entry(ctx, new_base, new)?;
    let (from_dir, to_dir) = (from.parent.inode().metadata(), to.parent.inode().metadata());
    if from_dir.device != to_dir.device {
        return Err(Errno::EXDEV);
    }
    from.name(Errno::EBUSY)?;
    let name = to.name(if no_replace { Errno::EEXIST } else { Errno::EBUSY })?;
    let child = from.dentry.as_ref().ok_or(Errno::ENOENT)?;
    let meta = child.inode().metadata();
    match &to.dentry {
        Some(_) if no_replace => return Err(Errno::EEXIST),
        None if exchange => return Err(Errno::ENOENT),
        _ => {}
    }
    if !meta.is_dir() && (from.slash || to.slash && !exchange) {
        return Err(Errno::ENOTDIR);
    }
    if to.parent.is_within(child) {
        return Err(Errno::EINVAL);
    }
    if let Some(there) = &to.dentry
        && from.parent.is_within(there)
    {
        return Err(if exchange { Errno::EINVAL } else { Errno::ENOTEMPTY });
    }
    if to.dentry.as_ref().is_some_and(|there| same_file(child.inode(), there.inode())) {
        return Ok(());
    }
    let directory = may_remove(ctx, &from.parent, &meta)?;
    match &to.dentry {
        Some(there) => {
            let there_meta = there.inode().metadata();
            may_remove(ctx, &to.parent, &there_meta)?;
            if !exchange {
                match (meta.is_dir(), there_meta.is_dir()) {
                    (true, false) => return Err(Errno::ENOTDIR),
                    (false, true) => return Err(Errno::EISDIR),
                    _ => {}
                }
            }
            if is_busy(ctx, there) {
                return Err(Errno::EBUSY);
            }
        }
        None => drop(writable_dir(ctx, &to.parent)?),
    }
    if is_busy(ctx, child) {
        return Err(Errno::EBUSY);
    }
    match &to.dentry {
        Some(there) if exchange => directory.exchange(child, there, ctx.now()),
        there => directory.rename(child, &to.parent, name, there.as_ref(), ctx.now()),
    }
}

/// A path whose last link is not followed, not even with a slash behind it: the name itself is meant.
fn path_to_entry(ctx: &FsContext<'_>, base: Base<'_>, path: &[u8]) -> Result<Target> {
    let end = path.iter().rposition(|&b| b != b'/').map_or(path.len(), |last| last + 1);
    let mut target = path::target(ctx, base, &path[..end], End::Keep)?;
    target.slash = end < path.len();
    Ok(target)
}

fn may_remove<'a>(
    ctx: &FsContext<'_>,
    parent: &'a Rc<Dentry>,
    child: &Metadata,
) -> Result<&'a dyn Directory> {
    let directory = writable_dir(ctx, parent)?;
    ctx.creds.check_sticky(&parent.inode().metadata(), child)?;
    Ok(directory)
}

/// Whether something is mounted there, or it is somebody's root.
fn is_busy(ctx: &FsContext<'_>, dentry: &Rc<Dentry>) -> bool {
    dentry.is_mount_point() || ctx.vfs.is_mount_root(dentry)
}

fn same_file(a: &Rc<dyn Inode>, b: &Rc<dyn Inode>) -> bool {
    Rc::ptr_eq(a, b)
}
