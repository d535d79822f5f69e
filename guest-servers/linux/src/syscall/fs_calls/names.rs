//! Making, removing and moving names, and where paths start.

use super::{AT_NAMES, Files, only};
use crate::errno::Errno;
use crate::fs::context::may;
use crate::fs::metadata::DeviceId;
use crate::fs::{Base, Dentry, names, path};
use crate::syscall::args::Arg::{DirFd, Fd, Flags, Hex, Mode, Str, StrOut, Uint};
use crate::syscall::immediate::Immediate;
use crate::syscall::{Ctx, Entry, SysResult};
use alloc::rc::Rc;
use linux_raw_sys::general::*;

const RENAME_NAMES: &[(u64, &str)] =
    &[(RENAME_NOREPLACE as u64, "RENAME_NOREPLACE"), (RENAME_EXCHANGE as u64, "RENAME_EXCHANGE")];

pub const CALLS: &[Entry] = &[
    Entry::sync(__NR_mkdir, "mkdir", &[Str, Mode], |c| mkdir(c, None)),
    Entry::sync(__NR_mkdirat, "mkdirat", &[DirFd, Str, Mode], |c| mkdir(c, Some(0))),
    Entry::sync(__NR_mknod, "mknod", &[Str, Mode, Hex], |c| mknod(c, None)),
    Entry::sync(__NR_mknodat, "mknodat", &[DirFd, Str, Mode, Hex], |c| mknod(c, Some(0))),
    Entry::sync(__NR_rmdir, "rmdir", &[Str], |c| remove(c, None, true)),
    Entry::sync(__NR_unlink, "unlink", &[Str], |c| remove(c, None, false)),
    Entry::sync(__NR_unlinkat, "unlinkat", &[DirFd, Str, Flags(AT_NAMES)], unlinkat),
    Entry::sync(__NR_rename, "rename", &[Str, Str], rename),
    Entry::sync(__NR_renameat, "renameat", &[DirFd, Str, DirFd, Str], |c| renameat(c, 0)),
    Entry::sync(__NR_renameat2, "renameat2", &[DirFd, Str, DirFd, Str, Flags(RENAME_NAMES)], |c| {
        renameat(c, c.uint(4))
    })
    .partial("no RENAME_WHITEOUT"),
    Entry::sync(__NR_link, "link", &[Str, Str], link),
    Entry::sync(__NR_linkat, "linkat", &[DirFd, Str, DirFd, Str, Flags(AT_NAMES)], linkat),
    Entry::sync(__NR_symlink, "symlink", &[Str, Str], |c| symlink(c, None)),
    Entry::sync(__NR_symlinkat, "symlinkat", &[Str, DirFd, Str], |c| symlink(c, Some(1))),
    Entry::sync(__NR_getcwd, "getcwd", &[StrOut, Uint], getcwd),
    Entry::sync(__NR_chdir, "chdir", &[Str], chdir),
    Entry::sync(__NR_fchdir, "fchdir", &[Fd], fchdir),
    Entry::sync(__NR_chroot, "chroot", &[Str], chroot),
    Entry::immediate(__NR_umask, "umask", &[Mode], umask),
];

/// The directory in argument `n`, or the current one, and the index of the path's argument.
fn place<'a>(files: &'a Files<'_>, dirfd: Option<usize>) -> (Base<'a>, usize) {
    match dirfd {
        Some(n) => (files.base(n), n + 1),
        None => (Base::Cwd, 0),
    }
}

fn mkdir(c: &Ctx, dirfd: Option<usize>) -> SysResult {
    let files = Files::of(c);
    let (base, n) = place(&files, dirfd);
    names::mkdir(&files.ctx(), base, &files.path(n)?, c.uint(n + 1)).map(|()| 0)
}

fn mknod(c: &Ctx, dirfd: Option<usize>) -> SysResult {
    let files = Files::of(c);
    let (base, n) = place(&files, dirfd);
    // The call takes the 32-bit form of the number.
    let rdev = DeviceId(c.uint(n + 2).into());
    names::mknod(&files.ctx(), base, &files.path(n)?, c.uint(n + 1), rdev).map(|()| 0)
}

