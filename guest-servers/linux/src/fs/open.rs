//! Opening files.

use alloc::rc::Rc;

use super::context::{Caller, FsContext, may};
use super::dentry::Dentry;
use super::file::{File, FileOps};
use super::inode::New;
use super::metadata::FileKind;
use super::names;
use super::path::{self, Base, End, Target};
use super::poll;
use crate::errno::{Errno, Result};
use linux_raw_sys::general as raw;

/// Flags that have a meaning with O_PATH.
const WITH_PATH: u32 = raw::O_PATH | raw::O_DIRECTORY | raw::O_NOFOLLOW | raw::O_CLOEXEC;

/// openat. `mode`: permissions of a file that is made, before the mask. Opening a FIFO may have to wait for its other end.
pub async fn open(
    ctx: &FsContext<'_>,
    base: Base<'_>,
    path: &[u8],
    flags: u32,
    mode: u32,
) -> Result<Rc<File>> {
    let file = open_now(ctx, base, path, flags, mode)?;
    wait_until_open(ctx.caller, &file).await?;
    Ok(file)
}

/// As [`open`], but does not wait: [`wait_until_open`] is to come.
pub fn open_now(ctx: &FsContext<'_>, base: Base<'_>, path: &[u8], flags: u32, mode: u32) -> Result<Rc<File>> {
    let flags = if flags & raw::O_PATH != 0 { flags & WITH_PATH } else { flags };
    let creates = flags & raw::O_CREAT != 0;
    check_flags(flags)?;
    let exclusive = creates && flags & raw::O_EXCL != 0;
    let end = match (creates, flags & raw::O_NOFOLLOW == 0 && !exclusive) {
        (true, follow) => End::Create { follow },
        (false, true) => End::Follow,
        (false, false) => End::Keep,
    };
    let target = path::target(ctx, base, path, end)?;
    match &target.dentry {
        Some(_) if exclusive => Err(Errno::EEXIST),
        Some(dentry) => open_existing(ctx, dentry, flags, target.slash),
        None if creates => create(ctx, &target, flags, mode),
        None => Err(Errno::ENOENT),
    }
}

/// Waits for the other end of a FIFO.
pub async fn wait_until_open(caller: &dyn Caller, file: &File) -> Result<()> {
    while !file.ops().is_open() {
        poll::wait_for_change(caller, file, None).await?;
    }
    Ok(())
}

fn check_flags(flags: u32) -> Result<()> {
    // __O_TMPFILE alone; O_TMPFILE includes O_DIRECTORY.
    if flags & (raw::O_TMPFILE & !raw::O_DIRECTORY) != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let impossible = raw::O_CREAT | raw::O_DIRECTORY;
    if flags & impossible == impossible || flags & raw::O_ACCMODE == raw::O_ACCMODE {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

fn create(ctx: &FsContext<'_>, target: &Target, flags: u32, mode: u32) -> Result<Rc<File>> {
    let slot = ctx.vfs.open_files().take()?;
    let new = New::File { permissions: ctx.masked(mode) };
    let dentry = names::create(ctx, &target.parent, target.name(Errno::EISDIR)?, new)?;
    // What was just made may be opened whatever its mode is.
    let ops = dentry.inode().clone().open(flags, ctx)?;
    Ok(File::new(dentry, ops, flags, slot))
}

fn open_existing(ctx: &FsContext<'_>, dentry: &Rc<Dentry>, flags: u32, slash: bool) -> Result<Rc<File>> {
    let slot = ctx.vfs.open_files().take()?;
    let meta = dentry.inode().metadata();
    if (slash || flags & raw::O_DIRECTORY != 0) && !meta.is_dir() {
        return Err(Errno::ENOTDIR);
    }
    if flags & raw::O_PATH != 0 {
        return Ok(File::new(dentry.clone(), Rc::new(PathOnly), flags, slot));
    }
    let truncates = flags & raw::O_TRUNC != 0;
    // Truncating is writing, whatever the file is opened for.
    let writes = truncates || matches!(flags & raw::O_ACCMODE, raw::O_WRONLY | raw::O_RDWR);
    match meta.kind {
        FileKind::Symlink => return Err(Errno::ELOOP),
        FileKind::Socket => return Err(Errno::ENXIO),
        FileKind::Directory if writes || flags & raw::O_CREAT != 0 => return Err(Errno::EISDIR),
        _ => {}
    }
    let mut wanted = if flags & raw::O_ACCMODE == raw::O_WRONLY { 0 } else { may::READ };
    if writes {
        wanted |= may::WRITE;
    }
    ctx.creds.check(&meta, wanted)?;
    if flags & raw::O_NOATIME != 0 && !ctx.creds.owns(&meta) {
        return Err(Errno::EPERM);
    }
    let ops = dentry.inode().clone().open(flags, ctx)?;
    if truncates && meta.kind == FileKind::Regular {
        dentry.inode().truncate(0, ctx.now())?;
    }
    Ok(File::new(dentry.clone(), ops, flags, slot))
}

/// Of a file opened with O_PATH: nothing can be done with it. (Reads and writes are refused before they get here.)
struct PathOnly;

impl FileOps for PathOnly {}
