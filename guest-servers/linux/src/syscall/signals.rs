//! Signals.

use super::args::Arg::Signal as SignalArg;
use super::args::Arg::{
    Enum, Int, Ptr, SigAction as ActionArg, SigActionOut, SigSet as SetArg, SigSetOut, Timespec, Uint,
};
use super::{Ctx, Entry, Pending, SysResult};
use crate::errno::Errno;
use crate::exec::{Either, select};
use crate::process::{Pid, Process};
use crate::signal::action::{SIGACTION_SIZE, SigAction};
use crate::signal::altstack::AltStack;
use crate::signal::info::{Detail, SI_TKILL, SIGINFO_SIZE, SigInfo};
use crate::signal::set::{SigSet, Signal};
use crate::time::timespec_ns;
use crate::trampoline::Doing;
use alloc::boxed::Box;
use alloc::rc::Rc;
use linux_raw_sys::general::*;

const HOW_NAMES: &[(u64, &str)] = &[(0, "SIG_BLOCK"), (1, "SIG_UNBLOCK"), (2, "SIG_SETMASK")];

pub const CALLS: &[Entry] = &[
    Entry::sync(__NR_rt_sigaction, "rt_sigaction", &[SignalArg, ActionArg, SigActionOut, Uint], rt_sigaction),
    Entry::sync(
        __NR_rt_sigprocmask,
        "rt_sigprocmask",
        &[Enum(HOW_NAMES), SetArg, SigSetOut, Uint],
        rt_sigprocmask,
    ),
    Entry::sync(__NR_rt_sigpending, "rt_sigpending", &[SigSetOut, Uint], rt_sigpending),
    Entry::wait(__NR_rt_sigsuspend, "rt_sigsuspend", &[SetArg, Uint], rt_sigsuspend),
    Entry::wait(__NR_rt_sigtimedwait, "rt_sigtimedwait", &[SetArg, Ptr, Timespec, Uint], rt_sigtimedwait),
    Entry::sync(__NR_sigaltstack, "sigaltstack", &[Ptr, Ptr], sigaltstack),
    Entry::sync(__NR_kill, "kill", &[Int, SignalArg], kill),
    Entry::sync(__NR_tkill, "tkill", &[Int, SignalArg], |c| thread_kill(c, None, c.int(0), c.args[1])),
    Entry::sync(__NR_tgkill, "tgkill", &[Int, Int, SignalArg], |c| {
        thread_kill(c, Some(c.int(0)), c.int(1), c.args[2])
    }),
    Entry::sync(__NR_rt_sigqueueinfo, "rt_sigqueueinfo", &[Int, SignalArg, Ptr], rt_sigqueueinfo),
    Entry::sync(__NR_rt_tgsigqueueinfo, "rt_tgsigqueueinfo", &[Int, Int, SignalArg, Ptr], rt_tgsigqueueinfo),
    Entry::wait(__NR_pause, "pause", &[], pause),
];

/// Signal sets are passed with their size, which must be that of 64 signals.
fn check_set_size(size: u64) -> Result<(), Errno> {
    if size == 8 { Ok(()) } else { Err(Errno::EINVAL) }
}

fn signal(number: u64) -> Result<Signal, Errno> {
    // An int: the upper half of the register has no meaning.
    Signal::new(number & 0xffff_ffff).ok_or(Errno::EINVAL)
}

/// Signal 0 is none: only the right to send is checked.
fn signal_or_none(number: u64) -> Result<Option<Signal>, Errno> {
    if number as u32 == 0 { Ok(None) } else { signal(number).map(Some) }
}

fn rt_sigaction(c: &Ctx) -> SysResult {
    check_set_size(c.args[3])?;
    let signal = signal(c.args[0])?;
    let old = c.proc.actions.borrow().get(signal);
    if c.args[1] != 0 {
        if Signal::UNBLOCKABLE.contains(signal) {
            return Err(Errno::EINVAL);
        }
        let action = SigAction::from_bytes(&c.user().read_array::<SIGACTION_SIZE>(c.args[1])?);
        c.proc.actions.borrow_mut().set(signal, action);
        if c.proc.actions.borrow().ignores(signal) {
            let set = SigSet::one(signal);
            c.proc.pending.borrow_mut().discard(set);
            c.proc.threads.borrow().iter().for_each(|t| t.pending.borrow_mut().discard(set));
        }
    }
    if c.args[2] != 0 {
        c.user().write(c.args[2], &old.to_bytes())?;
    }
    Ok(0)
}

