//! Asking and changing what is known about files.

use super::{AT_NAMES, Files, only};
use crate::errno::{Errno, Result};
use crate::fs::attributes::{self, NewTime};
use crate::fs::{Dentry, Metadata, Time, layout};
use crate::syscall::args::Arg::{DirFd, Fd, Flags, Hex, Mode, Ptr, Stat, Str, Uint};
use crate::syscall::{Ctx, Entry, SysResult};
use alloc::rc::Rc;
use linux_raw_sys::general::*;

pub const CALLS: &[Entry] = &[
    Entry::sync(__NR_stat, "stat", &[Str, Stat], |c| stat_path(c, true)),
    Entry::sync(__NR_lstat, "lstat", &[Str, Stat], |c| stat_path(c, false)),
    Entry::sync(__NR_fstat, "fstat", &[Fd, Stat], fstat),
    Entry::sync(__NR_newfstatat, "newfstatat", &[DirFd, Str, Stat, Flags(AT_NAMES)], newfstatat),
    Entry::sync(__NR_statx, "statx", &[DirFd, Str, Flags(AT_NAMES), Hex, Ptr], statx),
    Entry::sync(__NR_statfs, "statfs", &[Str, Ptr], statfs),
    Entry::sync(__NR_fstatfs, "fstatfs", &[Fd, Ptr], fstatfs),
    Entry::sync(__NR_access, "access", &[Str, Mode], access),
    Entry::sync(__NR_faccessat, "faccessat", &[DirFd, Str, Mode], |c| access_at(c, 0)),
    Entry::sync(__NR_faccessat2, "faccessat2", &[DirFd, Str, Mode, Flags(AT_NAMES)], |c| {
        access_at(c, c.uint(3))
    }),
    Entry::sync(__NR_chmod, "chmod", &[Str, Mode], chmod),
    Entry::sync(__NR_fchmod, "fchmod", &[Fd, Mode], fchmod),
    Entry::sync(__NR_fchmodat, "fchmodat", &[DirFd, Str, Mode], |c| fchmodat(c, 0)),
    Entry::sync(__NR_fchmodat2, "fchmodat2", &[DirFd, Str, Mode, Flags(AT_NAMES)], |c| {
        fchmodat(c, c.uint(3))
    }),
    Entry::sync(__NR_chown, "chown", &[Str, Uint, Uint], |c| chown(c, true)),
    Entry::sync(__NR_lchown, "lchown", &[Str, Uint, Uint], |c| chown(c, false)),
    Entry::sync(__NR_fchown, "fchown", &[Fd, Uint, Uint], fchown),
    Entry::sync(__NR_fchownat, "fchownat", &[DirFd, Str, Uint, Uint, Flags(AT_NAMES)], fchownat),
    Entry::sync(__NR_utimensat, "utimensat", &[DirFd, Str, Ptr, Flags(AT_NAMES)], utimensat),
    Entry::sync(__NR_utimes, "utimes", &[Str, Ptr], utimes),
    Entry::sync(__NR_futimesat, "futimesat", &[DirFd, Str, Ptr], futimesat),
    Entry::sync(__NR_utime, "utime", &[Str, Ptr], utime),
];

fn put_stat(c: &Ctx, at: u64, meta: &Metadata) -> SysResult {
    c.user().write(at, &layout::stat(meta)).map(|()| 0)
}

fn stat_path(c: &Ctx, follow: bool) -> SysResult {
    let dentry = Files::of(c).lookup(0, follow)?;
    put_stat(c, c.args[1], &dentry.inode().metadata())
}

fn fstat(c: &Ctx) -> SysResult {
    let file = c.proc.files().get(c.int(0))?;
    put_stat(c, c.args[1], &file.dentry().inode().metadata())
}

fn newfstatat(c: &Ctx) -> SysResult {
    let flags = c.uint(3);
    only(flags, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)?;
    let dentry = Files::of(c).lookup_at(0, flags)?;
    put_stat(c, c.args[2], &dentry.inode().metadata())
}

fn statx(c: &Ctx) -> SysResult {
    let (flags, mask) = (c.uint(2), c.uint(3));
    only(flags, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)?;
    if flags & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE || mask & STATX__RESERVED != 0 {
        return Err(Errno::EINVAL);
    }
    let dentry = Files::of(c).lookup_at(0, flags)?;
    let is_root = c.server.vfs.is_mount_root(&dentry);
    c.user().write(c.args[4], &layout::statx(&dentry.inode().metadata(), is_root)).map(|()| 0)
}

fn statfs(c: &Ctx) -> SysResult {
    let dentry = Files::of(c).lookup(0, true)?;
    c.user().write(c.args[1], &layout::statfs(&dentry.inode().statfs())).map(|()| 0)
}

fn fstatfs(c: &Ctx) -> SysResult {
    let file = c.proc.files().get(c.int(0))?;
    c.user().write(c.args[1], &layout::statfs(&file.dentry().inode().statfs())).map(|()| 0)
}

fn access(c: &Ctx) -> SysResult {
    let files = Files::of_real_user(c);
    check_mode(c.uint(1))?;
    let dentry = files.lookup(0, true)?;
    attributes::access(&files.ctx(), &dentry, c.uint(1)).map(|()| 0)
}

