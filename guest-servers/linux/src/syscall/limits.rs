//! Limits and usage of resources, scheduling.

use super::args::Arg::{Int, Ptr, Uint};
use super::process::rusage;
use super::{Ctx, Entry, SysResult};
use crate::bytes::{put_u64, u64_at};
use crate::errno::Errno;
use crate::fs::fd_table::MAX_LIMIT;
use crate::process::Process;
use crate::process::limits::Limit;
use crate::time::{CLOCK_TICKS, NS_PER_SEC};
use alloc::rc::Rc;
use linux_raw_sys::general::*;

pub const CALLS: &[Entry] = &[
    Entry::sync(__NR_getrlimit, "getrlimit", &[Uint, Ptr], |c| prlimit(c, 0, c.uint(0), 0, c.args[1])),
    Entry::sync(__NR_setrlimit, "setrlimit", &[Uint, Ptr], |c| prlimit(c, 0, c.uint(0), c.args[1], 0))
        .partial("RLIMIT_NOFILE, RLIMIT_STACK and RLIMIT_FSIZE are enforced, the others only kept"),
    Entry::sync(__NR_prlimit64, "prlimit64", &[Int, Uint, Ptr, Ptr], |c| {
        prlimit(c, c.int(0), c.uint(1), c.args[2], c.args[3])
    })
    .partial("as setrlimit"),
    Entry::sync(__NR_getrusage, "getrusage", &[Int, Ptr], getrusage).partial("times and page faults only"),
    Entry::sync(__NR_times, "times", &[Ptr], times),
    Entry::immediate(__NR_sched_yield, "sched_yield", &[], |_| 0),
    Entry::sync(__NR_sched_getaffinity, "sched_getaffinity", &[Int, Uint, Ptr], sched_getaffinity),
    Entry::sync(__NR_sched_setaffinity, "sched_setaffinity", &[Int, Uint, Ptr], sched_setaffinity)
        .partial("there is one processor"),
    Entry::sync(__NR_sched_getscheduler, "sched_getscheduler", &[Int], |c| {
        target(c, c.int(0)).map(|_| SCHED_NORMAL as u64)
    }),
    Entry::sync(__NR_sched_getparam, "sched_getparam", &[Int, Ptr], sched_getparam),
    Entry::sync(__NR_sched_get_priority_max, "sched_get_priority_max", &[Int], |c| priority_range(c, 99)),
    Entry::sync(__NR_sched_get_priority_min, "sched_get_priority_min", &[Int], |c| priority_range(c, 1)),
    Entry::immediate(__NR_getpriority, "getpriority", &[Int, Int], |_| 20)
        .partial("everybody's niceness is 0"),
    Entry::immediate(__NR_setpriority, "setpriority", &[Int, Int, Int], |_| 0).partial("does nothing"),
    Entry::sync(__NR_getcpu, "getcpu", &[Ptr, Ptr], getcpu),
];

fn target(c: &Ctx, pid: i32) -> Result<Rc<Process>, Errno> {
    match pid {
        0 => Ok(c.proc.clone()),
        p if p < 0 => Err(Errno::EINVAL),
        p => c.server.processes.find(p),
    }
}

fn prlimit(c: &Ctx, pid: i32, resource: u32, new: u64, old: u64) -> SysResult {
    let process = target(c, pid)?;
    let current = process.limits.borrow().get(resource).ok_or(Errno::EINVAL)?;
    if new != 0 {
        let b: [u8; 16] = c.user().read_array(new)?;
        let wish = Limit { soft: u64_at(&b, 0), hard: u64_at(&b, 8) };
        if wish.soft > wish.hard {
            return Err(Errno::EINVAL);
        }
        let more_files = resource == RLIMIT_NOFILE && wish.hard > MAX_LIMIT as u64;
        if more_files || wish.hard > current.hard && !c.proc.credentials.borrow().is_root() {
            return Err(Errno::EPERM);
        }
        process.limits.borrow_mut().set(resource, wish);
        match resource {
            RLIMIT_NOFILE => process.files().set_limit(usize::try_from(wish.soft).unwrap_or(usize::MAX)),
            RLIMIT_STACK => process.mm().space.borrow_mut().stack_limit = wish.soft,
            _ => {}
        }
    }
    if old != 0 {
        let mut b = [0; 16];
        put_u64(&mut b, 0, current.soft);
        put_u64(&mut b, 8, current.hard);
        c.user().write(old, &b)?;
    }
    Ok(0)
}

fn getrusage(c: &Ctx) -> SysResult {
    let (times, faults) = match c.int(0) {
        0 | 1 => (c.server.times(&c.proc), c.proc.mm().space.borrow().fault_count),
        -1 => (c.proc.child_times.get(), 0),
        _ => return Err(Errno::EINVAL),
    };
    c.user().write(c.args[1], &rusage(times, faults))?;
    Ok(0)
}

fn ticks(ns: u64) -> u64 {
    ns / (NS_PER_SEC / CLOCK_TICKS)
}

fn times(c: &Ctx) -> SysResult {
    if c.args[0] != 0 {
        let (own, children) = (c.server.times(&c.proc), c.proc.child_times.get());
        let mut b = [0; 32];
        let fields = [own.user_ns, own.system_ns, children.user_ns, children.system_ns];
        for (i, ns) in fields.into_iter().enumerate() {
            put_u64(&mut b, 8 * i, ticks(ns));
        }
        c.user().write(c.args[0], &b)?;
    }
    Ok(ticks(c.server.machine.monotonic_ns()))
}

fn sched_getaffinity(c: &Ctx) -> SysResult {
    target(c, c.int(0))?;
    if c.uint(1) < 8 || !c.uint(1).is_multiple_of(8) {
        return Err(Errno::EINVAL);
    }
    c.user().write_u64(c.args[2], 1)?;
    Ok(8)
}

fn sched_setaffinity(c: &Ctx) -> SysResult {
    target(c, c.int(0))?;
    let mut mask = [0; 8];
    let n = (c.uint(1) as usize).min(8);
    c.user().read(c.args[2], &mut mask[..n])?;
    if mask[0] & 1 == 0 { Err(Errno::EINVAL) } else { Ok(0) }
}

fn sched_getparam(c: &Ctx) -> SysResult {
    target(c, c.int(0))?;
    c.user().write_u32(c.args[1], 0)?;
    Ok(0)
}

/// Real-time policies have priorities, the others only 0.
fn priority_range(c: &Ctx, realtime: u64) -> SysResult {
    match c.uint(0) {
        SCHED_FIFO | SCHED_RR => Ok(realtime),
        SCHED_NORMAL | SCHED_BATCH | SCHED_IDLE => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

fn getcpu(c: &Ctx) -> SysResult {
    for at in [c.args[0], c.args[1]] {
        if at != 0 {
            c.user().write_u32(at, 0)?;
        }
    }
    Ok(0)
}
