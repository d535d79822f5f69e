//! Who a process is: process, thread, user and group numbers, process groups and sessions.

use super::args::Arg::{Int, Ptr, Uint};
use super::{Ctx, Entry, SysResult};
use crate::errno::Errno;
use crate::process::credentials::Credentials;
use alloc::rc::Rc;
use alloc::vec::Vec;
use linux_raw_sys::general::*;

pub const CALLS: &[Entry] = &[
    Entry::immediate(__NR_getpid, "getpid", &[], |c| c.process.pid as u64),
    Entry::immediate(__NR_getppid, "getppid", &[], |c| c.process.ppid() as u64),
    Entry::immediate(__NR_gettid, "gettid", &[], |c| c.thread.tid as u64),
    Entry::immediate(__NR_getuid, "getuid", &[], |c| c.process.credentials.borrow().uid as u64),
    Entry::immediate(__NR_geteuid, "geteuid", &[], |c| c.process.credentials.borrow().euid as u64),
    Entry::immediate(__NR_getgid, "getgid", &[], |c| c.process.credentials.borrow().gid as u64),
    Entry::immediate(__NR_getegid, "getegid", &[], |c| c.process.credentials.borrow().egid as u64),
    Entry::sync(__NR_getresuid, "getresuid", &[Ptr, Ptr, Ptr], getresuid),
    Entry::sync(__NR_getresgid, "getresgid", &[Ptr, Ptr, Ptr], getresgid),
    Entry::sync(__NR_setuid, "setuid", &[Uint], setuid),
    Entry::sync(__NR_setgid, "setgid", &[Uint], setgid),
    Entry::sync(__NR_setreuid, "setreuid", &[Int, Int], |c| setresuid(c, c.uint(0), c.uint(1), KEEP)),
    Entry::sync(__NR_setregid, "setregid", &[Int, Int], |c| setresgid(c, c.uint(0), c.uint(1), KEEP)),
    Entry::sync(__NR_setresuid, "setresuid", &[Int, Int, Int], |c| {
        setresuid(c, c.uint(0), c.uint(1), c.uint(2))
    }),
    Entry::sync(__NR_setresgid, "setresgid", &[Int, Int, Int], |c| {
        setresgid(c, c.uint(0), c.uint(1), c.uint(2))
    }),
    Entry::immediate(__NR_setfsuid, "setfsuid", &[Int], |c| c.process.credentials.borrow().euid as u64)
        .partial("the file-system user is always the effective user"),
    Entry::immediate(__NR_setfsgid, "setfsgid", &[Int], |c| c.process.credentials.borrow().egid as u64)
        .partial("the file-system group is always the effective group"),
    Entry::sync(__NR_getgroups, "getgroups", &[Int, Ptr], getgroups),
    Entry::sync(__NR_setgroups, "setgroups", &[Int, Ptr], setgroups),
    Entry::immediate(__NR_getpgrp, "getpgrp", &[], |c| c.process.pgid.get() as u64),
    Entry::sync(__NR_getpgid, "getpgid", &[Int], getpgid),
    Entry::sync(__NR_setpgid, "setpgid", &[Int, Int], setpgid),
    Entry::sync(__NR_getsid, "getsid", &[Int], getsid),
    Entry::sync(__NR_setsid, "setsid", &[], setsid),
];

/// −1: leave it as it is.
const KEEP: u32 = u32::MAX;
const NGROUPS_MAX: usize = 65536;

fn write_ids(c: &Ctx, ids: [u32; 3]) -> SysResult {
    for (at, id) in c.args.iter().zip(ids) {
        c.user().write_u32(*at, id)?;
    }
    Ok(0)
}

fn getresuid(c: &Ctx) -> SysResult {
    let ids = {
        let cred = c.proc.credentials.borrow();
        [cred.uid, cred.euid, cred.suid]
    };
    write_ids(c, ids)
}

fn getresgid(c: &Ctx) -> SysResult {
    let ids = {
        let cred = c.proc.credentials.borrow();
        [cred.gid, cred.egid, cred.sgid]
    };
    write_ids(c, ids)
}

