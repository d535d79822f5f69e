//! Reading, writing and positions.

use super::durable::{sync, sync_file, sync_range};
use super::{Files, only};
use crate::errno::Errno;
use crate::fs::{FileKind, attributes};
use crate::mm::user::UserSlice;
use crate::syscall::args::Arg::{Enum, Fd, Hex, In, Int, Iovec, Out, Str, Uint};
use crate::syscall::{Ctx, Entry, Step, SysResult};
use alloc::boxed::Box;
use linux_raw_sys::general::*;

const WHENCE: &[(u64, &str)] = &[
    (SEEK_SET as u64, "SEEK_SET"),
    (SEEK_CUR as u64, "SEEK_CUR"),
    (SEEK_END as u64, "SEEK_END"),
    (SEEK_DATA as u64, "SEEK_DATA"),
    (SEEK_HOLE as u64, "SEEK_HOLE"),
];

pub const CALLS: &[Entry] = &[
    Entry::prompt(__NR_read, "read", &[Fd, Out, Uint], |c| step(read(c, None))),
    Entry::prompt(__NR_write, "write", &[Fd, In, Uint], |c| step(write(c, None))),
    Entry::prompt(__NR_pread64, "pread64", &[Fd, Out, Uint, Int], |c| step(read(c, Some(3)))),
    Entry::prompt(__NR_pwrite64, "pwrite64", &[Fd, In, Uint, Int], |c| step(write(c, Some(3)))),
    Entry::prompt(__NR_readv, "readv", &[Fd, Iovec, Uint], |c| step(readv(c, None))),
    Entry::prompt(__NR_writev, "writev", &[Fd, Iovec, Uint], |c| step(writev(c, None))),
    Entry::prompt(__NR_preadv, "preadv", &[Fd, Iovec, Uint, Int], |c| step(readv(c, Some(3)))),
    Entry::prompt(__NR_pwritev, "pwritev", &[Fd, Iovec, Uint, Int], |c| step(writev(c, Some(3)))),
    Entry::prompt(__NR_preadv2, "preadv2", &[Fd, Iovec, Uint, Int, Int, Hex], |c| step(vector2(c, false)))
        .partial("flags are EOPNOTSUPP"),
    Entry::prompt(__NR_pwritev2, "pwritev2", &[Fd, Iovec, Uint, Int, Int, Hex], |c| step(vector2(c, true)))
        .partial("flags are EOPNOTSUPP"),
    Entry::sync(__NR_lseek, "lseek", &[Fd, Int, Enum(WHENCE)], lseek),
    Entry::sync(__NR_truncate, "truncate", &[Str, Int], truncate),
    Entry::sync(__NR_ftruncate, "ftruncate", &[Fd, Int], ftruncate),
    Entry::sync(__NR_fallocate, "fallocate", &[Fd, Hex, Int, Int], fallocate)
        .partial("FALLOC_FL_KEEP_SIZE and FALLOC_FL_PUNCH_HOLE only"),
    Entry::prompt(__NR_fsync, "fsync", &[Fd], |c| step(sync_file(c))),
    Entry::prompt(__NR_fdatasync, "fdatasync", &[Fd], |c| step(sync_file(c))),
    Entry::sync(__NR_sync_file_range, "sync_file_range", &[Fd, Int, Int, Hex], sync_range),
    Entry::prompt(__NR_sync, "sync", &[], sync),
    Entry::sync(__NR_syncfs, "syncfs", &[Fd], |c| c.proc.files().get_open(c.int(0)).map(|_| 0)),
    Entry::sync(__NR_fadvise64, "fadvise64", &[Fd, Int, Int, Int], advise),
    Entry::sync(__NR_readahead, "readahead", &[Fd, Int, Uint], readahead),
];

/// The position in argument `n`, for the calls that have one. EINVAL if it is negative.
fn position(c: &Ctx, n: Option<usize>) -> Result<Option<u64>, Errno> {
    match n.map(|n| c.args[n] as i64) {
        Some(at) if at < 0 => Err(Errno::EINVAL),
        at => Ok(at.map(|at| at as u64)),
    }
}

/// What has come of a call that may fail before it comes to reading or writing.
fn step(attempt: Result<Step, Errno>) -> Step {
    attempt.unwrap_or_else(|e| Step::Done(Err(e)))
}

fn read(c: &Ctx, at: Option<usize>) -> Result<Step, Errno> {
    read_into(c, c.user().slice(c.args[1], length(c)?), at)
}

fn write(c: &Ctx, at: Option<usize>) -> Result<Step, Errno> {
    write_from(c, c.user().slice(c.args[1], length(c)?), at)
}

fn readv(c: &Ctx, at: Option<usize>) -> Result<Step, Errno> {
    read_into(c, c.user().iovecs(c.args[1], c.args[2])?, at)
}

