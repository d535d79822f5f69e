//! The system as a whole: its name, its memory, random numbers, odds and ends.

use super::args::Arg::{Enum, Hex, Int, Out, Ptr, Str, Uint};
use super::{Ctx, Entry, SysResult};
use crate::bytes::{put_u16, put_u32, put_u64};
use crate::errno::Errno;
use crate::mm::PAGE;
use crate::signal::set::Signal;
use crate::time::NS_PER_SEC;
use core::cell::RefCell;
use linux_raw_sys::general::*;
use linux_raw_sys::prctl::*;

const PRCTL_NAMES: &[(u64, &str)] = &[
    (PR_SET_PDEATHSIG as u64, "PR_SET_PDEATHSIG"),
    (PR_GET_PDEATHSIG as u64, "PR_GET_PDEATHSIG"),
    (PR_GET_DUMPABLE as u64, "PR_GET_DUMPABLE"),
    (PR_SET_DUMPABLE as u64, "PR_SET_DUMPABLE"),
    (PR_SET_NAME as u64, "PR_SET_NAME"),
    (PR_GET_NAME as u64, "PR_GET_NAME"),
    (PR_SET_VMA as u64, "PR_SET_VMA"),
];

pub const CALLS: &[Entry] = &[
    Entry::sync(__NR_uname, "uname", &[Ptr], uname),
    Entry::sync(__NR_sethostname, "sethostname", &[Str, Uint], |_| Err(Errno::EPERM)).partial("EPERM"),
    Entry::sync(__NR_sysinfo, "sysinfo", &[Ptr], sysinfo),
    Entry::sync(__NR_getrandom, "getrandom", &[Out, Uint, Hex], getrandom),
    Entry::sync(__NR_prctl, "prctl", &[Enum(PRCTL_NAMES), Hex, Hex, Hex, Hex], prctl)
        .partial("PR_SET/GET_PDEATHSIG, _DUMPABLE, _NAME, _NO_NEW_PRIVS, _TIMERSLACK, PR_CAPBSET_READ"),
    Entry::sync(__NR_personality, "personality", &[Hex], personality).partial("always PER_LINUX"),
    Entry::sync(__NR_membarrier, "membarrier", &[Int, Hex, Int], membarrier)
        .partial("one processor: queries say that there is nothing to do it with"),
    Entry::sync(__NR_capget, "capget", &[Ptr, Ptr], capget).partial("root has all capabilities, others none"),
];

const FIELD: usize = 65;
const UTSNAME: [&str; 6] = ["Linux", "ukvmm", RELEASE, VERSION, "x86_64", "(none)"];
/// The version that programs are told: that of the interface that this is modelled on.
pub const RELEASE: &str = "6.1.0-ukvmm";
pub const VERSION: &str = "#1 SMP PREEMPT ukvmm";

fn uname(c: &Ctx) -> SysResult {
    let mut b = [0; 6 * FIELD];
    for (field, text) in b.chunks_exact_mut(FIELD).zip(UTSNAME) {
        field[..text.len()].copy_from_slice(text.as_bytes());
    }
    c.user().write(c.args[0], &b)?;
    Ok(0)
}

fn sysinfo(c: &Ctx) -> SysResult {
    let frames = &c.server.frames;
    let mut b = [0; 112];
    put_u64(&mut b, 0, c.server.machine.monotonic_ns() / NS_PER_SEC);
    put_u64(&mut b, 32, frames.total() as u64 * PAGE);
    put_u64(&mut b, 40, frames.free_frames() as u64 * PAGE);
    put_u16(&mut b, 80, c.server.processes.len().min(u16::MAX as usize) as u16);
    put_u32(&mut b, 104, 1);
    c.user().write(c.args[0], &b)?;
    Ok(0)
}

fn getrandom(c: &Ctx) -> SysResult {
    if c.uint(2) & !(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE) != 0 {
        return Err(Errno::EINVAL);
    }
    let mut sink = c.user().slice(c.args[0], c.args[1]);
    Ok(fill_random(&c.server.random, &mut sink)? as u64)
}

/// Fills a sink with random bytes. Returns how many.
pub fn fill_random(
    random: &RefCell<crate::random::Random>,
    sink: &mut dyn crate::buf::Sink,
) -> Result<usize, Errno> {
    let mut done = 0;
    let mut block = [0; 256];
    while sink.remaining() > 0 {
        let n = sink.remaining().min(block.len());
        random.borrow_mut().fill(&mut block[..n]);
        match sink.put(&block[..n]) {
            Ok(0) => break,
            Ok(put) => done += put,
            Err(e) if done == 0 => return Err(e),
            Err(_) => break,
        }
    }
    Ok(done)
}

fn prctl(c: &Ctx) -> SysResult {
    let arg = c.args[1];
    match c.uint(0) {
        PR_SET_PDEATHSIG => {
            let signal = if arg == 0 { None } else { Some(Signal::new(arg).ok_or(Errno::EINVAL)?) };
            c.proc.death_signal.set(signal);
        }
        PR_GET_PDEATHSIG => {
            let number = c.proc.death_signal.get().map_or(0, |s| s.number() as u32);
            c.user().write_u32(arg, number)?;
        }
        PR_SET_NAME => {
            let name = c.user().read_str(arg, 16).or_else(|e| match e {
                Errno::ENAMETOOLONG => c.user().read_array::<15>(arg).map(Into::into),
                e => Err(e),
            })?;
            c.proc.set_comm(&name);
            c.server.tell_name(&c.proc, &c.thread);
        }
        PR_GET_NAME => c.user().write(arg, &c.proc.comm.get())?,
        PR_GET_DUMPABLE => return Ok(1),
        PR_SET_DUMPABLE if arg <= 1 => {}
        PR_SET_NO_NEW_PRIVS if arg == 1 => {}
        PR_GET_NO_NEW_PRIVS => return Ok(0),
        PR_SET_TIMERSLACK => {}
        PR_GET_TIMERSLACK => return Ok(50_000),
        PR_CAPBSET_READ if arg < 64 => return Ok(1),
        _ => {
            c.server.trace.missing_flag(c, "prctl option");
            return Err(Errno::EINVAL);
        }
    }
    Ok(0)
}

fn personality(c: &Ctx) -> SysResult {
    match c.uint(0) {
        0 | u32::MAX => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

fn membarrier(c: &Ctx) -> SysResult {
    match c.int(0) {
        0 => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// `_LINUX_CAPABILITY_VERSION_3`: two sets of 32 bits each.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

fn capget(c: &Ctx) -> SysResult {
    if c.user().read_u32(c.args[0])? != CAPABILITY_VERSION {
        c.user().write_u32(c.args[0], CAPABILITY_VERSION)?;
        return if c.args[1] == 0 { Ok(0) } else { Err(Errno::EINVAL) };
    }
    if c.args[1] != 0 {
        let root = c.proc.credentials.borrow().is_root();
        let (low, high) = if root { (u32::MAX, 0x1ff) } else { (0, 0) };
        let mut b = [0; 24];
        for (i, word) in [low, low, 0, high, high, 0].into_iter().enumerate() {
            put_u32(&mut b, 4 * i, word);
        }
        c.user().write(c.args[1], &b)?;
    }
    Ok(0)
}
