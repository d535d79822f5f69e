//! fcntl and flock.

use super::only;
use crate::errno::{Errno, Result};
use crate::fs::{FdTable, File};
use crate::syscall::args::Arg::{Enum, Fd, Hex};
use crate::syscall::{Ctx, Entry, SysResult};
use alloc::rc::Rc;
use linux_raw_sys::general::*;

const COMMANDS: &[(u64, &str)] = &[
    (F_DUPFD as u64, "F_DUPFD"),
    (F_GETFD as u64, "F_GETFD"),
    (F_SETFD as u64, "F_SETFD"),
    (F_GETFL as u64, "F_GETFL"),
    (F_SETFL as u64, "F_SETFL"),
    (F_GETLK as u64, "F_GETLK"),
    (F_SETLK as u64, "F_SETLK"),
    (F_SETLKW as u64, "F_SETLKW"),
    (F_DUPFD_CLOEXEC as u64, "F_DUPFD_CLOEXEC"),
    (F_GETPIPE_SZ as u64, "F_GETPIPE_SZ"),
    (F_SETPIPE_SZ as u64, "F_SETPIPE_SZ"),
];

pub const CALLS: &[Entry] = &[
    Entry::sync(__NR_fcntl, "fcntl", &[Fd, Enum(COMMANDS), Hex], fcntl).partial(
        "locks are granted and exclude nobody; no leases, no directory notification, no signals for I/O",
    ),
    Entry::sync(__NR_flock, "flock", &[Fd, Hex], flock).partial("locks are granted and exclude nobody"),
];

/// Offset of `l_type` and size of `struct flock`.
const FLOCK_TYPE: usize = core::mem::offset_of!(flock64, l_type);
const FLOCK_SIZE: usize = size_of::<flock64>();
#[allow(non_camel_case_types)]
type flock64 = linux_raw_sys::general::flock;

fn fcntl(c: &Ctx) -> SysResult {
    let (fd, command, arg) = (c.int(0), c.uint(1), c.args[2]);
    let table = c.proc.files();
    let file = table.get(fd)?;
    let is_path_command = matches!(command, F_DUPFD | F_DUPFD_CLOEXEC | F_GETFD | F_SETFD | F_GETFL);
    if file.is_path_only() && !is_path_command {
        return Err(Errno::EBADF);
    }
    match command {
        F_DUPFD => duplicate(&table, file, arg, false),
        F_DUPFD_CLOEXEC => duplicate(&table, file, arg, true),
        F_GETFD => Ok(if table.close_on_exec(fd)? { FD_CLOEXEC.into() } else { 0 }),
        F_SETFD => table.set_close_on_exec(fd, arg as u32 & FD_CLOEXEC != 0).map(|()| 0),
        F_GETFL => Ok((file.flags() | large_file(&file)).into()),
        F_SETFL => {
            file.set_flags(arg as u32);
            Ok(0)
        }
        F_GETLK | F_OFD_GETLK => unlocked(c, arg),
        F_SETLK | F_SETLKW | F_OFD_SETLK | F_OFD_SETLKW => lock(c, &file, arg),
        F_GETOWN => Ok(0),
        F_GETPIPE_SZ => file.ops().pipe_capacity().map(|size| size as u64).ok_or(Errno::EBADF),
        F_SETPIPE_SZ => set_pipe_size(&file, arg),
        _ => Err(Errno::EINVAL),
    }
}

fn duplicate(table: &FdTable, file: Rc<File>, from: u64, close_on_exec: bool) -> SysResult {
    let from = usize::try_from(from as i32).map_err(|_| Errno::EINVAL)?;
    if from >= table.limit() {
        return Err(Errno::EINVAL);
    }
    Ok(table.insert(file, from, close_on_exec)? as u64)
}

/// What a 64-bit Linux adds to the flags of everything that was opened by a path.
fn large_file(file: &File) -> u32 {
    let opened = !file.is_path_only() && file.ops().pipe_capacity().is_none();
    if opened { O_LARGEFILE_X86_64 } else { 0 }
}

/// The kernel's own O_LARGEFILE; the headers for 64-bit programs define it as 0.
const O_LARGEFILE_X86_64: u32 = 0o100_000;

/// F_GETLK: nobody holds a lock that would be in the way.
fn unlocked(c: &Ctx, at: u64) -> SysResult {
    let mut lock: [u8; FLOCK_SIZE] = c.user().read_array(at)?;
    lock_kind(&lock)?;
    lock[FLOCK_TYPE..FLOCK_TYPE + 2].copy_from_slice(&(F_UNLCK as u16).to_le_bytes());
    c.user().write(at, &lock).map(|()| 0)
}

fn lock(c: &Ctx, file: &File, at: u64) -> SysResult {
    let lock: [u8; FLOCK_SIZE] = c.user().read_array(at)?;
    let allowed = match lock_kind(&lock)? {
        F_RDLCK => file.is_readable(),
        F_WRLCK => file.is_writable(),
        _ => true,
    };
    if allowed { Ok(0) } else { Err(Errno::EBADF) }
}

fn lock_kind(lock: &[u8; FLOCK_SIZE]) -> Result<u32> {
    let kind = u32::from(u16::from_le_bytes([lock[FLOCK_TYPE], lock[FLOCK_TYPE + 1]]));
    if matches!(kind, F_RDLCK | F_WRLCK | F_UNLCK) { Ok(kind) } else { Err(Errno::EINVAL) }
}

/// A pipe's size is what it is; asking for less or the same is granted with that, more is refused.
fn set_pipe_size(file: &File, size: u64) -> SysResult {
    let capacity = file.ops().pipe_capacity().ok_or(Errno::EBADF)? as u64;
    if size <= capacity { Ok(capacity) } else { Err(Errno::EPERM) }
}

fn flock(c: &Ctx) -> SysResult {
    c.proc.files().get_open(c.int(0))?;
    let operation = c.uint(1);
    only(operation, LOCK_SH | LOCK_EX | LOCK_UN | LOCK_NB)?;
    match operation & !LOCK_NB {
        LOCK_SH | LOCK_EX | LOCK_UN => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}
