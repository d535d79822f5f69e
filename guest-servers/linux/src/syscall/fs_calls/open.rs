//! Opening, closing and duplicating descriptors, and pipes.

use super::{Files, only};
use crate::errno::Errno;
use crate::fs::{Base, File, open, pipe};
use crate::syscall::args::Arg::{DirFd, Fd, FdPair, Flags, Hex, Mode, Str, Uint};
use crate::syscall::{Ctx, Entry, Pending, SysResult};
use alloc::boxed::Box;
use alloc::rc::Rc;
use linux_raw_sys::general::*;

const OPEN_NAMES: &[(u64, &str)] = &[
    (O_WRONLY as u64, "O_WRONLY"),
    (O_RDWR as u64, "O_RDWR"),
    (O_CREAT as u64, "O_CREAT"),
    (O_EXCL as u64, "O_EXCL"),
    (O_NOCTTY as u64, "O_NOCTTY"),
    (O_TRUNC as u64, "O_TRUNC"),
    (O_APPEND as u64, "O_APPEND"),
    (O_NONBLOCK as u64, "O_NONBLOCK"),
    (O_DIRECTORY as u64, "O_DIRECTORY"),
    (O_NOFOLLOW as u64, "O_NOFOLLOW"),
    (O_CLOEXEC as u64, "O_CLOEXEC"),
    (O_PATH as u64, "O_PATH"),
];

pub const CALLS: &[Entry] = &[
    Entry::wait(__NR_open, "open", &[Str, Flags(OPEN_NAMES), Mode], |c| {
        Box::pin(async move { open_path(&c, None, 0).await })
    })
    .partial("no O_TMPFILE, O_ASYNC; but of the disk, data is in memory, so O_SYNC, O_DSYNC and O_DIRECT mean nothing"),
    Entry::wait(__NR_openat, "openat", &[DirFd, Str, Flags(OPEN_NAMES), Mode], |c| {
        Box::pin(async move { open_path(&c, Some(0), 1).await })
    })
    .partial("as open"),
    Entry::wait(__NR_creat, "creat", &[Str, Mode], creat),
    Entry::sync(__NR_close, "close", &[Fd], close),
    Entry::sync(__NR_close_range, "close_range", &[Uint, Uint, Hex], close_range)
        .partial("CLOSE_RANGE_UNSHARE is EINVAL"),
    Entry::sync(__NR_dup, "dup", &[Fd], dup),
    Entry::sync(__NR_dup2, "dup2", &[Fd, Fd], dup2),
    Entry::sync(__NR_dup3, "dup3", &[Fd, Fd, Flags(OPEN_NAMES)], dup3),
    Entry::sync(__NR_pipe, "pipe", &[FdPair], |c| make_pipe(c, 0)),
    Entry::sync(__NR_pipe2, "pipe2", &[FdPair, Flags(OPEN_NAMES)], |c| make_pipe(c, c.uint(1)))
        .partial("no O_DIRECT"),
];

/// Path in argument `n`, then flags and mode; `dirfd` names the argument of the directory.
async fn open_path(c: &Ctx, dirfd: Option<usize>, n: usize) -> SysResult {
    open_with(c, dirfd, n, c.uint(n + 1), c.uint(n + 2)).await
}

fn creat(c: Ctx) -> Pending {
    Box::pin(async move { open_with(&c, None, 0, O_CREAT | O_WRONLY | O_TRUNC, c.uint(1)).await })
}

async fn open_with(c: &Ctx, dirfd: Option<usize>, n: usize, flags: u32, mode: u32) -> SysResult {
    let files = Files::of(c);
    let base = dirfd.map_or(Base::Cwd, |n| files.base(n));
    let path = files.path(n)?;
    let file = open::open(&files.ctx(), base, &path, flags, mode).await?;
    insert(&files, file, flags & O_CLOEXEC != 0)
}

fn insert(files: &Files<'_>, file: Rc<File>, close_on_exec: bool) -> SysResult {
    Ok(files.table.insert(file, 0, close_on_exec)? as u64)
}

fn close(c: &Ctx) -> SysResult {
    c.proc.files().remove(c.int(0)).map(|_| 0)
}

/// `linux/close_range.h`: mark the descriptors, do not close them.
const CLOSE_RANGE_CLOEXEC: u32 = 1 << 2;

fn close_range(c: &Ctx) -> SysResult {
    let (first, last, flags) = (c.uint(0), c.uint(1), c.uint(2));
    only(flags, CLOSE_RANGE_CLOEXEC)?;
    if first > last {
        return Err(Errno::EINVAL);
    }
    let table = c.proc.files();
    for fd in table.numbers().into_iter().filter(|&fd| (first..=last).contains(&(fd as u32))) {
        if flags & CLOSE_RANGE_CLOEXEC != 0 {
            table.set_close_on_exec(fd, true)?;
        } else {
            table.remove(fd)?;
        }
    }
    Ok(0)
}

fn dup(c: &Ctx) -> SysResult {
    let files = Files::of(c);
    insert(&files, files.table.get(c.int(0))?, false)
}

fn dup2(c: &Ctx) -> SysResult {
    let table = c.proc.files();
    let (old, new) = (c.int(0), c.int(1));
    if old == new {
        table.get(old)?;
        return Ok(old as u64);
    }
    Ok(table.duplicate(old, new, 0)? as u64)
}

fn dup3(c: &Ctx) -> SysResult {
    let (old, new, flags) = (c.int(0), c.int(1), c.uint(2));
    only(flags, O_CLOEXEC)?;
    if old == new {
        return Err(Errno::EINVAL);
    }
    Ok(c.proc.files().duplicate(old, new, flags)? as u64)
}

fn make_pipe(c: &Ctx, flags: u32) -> SysResult {
    only(flags, O_CLOEXEC | O_NONBLOCK)?;
    let files = Files::of(c);
    let (reader, writer) = pipe::pipe(&files.ctx(), flags)?;
    insert_pair(&files, reader, writer, flags & O_CLOEXEC != 0, c.args[0])
}

/// Descriptors for two files, written to the program as two `int`s. Either both or none.
pub(super) fn insert_pair(
    files: &Files<'_>,
    first: Rc<File>,
    second: Rc<File>,
    close_on_exec: bool,
    addr: u64,
) -> SysResult {
    let first_fd = files.table.insert(first, 0, close_on_exec)?;
    let undo_first = |_: &Errno| drop(files.table.remove(first_fd));
    let second_fd = files.table.insert(second, 0, close_on_exec).inspect_err(undo_first)?;
    let pair = first_fd as u64 | (second_fd as u64) << 32;
    files.c.user().write_u64(addr, pair).inspect_err(|e| {
        undo_first(e);
        drop(files.table.remove(second_fd));
    })?;
    Ok(0)
}