fn writev(c: &Ctx, at: Option<usize>) -> Result<Step, Errno> {
    write_from(c, c.user().iovecs(c.args[1], c.args[2])?, at)
}

/// The `size_t` of a buffer. Linux refuses what is negative as a signed number.
pub(super) fn length(c: &Ctx) -> Result<u64, Errno> {
    if c.args[2] as i64 >= 0 { Ok(c.args[2]) } else { Err(Errno::EINVAL) }
}

fn read_into(c: &Ctx, mut to: UserSlice, at: Option<usize>) -> Result<Step, Errno> {
    let file = c.proc.files().get_open(c.int(0))?;
    let at = position(c, at)?;
    match file.try_read(c, &mut to, at, false) {
        Err(Errno::EAGAIN) if !file.is_nonblocking() => {
            let c = c.clone();
            Ok(Step::Waits(Box::pin(async move { Ok(file.read_later(&c, &mut to, at).await? as u64) })))
        }
        result => Ok(Step::Done(result.map(|n| n as u64))),
    }
}

fn write_from(c: &Ctx, mut from: UserSlice, at: Option<usize>) -> Result<Step, Errno> {
    let file = c.proc.files().get_open(c.int(0))?;
    let at = position(c, at)?;
    let done = match file.try_write(c, &mut from, at) {
        Err(Errno::EAGAIN) if !file.is_nonblocking() => 0,
        Ok(n) if n > 0 && !from.is_empty() => n,
        result => return Ok(Step::Done(result.map(|n| n as u64))),
    };
    let c = c.clone();
    Ok(Step::Waits(Box::pin(async move { Ok(file.write_rest(&c, &mut from, at, done).await? as u64) })))
}

/// preadv2, pwritev2: a position of −1 is the file's own.
fn vector2(c: &Ctx, writes: bool) -> Result<Step, Errno> {
    if c.args[5] != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let at = (c.args[3] as i64 != -1).then_some(3);
    if writes { writev(c, at) } else { readv(c, at) }
}

fn lseek(c: &Ctx) -> SysResult {
    c.proc.files().get_open(c.int(0))?.seek(c.args[1] as i64, c.uint(2))
}

fn truncate(c: &Ctx) -> SysResult {
    let files = Files::of(c);
    if (c.args[1] as i64) < 0 {
        return Err(Errno::EINVAL);
    }
    let dentry = files.lookup(0, true)?;
    attributes::truncate(&files.ctx(), &dentry, c.args[1] as i64).map(|()| 0)
}

fn ftruncate(c: &Ctx) -> SysResult {
    let files = Files::of(c);
    let file = files.table.get(c.int(0))?;
    attributes::truncate_file(&files.ctx(), &file, c.args[1] as i64).map(|()| 0)
}

fn fallocate(c: &Ctx) -> SysResult {
    let files = Files::of(c);
    let (mode, offset, len) = (c.uint(1), c.args[2] as i64, c.args[3] as i64);
    let file = files.table.get_open(c.int(0))?;
    if offset < 0 || len <= 0 {
        return Err(Errno::EINVAL);
    }
    let (keeps_size, punches) = (mode & FALLOC_FL_KEEP_SIZE != 0, mode & FALLOC_FL_PUNCH_HOLE != 0);
    if only(mode, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE).is_err() || punches && !keeps_size {
        return Err(Errno::EOPNOTSUPP);
    }
    if !file.is_writable() {
        return Err(Errno::EBADF);
    }
    match file.kind() {
        FileKind::Regular => {}
        FileKind::Fifo => return Err(Errno::ESPIPE),
        FileKind::Directory => return Err(Errno::EISDIR),
        _ => return Err(Errno::ENODEV),
    }
    let end = offset.checked_add(len).ok_or(Errno::EFBIG)?;
    file.ops().allocate(offset as u64..end as u64, punches)?;
    if !keeps_size && end as u64 > file.dentry().inode().metadata().size {
        attributes::truncate_file(&files.ctx(), &file, end)?;
    }
    Ok(0)
}

fn advise(c: &Ctx) -> SysResult {
    let file = c.proc.files().get_open(c.int(0))?;
    if file.kind() == FileKind::Fifo {
        return Err(Errno::ESPIPE);
    }
    if c.args[2] as i64 >= 0 && c.uint(3) <= POSIX_FADV_NOREUSE { Ok(0) } else { Err(Errno::EINVAL) }
}

fn readahead(c: &Ctx) -> SysResult {
    let file = c.proc.files().get_open(c.int(0))?;
    if !file.is_readable() {
        return Err(Errno::EBADF);
    }
    if file.kind() == FileKind::Regular { Ok(0) } else { Err(Errno::EINVAL) }
}