fn remove(c: &Ctx, dirfd: Option<usize>, is_dir: bool) -> SysResult {
    let files = Files::of(c);
    let (base, n) = place(&files, dirfd);
    let path = files.path(n)?;
    let ctx = files.ctx();
    if is_dir { names::rmdir(&ctx, base, &path) } else { names::unlink(&ctx, base, &path) }.map(|()| 0)
}

fn unlinkat(c: &Ctx) -> SysResult {
    only(c.uint(2), AT_REMOVEDIR)?;
    remove(c, Some(0), c.uint(2) != 0)
}

fn rename(c: &Ctx) -> SysResult {
    let files = Files::of(c);
    let (old, new) = (files.path(0)?, files.path(1)?);
    names::rename(&files.ctx(), (Base::Cwd, &old), (Base::Cwd, &new), 0).map(|()| 0)
}

fn renameat(c: &Ctx, flags: u32) -> SysResult {
    let files = Files::of(c);
    let (old, new) = (files.path(1)?, files.path(3)?);
    names::rename(&files.ctx(), (files.base(0), &old), (files.base(2), &new), flags).map(|()| 0)
}

fn link(c: &Ctx) -> SysResult {
    let files = Files::of(c);
    let old = files.lookup(0, false)?;
    names::link(&files.ctx(), &old, Base::Cwd, &files.path(1)?).map(|()| 0)
}

fn linkat(c: &Ctx) -> SysResult {
    let flags = c.uint(4);
    only(flags, AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)?;
    let files = Files::of(c);
    let nofollow = if flags & AT_SYMLINK_FOLLOW != 0 { 0 } else { AT_SYMLINK_NOFOLLOW };
    let old = files.lookup_at(0, flags & AT_EMPTY_PATH | nofollow)?;
    names::link(&files.ctx(), &old, files.base(2), &files.path(3)?).map(|()| 0)
}

fn symlink(c: &Ctx, dirfd: Option<usize>) -> SysResult {
    let files = Files::of(c);
    let text = files.path(0)?;
    let (base, n) = match dirfd {
        Some(n) => (files.base(n), n + 1),
        None => (Base::Cwd, 1),
    };
    names::symlink(&files.ctx(), &text, base, &files.path(n)?).map(|()| 0)
}

fn getcwd(c: &Ctx) -> SysResult {
    let files = Files::of(c);
    let (cwd, root) = (files.ctx().cwd(), files.ctx().root());
    if cwd.is_deleted() {
        return Err(Errno::ENOENT);
    }
    let mut path = cwd.path(&root);
    path.push(0);
    if path.len() > PATH_MAX as usize {
        return Err(Errno::ENAMETOOLONG);
    }
    if c.args[1] < path.len() as u64 {
        return Err(Errno::ERANGE);
    }
    c.user().write(c.args[0], &path)?;
    Ok(path.len() as u64)
}

/// The directory, if the caller may go there.
fn enterable(files: &Files<'_>, dentry: Rc<Dentry>) -> Result<Rc<Dentry>, Errno> {
    let meta = dentry.inode().metadata();
    if !meta.is_dir() {
        return Err(Errno::ENOTDIR);
    }
    files.creds.check(&meta, may::EXEC)?;
    Ok(dentry)
}

fn chdir(c: &Ctx) -> SysResult {
    let files = Files::of(c);
    let target = enterable(&files, files.lookup(0, true)?)?;
    *files.info.cwd.borrow_mut() = target;
    Ok(0)
}

fn fchdir(c: &Ctx) -> SysResult {
    let files = Files::of(c);
    let target = enterable(&files, files.table.get(c.int(0))?.dentry().clone())?;
    *files.info.cwd.borrow_mut() = target;
    Ok(0)
}

fn chroot(c: &Ctx) -> SysResult {
    let files = Files::of(c);
    let target = enterable(&files, path::lookup(&files.ctx(), Base::Cwd, &files.path(0)?, true)?)?;
    if !files.creds.is_root() {
        return Err(Errno::EPERM);
    }
    *files.info.root.borrow_mut() = target;
    Ok(0)
}

fn umask(c: &Immediate) -> u64 {
    c.process.fs.borrow().umask.replace(c.argument as u32 & 0o777).into()
}
