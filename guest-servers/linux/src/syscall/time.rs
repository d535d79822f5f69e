//! Clocks, sleeping, interval timers.

use super::args::Arg::{Enum, Int, Ptr, Timespec, TimespecOut, Uint};
use super::{Ctx, Entry, Pending, SysResult};
use crate::errno::Errno;
use crate::process::thread::RestartBlock;
use crate::time::{NS_PER_SEC, TIMESPEC_SIZE, timespec_ns, timeval_ns, to_timespec, to_timeval};
use alloc::boxed::Box;
use linux_raw_sys::general::*;

const CLOCK_NAMES: &[(u64, &str)] = &[
    (CLOCK_REALTIME as u64, "CLOCK_REALTIME"),
    (CLOCK_MONOTONIC as u64, "CLOCK_MONOTONIC"),
    (CLOCK_PROCESS_CPUTIME_ID as u64, "CLOCK_PROCESS_CPUTIME_ID"),
    (CLOCK_THREAD_CPUTIME_ID as u64, "CLOCK_THREAD_CPUTIME_ID"),
    (CLOCK_MONOTONIC_RAW as u64, "CLOCK_MONOTONIC_RAW"),
    (CLOCK_REALTIME_COARSE as u64, "CLOCK_REALTIME_COARSE"),
    (CLOCK_MONOTONIC_COARSE as u64, "CLOCK_MONOTONIC_COARSE"),
    (CLOCK_BOOTTIME as u64, "CLOCK_BOOTTIME"),
];
const TIMER_NAMES: &[(u64, &str)] = &[(0, "ITIMER_REAL"), (1, "ITIMER_VIRTUAL"), (2, "ITIMER_PROF")];

pub const CALLS: &[Entry] = &[
    Entry::sync(__NR_clock_gettime, "clock_gettime", &[Enum(CLOCK_NAMES), TimespecOut], clock_gettime)
        .partial("no CPU clocks of other processes, no CLOCK_TAI, no alarm clocks"),
    Entry::sync(__NR_clock_getres, "clock_getres", &[Enum(CLOCK_NAMES), TimespecOut], clock_getres),
    Entry::sync(__NR_clock_settime, "clock_settime", &[Enum(CLOCK_NAMES), Timespec], |_| Err(Errno::EPERM))
        .partial("the clock is the host's and cannot be set: EPERM"),
    Entry::sync(__NR_settimeofday, "settimeofday", &[Ptr, Ptr], |_| Err(Errno::EPERM))
        .partial("the clock is the host's and cannot be set: EPERM"),
    Entry::sync(__NR_gettimeofday, "gettimeofday", &[Ptr, Ptr], gettimeofday),
    Entry::sync(__NR_time, "time", &[Ptr], time),
    Entry::wait(__NR_nanosleep, "nanosleep", &[Timespec, Ptr], nanosleep),
    Entry::wait(
        __NR_clock_nanosleep,
        "clock_nanosleep",
        &[Enum(CLOCK_NAMES), Int, Timespec, Ptr],
        clock_nanosleep,
    )
    .partial("no CPU clocks"),
    Entry::wait(__NR_restart_syscall, "restart_syscall", &[], restart_syscall),
    Entry::sync(__NR_alarm, "alarm", &[Uint], alarm),
    Entry::sync(__NR_setitimer, "setitimer", &[Enum(TIMER_NAMES), Ptr, Ptr], setitimer)
        .partial("ITIMER_REAL only"),
    Entry::sync(__NR_getitimer, "getitimer", &[Enum(TIMER_NAMES), Ptr], getitimer)
        .partial("ITIMER_REAL only"),
];

/// What a clock shows, in nanoseconds.
fn clock(c: &Ctx, id: u32) -> Result<u64, Errno> {
    Ok(match id {
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE => c.server.machine.wall_ns(),
        CLOCK_MONOTONIC | CLOCK_MONOTONIC_RAW | CLOCK_MONOTONIC_COARSE | CLOCK_BOOTTIME => {
            c.server.machine.monotonic_ns()
        }
        CLOCK_PROCESS_CPUTIME_ID | CLOCK_THREAD_CPUTIME_ID => {
            let times = c.server.times(&c.proc);
            times.user_ns.saturating_add(times.system_ns)
        }
        _ => return Err(Errno::EINVAL),
    })
}

fn clock_gettime(c: &Ctx) -> SysResult {
    let now = clock(c, c.uint(0))?;
    c.user().write(c.args[1], &to_timespec(now))?;
    Ok(0)
}

fn clock_getres(c: &Ctx) -> SysResult {
    clock(c, c.uint(0))?;
    if c.args[1] != 0 {
        c.user().write(c.args[1], &to_timespec(1))?;
    }
    Ok(0)
}

