//! Threads: futexes, thread-local storage, and what libc tells about its threads.

use super::args::Arg::{Enum, Hex, Int, Ptr, Uint};
use super::immediate::Immediate;
use super::{Ctx, Entry, Pending, SysResult};
use crate::errno::Errno;
use crate::exec::{Either, select};
use crate::futex::Place;
use crate::mm::TASK_SIZE;
use crate::time::timespec_ns;
use alloc::boxed::Box;
use linux_raw_sys::general::*;

const ARCH_SET_GS: u32 = 0x1001;
const ARCH_SET_FS: u32 = 0x1002;
const ARCH_GET_FS: u32 = 0x1003;
const ARCH_GET_GS: u32 = 0x1004;
const ARCH_NAMES: &[(u64, &str)] = &[
    (ARCH_SET_GS as u64, "ARCH_SET_GS"),
    (ARCH_SET_FS as u64, "ARCH_SET_FS"),
    (ARCH_GET_FS as u64, "ARCH_GET_FS"),
    (ARCH_GET_GS as u64, "ARCH_GET_GS"),
];
const FUTEX_NAMES: &[(u64, &str)] = &[
    (0, "FUTEX_WAIT"),
    (1, "FUTEX_WAKE"),
    (128, "FUTEX_WAIT_PRIVATE"),
    (129, "FUTEX_WAKE_PRIVATE"),
    (137, "FUTEX_WAIT_BITSET_PRIVATE"),
    (265, "FUTEX_WAIT_BITSET|FUTEX_CLOCK_REALTIME"),
    (393, "FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME"),
];

pub const CALLS: &[Entry] = &[
    Entry::wait(__NR_futex, "futex", &[Ptr, Enum(FUTEX_NAMES), Uint, Ptr, Ptr, Uint], futex)
        .partial("no priority inheritance, no FUTEX_WAKE_OP"),
    Entry::immediate(__NR_set_tid_address, "set_tid_address", &[Ptr], set_tid_address),
    Entry::sync(__NR_set_robust_list, "set_robust_list", &[Ptr, Uint], set_robust_list)
        .partial("the list is kept, but not walked when the thread ends"),
    Entry::sync(__NR_get_robust_list, "get_robust_list", &[Int, Ptr, Ptr], get_robust_list)
        .partial("only the caller's own"),
    Entry::sync(__NR_arch_prctl, "arch_prctl", &[Enum(ARCH_NAMES), Hex], arch_prctl)
        .partial("no ARCH_SET_GS, CPUID faulting, CET"),
];

/// Size of `struct robust_list_head`.
const ROBUST_LIST_HEAD: u64 = 24;

fn futex(c: Ctx) -> Pending {
    Box::pin(async move {
        let op = c.uint(1);
        let [addr, _, _, timeout, addr2, _] = c.args;
        let (value, futexes) = (c.uint(2), &c.server.futexes);
        if !addr.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        let place = |addr| {
            let of = if op & FUTEX_PRIVATE_FLAG != 0 { Place::private } else { Place::of };
            of(&c.proc.mm(), addr)
        };
        match op & !(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME) {
            FUTEX_WAIT => wait(&c, place(addr), value, relative(&c, timeout)?, u32::MAX).await,
            FUTEX_WAIT_BITSET => {
                let deadline = absolute(&c, timeout, op & FUTEX_CLOCK_REALTIME != 0)?;
                wait(&c, place(addr), value, deadline, c.uint(5)).await
            }
            FUTEX_WAKE => Ok(futexes.wake(&place(addr), value, u32::MAX) as u64),
            FUTEX_WAKE_BITSET if c.uint(5) != 0 => Ok(futexes.wake(&place(addr), value, c.uint(5)) as u64),
            FUTEX_REQUEUE | FUTEX_CMP_REQUEUE => {
                let compares = op & !FUTEX_PRIVATE_FLAG == FUTEX_CMP_REQUEUE;
                if compares && c.user().read_u32(addr)? != c.uint(5) {
                    return Err(Errno::EAGAIN);
                }
                let woken = futexes.wake(&place(addr), value, u32::MAX);
                let moved = futexes.requeue(&place(addr), &place(addr2), timeout as u32);
                Ok((woken + moved) as u64)
            }
            FUTEX_WAKE_BITSET => Err(Errno::EINVAL),
            _ => {
                c.server.trace.missing_flag(&c, "futex operation");
                Err(Errno::ENOSYS)
            }
        }
    })
}

fn relative(c: &Ctx, timeout: u64) -> Result<Option<u64>, Errno> {
    if timeout == 0 {
        return Ok(None);
    }
    let ns = timespec_ns(&c.user().read_array(timeout)?)?;
    Ok(Some(c.server.machine.monotonic_ns().saturating_add(ns)))
}

/// A time of the monotonic or of the wall clock as one of the monotonic.
fn absolute(c: &Ctx, timeout: u64, realtime: bool) -> Result<Option<u64>, Errno> {
    if timeout == 0 {
        return Ok(None);
    }
    let at = timespec_ns(&c.user().read_array(timeout)?)?;
    if !realtime {
        return Ok(Some(at));
    }
    let left = at.saturating_sub(c.server.machine.wall_ns());
    Ok(Some(c.server.machine.monotonic_ns().saturating_add(left)))
}

async fn wait(c: &Ctx, place: Place, value: u32, deadline: Option<u64>, bits: u32) -> SysResult {
    if bits == 0 {
        return Err(Errno::EINVAL);
    }
    if c.user().read_u32(c.args[0])? != value {
        return Err(Errno::EAGAIN);
    }
    let registration = c.server.futexes.register(place, bits);
    let waiter = &registration.waiter;
    while !waiter.is_woken() {
        let late = c.server.timers.sleep_until_some(deadline);
        match c.interruptible(select(waiter.queue().wait(), late)).await? {
            Either::First(()) => {}
            Either::Second(()) => return Err(Errno::ETIMEDOUT),
        }
    }
    Ok(0)
}

fn set_tid_address(c: &Immediate) -> u64 {
    c.thread.clear_child_tid.set(c.argument);
    c.thread.tid as u64
}

fn set_robust_list(c: &Ctx) -> SysResult {
    if c.args[1] != ROBUST_LIST_HEAD {
        return Err(Errno::EINVAL);
    }
    c.thread.robust_list.set((c.args[0], c.args[1]));
    Ok(0)
}

fn get_robust_list(c: &Ctx) -> SysResult {
    if c.int(0) != 0 && c.int(0) != c.thread.tid {
        return Err(Errno::EPERM);
    }
    let (head, size) = c.thread.robust_list.get();
    c.user().write_u64(c.args[2], size)?;
    c.user().write_u64(c.args[1], head)?;
    Ok(0)
}

fn arch_prctl(c: &Ctx) -> SysResult {
    let (machine, l4) = (&c.server.machine, c.thread.l4.get());
    let base = c.args[1];
    match c.uint(0) {
        ARCH_SET_FS if base >= TASK_SIZE => Err(Errno::EPERM),
        ARCH_SET_FS => {
            machine.set_fs_base(l4, base)?;
            Ok(0)
        }
        ARCH_SET_GS => {
            c.server.trace.missing_flag(c, "ARCH_SET_GS");
            Err(Errno::EINVAL)
        }
        ARCH_GET_FS => c.user().write_u64(base, machine.state(l4)?.fs_base).map(|()| 0),
        ARCH_GET_GS => c.user().write_u64(base, machine.state(l4)?.gs_base).map(|()| 0),
        _ => Err(Errno::EINVAL),
    }
}