fn setuid(c: &Ctx) -> SysResult {
    let root = c.proc.credentials.borrow().is_root();
    let id = c.uint(0);
    if root { setresuid(c, id, id, id) } else { setresuid(c, KEEP, id, KEEP) }
}

fn setgid(c: &Ctx) -> SysResult {
    let root = c.proc.credentials.borrow().is_root();
    let id = c.uint(0);
    if root { setresgid(c, id, id, id) } else { setresgid(c, KEEP, id, KEEP) }
}

/// New values for a triple of real, effective and saved number. Only root may set what is none of the three.
fn change(old: [u32; 3], new: [u32; 3], root: bool) -> Result<[u32; 3], Errno> {
    if !root && new.iter().any(|id| *id != KEEP && !old.contains(id)) {
        return Err(Errno::EPERM);
    }
    let pick = |i: usize| if new[i] == KEEP { old[i] } else { new[i] };
    Ok([pick(0), pick(1), pick(2)])
}

fn setresuid(c: &Ctx, real: u32, effective: u32, saved: u32) -> SysResult {
    let mut cred = c.proc.credentials.borrow_mut();
    let root = cred.is_root();
    let ids = change([cred.uid, cred.euid, cred.suid], [real, effective, saved], root)?;
    [cred.uid, cred.euid, cred.suid] = ids;
    Ok(0)
}

fn setresgid(c: &Ctx, real: u32, effective: u32, saved: u32) -> SysResult {
    let mut cred = c.proc.credentials.borrow_mut();
    let root = cred.is_root();
    let ids = change([cred.gid, cred.egid, cred.sgid], [real, effective, saved], root)?;
    [cred.gid, cred.egid, cred.sgid] = ids;
    Ok(0)
}

fn getgroups(c: &Ctx) -> SysResult {
    let groups = c.proc.credentials.borrow().groups.clone();
    let size = c.int(0);
    if size < 0 || size > 0 && (size as usize) < groups.len() {
        return Err(Errno::EINVAL);
    }
    if size > 0 {
        let bytes: Vec<u8> = groups.iter().flat_map(|g| g.to_le_bytes()).collect();
        c.user().write(c.args[1], &bytes)?;
    }
    Ok(groups.len() as u64)
}

fn setgroups(c: &Ctx) -> SysResult {
    if !c.proc.credentials.borrow().is_root() {
        return Err(Errno::EPERM);
    }
    let count = usize::try_from(c.int(0)).ok().filter(|n| *n <= NGROUPS_MAX).ok_or(Errno::EINVAL)?;
    let mut bytes = alloc::vec![0; count * 4];
    c.user().read(c.args[1], &mut bytes)?;
    let groups = bytes.chunks_exact(4).map(|b| crate::bytes::u32_at(b, 0)).collect();
    let mut cred = c.proc.credentials.borrow_mut();
    *cred = Credentials { groups, ..cred.clone() };
    Ok(0)
}

/// The process that a number means; 0 is the caller.
fn target(c: &Ctx, pid: i32) -> Result<Rc<crate::process::Process>, Errno> {
    if pid == 0 { Ok(c.proc.clone()) } else { c.server.processes.find(pid) }
}

fn getpgid(c: &Ctx) -> SysResult {
    Ok(target(c, c.int(0))?.pgid.get() as u64)
}

fn getsid(c: &Ctx) -> SysResult {
    Ok(target(c, c.int(0))?.sid.get() as u64)
}

fn setpgid(c: &Ctx) -> SysResult {
    c.server.set_pgid(&c.proc, c.int(0), c.int(1))?;
    Ok(0)
}

fn setsid(c: &Ctx) -> SysResult {
    Ok(c.server.set_sid(&c.proc)? as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_may_become_anybody() {
        assert_eq!(change([0, 0, 0], [5, KEEP, 7], true), Ok([5, 0, 7]));
        assert_eq!(change([5, 6, 7], [6, 7, KEEP], false), Ok([6, 7, 7]));
        assert_eq!(change([5, 6, 7], [KEEP, 0, KEEP], false), Err(Errno::EPERM));
    }
}
