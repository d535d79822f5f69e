//! Changing what is known about a file: mode, owner, times, size.

use alloc::rc::Rc;

use super::context::{FsContext, may};
use super::dentry::Dentry;
use super::file::File;
use super::metadata::{Change, FileKind, Time};
use crate::errno::{Errno, Result};
use linux_raw_sys::general as raw;

const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2000;

/// chmod.
pub fn chmod(ctx: &FsContext<'_>, dentry: &Dentry, mode: u32) -> Result<()> {
    let meta = dentry.inode().metadata();
    if meta.kind == FileKind::Symlink {
        return Err(Errno::EOPNOTSUPP);
    }
    if !ctx.creds.owns(&meta) {
        return Err(Errno::EPERM);
    }
    let mut permissions = mode & 0o7777;
    if !ctx.creds.is_root() && !ctx.creds.in_group(meta.gid) {
        permissions &= !SET_GID;
    }
    dentry.inode().change(&Change { permissions: Some(permissions), changed: ctx.now(), ..Change::default() })
}

/// chown. `None` leaves the user or group as it is.
pub fn chown(ctx: &FsContext<'_>, dentry: &Dentry, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
    let meta = dentry.inode().metadata();
    if !ctx.creds.is_root() {
        let keeps_user = uid.is_none_or(|uid| uid == meta.uid);
        let own_group = gid.is_none_or(|gid| gid == meta.gid || ctx.creds.in_group(gid));
        if ctx.creds.uid != meta.uid || !keeps_user || !own_group {
            return Err(Errno::EPERM);
        }
    }
    // A program does not stay set-user-ID when it changes hands; set-group-ID without x means mandatory locking.
    let executable_by_group = meta.permissions & 0o010 != 0;
    let drop = SET_UID | if executable_by_group { SET_GID } else { 0 };
    let permissions = (!meta.is_dir()).then_some(meta.permissions & !drop);
    dentry.inode().change(&Change { permissions, uid, gid, changed: ctx.now(), ..Change::default() })
}

/// What utimensat sets a time to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewTime {
    Now,
    Keep,
    At(Time),
}

/// utimensat.
pub fn set_times(ctx: &FsContext<'_>, dentry: &Dentry, accessed: NewTime, modified: NewTime) -> Result<()> {
    if (accessed, modified) == (NewTime::Keep, NewTime::Keep) {
        return Ok(());
    }
    let meta = dentry.inode().metadata();
    if !ctx.creds.owns(&meta) {
        if (accessed, modified) != (NewTime::Now, NewTime::Now) {
            return Err(Errno::EPERM);
        }
        ctx.creds.check(&meta, may::WRITE)?;
    }
    let now = ctx.now();
    let time = |new| match new {
        NewTime::Now => Some(now),
        NewTime::Keep => None,
        NewTime::At(time) => Some(time),
    };
    let change =
        Change { accessed: time(accessed), modified: time(modified), changed: now, ..Change::default() };
    dentry.inode().change(&change)
}

/// truncate.
pub fn truncate(ctx: &FsContext<'_>, dentry: &Dentry, size: i64) -> Result<()> {
    let size = u64::try_from(size).map_err(|_| Errno::EINVAL)?;
    let meta = dentry.inode().metadata();
    match meta.kind {
        FileKind::Regular => {}
        FileKind::Directory => return Err(Errno::EISDIR),
        _ => return Err(Errno::EINVAL),
    }
    ctx.creds.check(&meta, may::WRITE)?;
    resize(ctx, dentry, meta.size, size)
}

/// ftruncate.
pub fn truncate_file(ctx: &FsContext<'_>, file: &File, size: i64) -> Result<()> {
    let size = u64::try_from(size).map_err(|_| Errno::EINVAL)?;
    if file.is_path_only() {
        return Err(Errno::EBADF);
    }
    if file.kind() != FileKind::Regular || !file.is_writable() {
        return Err(Errno::EINVAL);
    }
    let old = file.dentry().inode().metadata().size;
    resize(ctx, file.dentry(), old, size)
}

fn resize(ctx: &FsContext<'_>, dentry: &Dentry, old: u64, new: u64) -> Result<()> {
    if new > old && new > ctx.caller.file_size_limit() {
        ctx.caller.signal_self(raw::SIGXFSZ);
        return Err(Errno::EFBIG);
    }
    dentry.inode().truncate(new, ctx.now())
}

/// access: whether the caller may do what `wanted` says (see [`may`]; 0: whether it is there).
pub fn access(ctx: &FsContext<'_>, dentry: &Rc<Dentry>, wanted: u32) -> Result<()> {
    if wanted & !7 != 0 {
        return Err(Errno::EINVAL);
    }
    ctx.creds.check(&dentry.inode().metadata(), wanted)
}