fn access_at(c: &Ctx, flags: u32) -> SysResult {
    check_mode(c.uint(2))?;
    only(flags, AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    let files = if flags & AT_EACCESS != 0 { Files::of(c) } else { Files::of_real_user(c) };
    let dentry = files.lookup_at(0, flags)?;
    attributes::access(&files.ctx(), &dentry, c.uint(2)).map(|()| 0)
}

/// Wrong bits are complained of before the path is looked at.
fn check_mode(mode: u32) -> Result<()> {
    only(mode, R_OK | W_OK | X_OK)
}

fn chmod(c: &Ctx) -> SysResult {
    let files = Files::of(c);
    attributes::chmod(&files.ctx(), &*files.lookup(0, true)?, c.uint(1)).map(|()| 0)
}

fn fchmod(c: &Ctx) -> SysResult {
    let files = Files::of(c);
    attributes::chmod(&files.ctx(), files.table.get_open(c.int(0))?.dentry(), c.uint(1)).map(|()| 0)
}

fn fchmodat(c: &Ctx, flags: u32) -> SysResult {
    only(flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    let files = Files::of(c);
    attributes::chmod(&files.ctx(), &*files.lookup_at(0, flags)?, c.uint(2)).map(|()| 0)
}

/// A user or group number; −1 leaves it as it is.
fn id(value: u32) -> Option<u32> {
    (value != u32::MAX).then_some(value)
}

fn chown(c: &Ctx, follow: bool) -> SysResult {
    let files = Files::of(c);
    let dentry = files.lookup(0, follow)?;
    attributes::chown(&files.ctx(), &dentry, id(c.uint(1)), id(c.uint(2))).map(|()| 0)
}

fn fchown(c: &Ctx) -> SysResult {
    let files = Files::of(c);
    let file = files.table.get_open(c.int(0))?;
    attributes::chown(&files.ctx(), file.dentry(), id(c.uint(1)), id(c.uint(2))).map(|()| 0)
}

fn fchownat(c: &Ctx) -> SysResult {
    only(c.uint(4), AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    let files = Files::of(c);
    let dentry = files.lookup_at(0, c.uint(4))?;
    attributes::chown(&files.ctx(), &dentry, id(c.uint(2)), id(c.uint(3))).map(|()| 0)
}

/// Two times in the program's memory, 16 bytes each: seconds, and a second word of which there are `per_second`. No pointer: now.
fn two_times(c: &Ctx, at: u64, read: fn(i64, i64) -> Result<NewTime>) -> Result<[NewTime; 2]> {
    if at == 0 {
        return Ok([NewTime::Now; 2]);
    }
    let bytes: [u8; 32] = c.user().read_array(at)?;
    let word = |n: usize| crate::bytes::u64_at(&bytes, n * 8) as i64;
    Ok([read(word(0), word(1))?, read(word(2), word(3))?])
}

/// A `struct timespec` of utimensat.
fn from_timespec(seconds: i64, nanos: i64) -> Result<NewTime> {
    match u32::try_from(nanos) {
        Ok(UTIME_NOW) => Ok(NewTime::Now),
        Ok(UTIME_OMIT) => Ok(NewTime::Keep),
        Ok(nanos) if nanos < 1_000_000_000 => Ok(NewTime::At(Time { seconds, nanos })),
        _ => Err(Errno::EINVAL),
    }
}

/// A `struct timeval` of utimes.
fn from_timeval(seconds: i64, micros: i64) -> Result<NewTime> {
    match u32::try_from(micros) {
        Ok(micros) if micros < 1_000_000 => Ok(NewTime::At(Time { seconds, nanos: micros * 1000 })),
        _ => Err(Errno::EINVAL),
    }
}

fn set(files: &Files<'_>, dentry: &Rc<Dentry>, [accessed, modified]: [NewTime; 2]) -> SysResult {
    attributes::set_times(&files.ctx(), dentry, accessed, modified).map(|()| 0)
}

fn utimensat(c: &Ctx) -> SysResult {
    let flags = c.uint(3);
    only(flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    let files = Files::of(c);
    let times = two_times(c, c.args[2], from_timespec)?;
    if times == [NewTime::Keep; 2] {
        return Ok(0);
    }
    // No path at all: the descriptor itself (futimens).
    if c.args[1] == 0 {
        only(flags, 0)?;
        let file = files.table.get_open(c.int(0))?;
        return set(&files, file.dentry(), times);
    }
    set(&files, &files.lookup_at(0, flags)?, times)
}

fn utimes(c: &Ctx) -> SysResult {
    let files = Files::of(c);
    let times = two_times(c, c.args[1], from_timeval)?;
    set(&files, &files.lookup(0, true)?, times)
}

fn futimesat(c: &Ctx) -> SysResult {
    let files = Files::of(c);
    let times = two_times(c, c.args[2], from_timeval)?;
    if c.args[1] == 0 {
        return set(&files, files.table.get_open(c.int(0))?.dentry(), times);
    }
    set(&files, &files.lookup_at(0, 0)?, times)
}

/// `struct utimbuf`: two numbers of seconds.
fn utime(c: &Ctx) -> SysResult {
    let files = Files::of(c);
    let times = if c.args[1] == 0 {
        [NewTime::Now; 2]
    } else {
        let bytes: [u8; 16] = c.user().read_array(c.args[1])?;
        [0, 8].map(|at| NewTime::At(Time { seconds: crate::bytes::u64_at(&bytes, at) as i64, nanos: 0 }))
    };
    set(&files, &files.lookup(0, true)?, times)
}
