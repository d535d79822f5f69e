//! Directory entries and the text of links.

use super::Files;
use crate::errno::{Errno, Result};
use crate::fs::{Dentry, FileKind, dirent, path};
use crate::syscall::args::Arg::{DirFd, Fd, Ptr, Str, Uint};
use crate::syscall::{Ctx, Entry, SysResult};
use alloc::rc::Rc;
use alloc::vec;
use linux_raw_sys::general::*;

pub const CALLS: &[Entry] = &[
    Entry::sync(__NR_getdents64, "getdents64", &[Fd, Ptr, Uint], getdents64),
    Entry::sync(__NR_readlink, "readlink", &[Str, Ptr, Uint], |c| {
        let files = Files::of(c);
        read_link(c, &files, &files.lookup(0, false)?, 1)
    }),
    Entry::sync(__NR_readlinkat, "readlinkat", &[DirFd, Str, Ptr, Uint], |c| {
        let files = Files::of(c);
        let (base, name) = (files.base(0), files.path(1)?);
        let link = path::lookup_at(&files.ctx(), base, &name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)?;
        let is_empty = name.is_empty() && link.inode().metadata().kind != FileKind::Symlink;
        if is_empty { Err(Errno::ENOENT) } else { read_link(c, &files, &link, 2) }
    }),
];

/// Bytes of entries that one call gives, however large the program's buffer is.
const MAX_LISTING: usize = 32 << 10;

fn getdents64(c: &Ctx) -> SysResult {
    let files = Files::of(c);
    let file = files.table.get_open(c.int(0))?;
    let mut buffer = vec![0; (c.uint(2) as usize).min(MAX_LISTING)];
    let before = file.offset();
    let (mut len, mut is_full) = (0, false);
    file.read_dir(&files.ctx(), &mut |entry| {
        match dirent::encode(&entry, &mut buffer[len..]) {
            Some(n) => len += n,
            None => is_full = true,
        }
        !is_full
    })?;
    if len == 0 && is_full {
        return Err(Errno::EINVAL);
    }
    c.user().write(c.args[1], &buffer[..len]).inspect_err(|_| file.set_offset(before))?;
    Ok(len as u64)
}

/// Puts the link's text into the buffer in arguments `n` and `n + 1`. What does not fit is cut off.
fn read_link(c: &Ctx, files: &Files<'_>, link: &Rc<Dentry>, n: usize) -> SysResult {
    let size = positive(c.int(n + 1))?;
    let text = link.inode().read_link(&files.ctx())?;
    let len = text.len().min(size);
    c.user().write(c.args[n], &text[..len])?;
    Ok(len as u64)
}

fn positive(size: i32) -> Result<usize> {
    usize::try_from(size).ok().filter(|size| *size > 0).ok_or(Errno::EINVAL)
}