fn gettimeofday(c: &Ctx) -> SysResult {
    if c.args[0] != 0 {
        c.user().write(c.args[0], &to_timeval(c.server.machine.wall_ns()))?;
    }
    if c.args[1] != 0 {
        // struct timezone: Greenwich.
        c.user().write(c.args[1], &[0; 8])?;
    }
    Ok(0)
}

fn time(c: &Ctx) -> SysResult {
    let seconds = c.server.machine.wall_ns() / NS_PER_SEC;
    if c.args[0] != 0 {
        c.user().write_u64(c.args[0], seconds)?;
    }
    Ok(seconds)
}

fn nanosleep(c: Ctx) -> Pending {
    Box::pin(async move {
        let ns = timespec_ns(&c.user().read_array(c.args[0])?)?;
        let deadline = c.server.machine.monotonic_ns().saturating_add(ns);
        sleep(&c, deadline, c.args[1]).await
    })
}

fn clock_nanosleep(c: Ctx) -> Pending {
    Box::pin(async move {
        let id = c.uint(0);
        if !matches!(id, CLOCK_REALTIME | CLOCK_MONOTONIC | CLOCK_BOOTTIME) {
            return Err(if id <= CLOCK_TAI { Errno::EOPNOTSUPP } else { Errno::EINVAL });
        }
        let ns = timespec_ns(&c.user().read_array(c.args[2])?)?;
        let now = c.server.machine.monotonic_ns();
        if c.uint(1) & TIMER_ABSTIME == 0 {
            return sleep(&c, now.saturating_add(ns), c.args[3]).await;
        }
        // The wall clock cannot be set, so it runs as the monotonic one does.
        let left = ns.saturating_sub(clock(&c, id)?);
        match c.interruptible(c.server.timers.sleep_until(now.saturating_add(left))).await {
            Ok(()) => Ok(0),
            Err(_) => Err(Errno::ERESTARTNOHAND),
        }
    })
}

/// Sleeps until `deadline` of the monotonic clock. When interrupted, tells what is left, and where to go on.
async fn sleep(c: &Ctx, deadline: u64, remaining: u64) -> SysResult {
    if c.interruptible(c.server.timers.sleep_until(deadline)).await.is_ok() {
        return Ok(0);
    }
    let left = deadline.saturating_sub(c.server.machine.monotonic_ns());
    if left == 0 {
        return Ok(0);
    }
    if remaining != 0 {
        c.user().write(remaining, &to_timespec(left))?;
    }
    c.thread.restart.set(Some(RestartBlock::Nanosleep { deadline, remaining }));
    Err(Errno::ERESTART_RESTARTBLOCK)
}

fn restart_syscall(c: Ctx) -> Pending {
    Box::pin(async move {
        match c.thread.restart.take() {
            Some(RestartBlock::Nanosleep { deadline, remaining }) => sleep(&c, deadline, remaining).await,
            None => Err(Errno::EINTR),
        }
    })
}

fn alarm(c: &Ctx) -> SysResult {
    let now = c.server.machine.monotonic_ns();
    let (left, _) = c.proc.real_timer.borrow().remaining(now);
    c.server.set_real_timer(c.proc.pid, c.uint(0) as u64 * NS_PER_SEC, 0)?;
    // As Linux: rounded, but something that is left is at least one second.
    Ok(if left == 0 { 0 } else { ((left + NS_PER_SEC / 2) / NS_PER_SEC).max(1) })
}

/// `struct itimerval` is interval, then value.
fn write_timer(c: &Ctx, addr: u64, (left, interval): (u64, u64)) -> Result<(), Errno> {
    let mut b = [0; 2 * TIMESPEC_SIZE];
    b[..TIMESPEC_SIZE].copy_from_slice(&to_timeval(interval));
    b[TIMESPEC_SIZE..].copy_from_slice(&to_timeval(left));
    c.user().write(addr, &b)
}

fn check_timer(c: &Ctx) -> Result<(), Errno> {
    match c.uint(0) {
        ITIMER_REAL => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

fn getitimer(c: &Ctx) -> SysResult {
    check_timer(c)?;
    let now = c.server.machine.monotonic_ns();
    let timer = c.proc.real_timer.borrow().remaining(now);
    write_timer(c, c.args[1], timer)?;
    Ok(0)
}

fn setitimer(c: &Ctx) -> SysResult {
    check_timer(c)?;
    let (interval, value) = match c.args[1] {
        0 => (0, 0),
        at => {
            let second = at.checked_add(TIMESPEC_SIZE as u64).ok_or(Errno::EFAULT)?;
            (timeval_ns(&c.user().read_array(at)?)?, timeval_ns(&c.user().read_array(second)?)?)
        }
    };
    let now = c.server.machine.monotonic_ns();
    let old = c.proc.real_timer.borrow().remaining(now);
    c.server.set_real_timer(c.proc.pid, value, interval)?;
    if c.args[2] != 0 {
        write_timer(c, c.args[2], old)?;
    }
    Ok(0)
}