fn rt_sigprocmask(c: &Ctx) -> SysResult {
    check_set_size(c.args[3])?;
    let old = c.thread.mask.get();
    if c.args[1] != 0 {
        let set = SigSet(c.user().read_u64(c.args[1])?);
        let new = match c.uint(0) {
            SIG_BLOCK => old.union(set),
            SIG_UNBLOCK => old.without(set),
            SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL),
        };
        c.thread.mask.set(new.without(Signal::UNBLOCKABLE));
    }
    if c.args[2] != 0 {
        c.user().write_u64(c.args[2], old.0)?;
    }
    Ok(0)
}

fn rt_sigpending(c: &Ctx) -> SysResult {
    if c.args[1] > 8 {
        return Err(Errno::EINVAL);
    }
    let pending = c.thread.pending.borrow().set().union(c.proc.pending.borrow().set());
    let blocked = pending.intersection(c.thread.mask.get());
    c.user().write(c.args[0], &blocked.0.to_le_bytes()[..c.args[1] as usize])?;
    Ok(0)
}

fn rt_sigsuspend(c: Ctx) -> Pending {
    Box::pin(async move {
        check_set_size(c.args[1])?;
        let mask = SigSet(c.user().read_u64(c.args[0])?);
        c.thread.set_temporary_mask(mask);
        if !c.thread.deliverable(&c.proc).is_empty() {
            c.thread.interrupt.raise();
        }
        sleep_for_signal(&c).await
    })
}

fn pause(c: Ctx) -> Pending {
    Box::pin(async move { sleep_for_signal(&c).await })
}

/// Waits until a handler has run.
async fn sleep_for_signal(c: &Ctx) -> SysResult {
    match c.interruptible(core::future::pending::<SysResult>()).await {
        Ok(never) => never,
        Err(_) => Err(Errno::ERESTARTNOHAND),
    }
}

fn rt_sigtimedwait(c: Ctx) -> Pending {
    Box::pin(async move {
        check_set_size(c.args[3])?;
        let wanted = SigSet(c.user().read_u64(c.args[0])?).without(Signal::UNBLOCKABLE);
        let deadline = match c.args[2] {
            0 => None,
            at => Some(c.server.timers.now().saturating_add(timespec_ns(&c.user().read_array(at)?)?)),
        };
        loop {
            let taken = c.thread.pending.borrow_mut().take(wanted);
            if let Some(info) = taken.or_else(|| c.proc.pending.borrow_mut().take(wanted)) {
                if c.args[1] != 0 {
                    c.user().write(c.args[1], &info.to_bytes())?;
                }
                return Ok(info.signal.number() as u64);
            }
            let sent = c.proc.signal_sent.wait();
            let late = c.server.timers.sleep_until_some(deadline);
            match c.interruptible(select(sent, late)).await {
                Ok(Either::First(())) => {}
                Ok(Either::Second(())) => return Err(Errno::EAGAIN),
                // A signal of the set that is not blocked is taken here and not delivered.
                Err(_) if !c.thread.deliverable(&c.proc).intersection(wanted).is_empty() => {}
                Err(_) => return Err(Errno::EINTR),
            }
        }
    })
}

fn sigaltstack(c: &Ctx) -> SysResult {
    let old = c.thread.alt_stack.get();
    let regs = c.server.program_regs(&c.thread, &c.proc, Doing::Call)?;
    if c.args[0] != 0 {
        if old.contains(regs.rsp) {
            return Err(Errno::EPERM);
        }
        c.thread.alt_stack.set(AltStack::from_bytes(&c.user().read_array(c.args[0])?)?);
    }
    if c.args[1] != 0 {
        c.user().write(c.args[1], &old.to_bytes(regs.rsp))?;
    }
    Ok(0)
}

fn check_permission(c: &Ctx, target: &Process, signal: Option<Signal>) -> Result<(), Errno> {
    let same_session = signal == Some(Signal::SIGCONT) && target.sid.get() == c.proc.sid.get();
    if same_session || c.proc.credentials.borrow().may_signal(&target.credentials.borrow()) {
        Ok(())
    } else {
        Err(Errno::EPERM)
    }
}

