//! Making processes and waiting for them.

use super::args::Arg::{Flags, Hex, Int, Ptr, Status};
use super::{Ctx, Entry, Pending, SysResult};
use crate::bytes::{put_u32, put_u64};
use crate::errno::Errno;
use crate::process::fork::{CLONE_VFORK, CLONE_VM, CloneArgs};
use crate::process::usage::Times;
use crate::process::wait::{self, ChildEvent, WCONTINUED, WEXITED, WNOHANG, WNOWAIT, WSTOPPED, Which};
use crate::process::{Pid, Process};
use crate::time::to_timeval;
use alloc::boxed::Box;
use alloc::rc::Rc;
use linux_raw_sys::general::*;

const CLONE_NAMES: &[(u64, &str)] = &[
    (CLONE_VM, "CLONE_VM"),
    (CLONE_FS as u64, "CLONE_FS"),
    (CLONE_FILES as u64, "CLONE_FILES"),
    (CLONE_SIGHAND as u64, "CLONE_SIGHAND"),
    (CLONE_VFORK, "CLONE_VFORK"),
    (CLONE_THREAD as u64, "CLONE_THREAD"),
    (CLONE_SYSVSEM as u64, "CLONE_SYSVSEM"),
    (CLONE_SETTLS as u64, "CLONE_SETTLS"),
    (CLONE_PARENT_SETTID as u64, "CLONE_PARENT_SETTID"),
    (CLONE_CHILD_CLEARTID as u64, "CLONE_CHILD_CLEARTID"),
    (CLONE_CHILD_SETTID as u64, "CLONE_CHILD_SETTID"),
    (SIGCHLD as u64, "SIGCHLD"),
];
const WAIT_NAMES: &[(u64, &str)] = &[
    (WNOHANG as u64, "WNOHANG"),
    (WSTOPPED as u64, "WSTOPPED"),
    (WEXITED as u64, "WEXITED"),
    (WCONTINUED as u64, "WCONTINUED"),
    (WNOWAIT as u64, "WNOWAIT"),
];
const ID_NAMES: &[(u64, &str)] = &[(0, "P_ALL"), (1, "P_PID"), (2, "P_PGID"), (3, "P_PIDFD")];

pub const CALLS: &[Entry] = &[
    Entry::sync(__NR_fork, "fork", &[], fork),
    Entry::wait(__NR_vfork, "vfork", &[], |c| clone_call(c, vfork_args())),
    Entry::wait(__NR_clone, "clone", &[Flags(CLONE_NAMES), Ptr, Ptr, Ptr, Hex], clone)
        .partial("no namespaces, CLONE_PIDFD, CLONE_PTRACE, CLONE_IO; CLONE_SIGHAND only with CLONE_THREAD"),
    Entry::wait(__NR_wait4, "wait4", &[Int, Status, Flags(WAIT_NAMES), Ptr], wait4)
        .partial("__WCLONE and __WNOTHREAD are ignored"),
    Entry::wait(
        __NR_waitid,
        "waitid",
        &[super::args::Arg::Enum(ID_NAMES), Int, Ptr, Flags(WAIT_NAMES), Ptr],
        waitid,
    )
    .partial("no P_PIDFD"),
];

fn fork(c: &Ctx) -> SysResult {
    let args = CloneArgs { flags: SIGCHLD as u64, ..CloneArgs::default() };
    Ok(c.server.clone_process(c, args)?.0 as u64)
}

fn vfork_args() -> CloneArgs {
    CloneArgs { flags: CLONE_VM | CLONE_VFORK | SIGCHLD as u64, ..CloneArgs::default() }
}

fn clone(c: Ctx) -> Pending {
    let [flags, stack, parent_tid, child_tid, tls, _] = c.args;
    // Flags are an int: those beyond 32 bits are clone3's.
    clone_call(c, CloneArgs { flags: flags & 0xffff_ffff, stack, parent_tid, child_tid, tls })
}

fn clone_call(c: Ctx, args: CloneArgs) -> Pending {
    Box::pin(async move {
        let (pid, child) = c.server.clone_process(&c, args)?;
        if let Some(child) = child
            && args.flags & CLONE_VFORK != 0
        {
            until_released(&child).await;
        }
        Ok(pid as u64)
    })
}

/// Waits until a vfork child runs a program of its own or has ended. Signals wait too; SIGKILL does not.
async fn until_released(child: &Rc<Process>) {
    while child.borrows_mm.get() {
        child.released_mm.wait().await;
    }
}

fn wait4(c: Ctx) -> Pending {
    Box::pin(async move {
        let options = c.uint(2);
        if options & !(WNOHANG | WSTOPPED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL) != 0 {
            return Err(Errno::EINVAL);
        }
        let which = Which::from_pid(c.int(0), c.proc.pgid.get())?;
        let Some(event) = wait::wait(&c, which, options | WEXITED).await? else { return Ok(0) };
        if c.args[1] != 0 {
            c.user().write_u32(c.args[1], event.status)?;
        }
        if c.args[3] != 0 {
            c.user().write(c.args[3], &usage_of(&c, &event))?;
        }
        Ok(event.child.pid as u64)
    })
}

fn waitid(c: Ctx) -> Pending {
    Box::pin(async move {
        let options = c.uint(3);
        let known = WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL;
        if options & !known != 0 || options & (WEXITED | WSTOPPED | WCONTINUED) == 0 {
            return Err(Errno::EINVAL);
        }
        let id: Pid = c.int(1);
        let which = match c.uint(0) {
            0 => Which::Any,
            1 if id > 0 => Which::Pid(id),
            2 if id >= 0 => Which::Group(if id == 0 { c.proc.pgid.get() } else { id }),
            _ => return Err(Errno::EINVAL),
        };
        let event = wait::wait(&c, which, options).await?;
        let mut info = [0; 128];
        if let Some(event) = &event {
            let (code, status) = event.code_and_status();
            put_u32(&mut info, 0, SIGCHLD);
            put_u32(&mut info, 8, code as u32);
            put_u32(&mut info, 16, event.child.pid as u32);
            put_u32(&mut info, 20, event.child.credentials.borrow().uid);
            put_u32(&mut info, 24, status as u32);
            if c.args[4] != 0 {
                c.user().write(c.args[4], &usage_of(&c, event))?;
            }
        }
        if c.args[2] != 0 {
            c.user().write(c.args[2], &info)?;
        }
        Ok(0)
    })
}

fn usage_of(c: &Ctx, event: &ChildEvent) -> [u8; RUSAGE_SIZE] {
    rusage(c.server.times(&event.child).plus(event.child.child_times.get()), 0)
}

/// Size of `struct rusage`.
pub const RUSAGE_SIZE: usize = 144;

/// `struct rusage`: times and the number of page faults; the rest is not known.
pub fn rusage(times: Times, faults: u64) -> [u8; RUSAGE_SIZE] {
    let mut b = [0; RUSAGE_SIZE];
    b[..16].copy_from_slice(&to_timeval(times.user_ns));
    b[16..32].copy_from_slice(&to_timeval(times.system_ns));
    put_u64(&mut b, 64, faults);
    b
}