/// Process 1 gets from others only the signals that it handles: no process can end or stop the first, with which the system ends
/// (pid_namespaces(7), Linux's SIGNAL_UNKILLABLE). What it sends to itself, faults and the terminal's keys do
/// what they do to all.
fn is_spared(c: &Ctx, target: &Process, signal: Signal) -> bool {
    let action = || target.actions.borrow().get(signal);
    target.pid == 1 && c.proc.pid != 1 && signal != Signal::SIGCONT && action().is_default()
}

fn send(c: &Ctx, target: &Rc<Process>, signal: Option<Signal>) -> Result<(), Errno> {
    check_permission(c, target, signal)?;
    match signal {
        Some(signal) if is_spared(c, target, signal) => Ok(()),
        Some(signal) => {
            let uid = c.proc.credentials.borrow().uid;
            c.server.send_signal(target, SigInfo::user(signal, c.proc.pid, uid))
        }
        None => Ok(()),
    }
}

fn kill(c: &Ctx) -> SysResult {
    let signal = signal_or_none(c.args[1])?;
    let targets = match c.int(0) {
        i32::MIN => return Err(Errno::ESRCH),
        pid if pid > 0 => return send(c, &c.server.processes.find(pid)?, signal).map(|()| 0),
        0 => c.server.processes.group(c.proc.pgid.get()),
        -1 => {
            let mut all = c.server.processes.all();
            all.retain(|p| p.pid != 1 && p.pid != c.proc.pid);
            all
        }
        group => c.server.processes.group(-group),
    };
    // Success if one of them could be sent it.
    let mut result = Err(Errno::ESRCH);
    for target in &targets {
        match send(c, target, signal) {
            Ok(()) => result = Ok(0),
            Err(e) if result == Err(Errno::ESRCH) => result = Err(e),
            Err(_) => {}
        }
    }
    result
}

fn thread_kill(c: &Ctx, tgid: Option<Pid>, tid: Pid, number: u64) -> SysResult {
    if tid <= 0 || tgid.is_some_and(|t| t <= 0) {
        return Err(Errno::EINVAL);
    }
    let signal = signal_or_none(number)?;
    let detail = Detail::Sender { pid: c.proc.pid, uid: c.proc.credentials.borrow().uid };
    send_thread(c, tgid, tid, signal, |signal| SigInfo { signal, code: SI_TKILL, detail })
}

fn send_thread(
    c: &Ctx,
    tgid: Option<Pid>,
    tid: Pid,
    signal: Option<Signal>,
    info: impl FnOnce(Signal) -> SigInfo,
) -> SysResult {
    let Some(thread) = c.server.processes.thread_by_tid(tid) else {
        // A zombie can still be sent signals.
        c.server.processes.find(tid)?;
        return Ok(0);
    };
    let process = thread.process.upgrade().ok_or(Errno::ESRCH)?;
    if tgid.is_some_and(|t| t != process.pid) {
        return Err(Errno::ESRCH);
    }
    check_permission(c, &process, signal)?;
    if let Some(signal) = signal.filter(|&signal| !is_spared(c, &process, signal)) {
        c.server.send_thread_signal(&thread, info(signal))?;
    }
    Ok(0)
}

/// What a program claims about a signal that it queues. Only to itself may it say what it likes.
fn queued_info(c: &Ctx, target: Pid, signal: Signal, addr: u64) -> Result<SigInfo, Errno> {
    let info = SigInfo::from_queue(signal, &c.user().read_array::<SIGINFO_SIZE>(addr)?);
    if (info.code >= 0 || info.code == SI_TKILL) && target != c.proc.pid {
        return Err(Errno::EPERM);
    }
    Ok(info)
}

fn rt_sigqueueinfo(c: &Ctx) -> SysResult {
    let target = c.server.processes.find(c.int(0))?;
    let Some(signal) = signal_or_none(c.args[1])? else { return Ok(0) };
    let info = queued_info(c, target.pid, signal, c.args[2])?;
    check_permission(c, &target, Some(signal))?;
    if !is_spared(c, &target, signal) {
        c.server.send_signal(&target, info)?;
    }
    Ok(0)
}

fn rt_tgsigqueueinfo(c: &Ctx) -> SysResult {
    let (tgid, tid) = (c.int(0), c.int(1));
    if tgid <= 0 || tid <= 0 {
        return Err(Errno::EINVAL);
    }
    let Some(signal) = signal_or_none(c.args[2])? else { return Ok(0) };
    let info = queued_info(c, tgid, signal, c.args[3])?;
    send_thread(c, Some(tgid), tid, Some(signal), |_| info)
}
