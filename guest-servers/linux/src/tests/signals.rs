//! Signals: sending, handlers, restarting, job control, timers.

use super::{CODE, DATA, Fault, World};
use crate::bytes::put_u64;
use linux_raw_sys::general::*;
use ukernel_abi::{Rights, ThreadId};

const HANDLER: u64 = CODE + 0x800;
const RESTORER: u64 = CODE + 0x900;
const SA: u64 = 0x0400_0000;
const MS: u64 = 1_000_000;

pub(super) fn handle(w: &World, t: ThreadId, signal: u32, flags: u64, mask: u64) {
    let mut action = [0; 32];
    put_u64(&mut action, 0, HANDLER);
    put_u64(&mut action, 8, SA | flags);
    put_u64(&mut action, 16, RESTORER);
    put_u64(&mut action, 24, mask);
    w.store(t, DATA + 0x700, &action).unwrap();
    w.ok(t, __NR_rt_sigaction, &[signal as u64, DATA + 0x700, 0, 8]);
}

/// Returns from a handler as the restorer does.
pub(super) fn sigreturn(w: &World, t: ThreadId) {
    w.machine.change(t, |m| {
        m.state.regs.rsp += 8;
        m.state.regs.rip = RESTORER;
    });
    w.call(t, __NR_rt_sigreturn, &[]);
}

pub(super) fn in_handler(w: &World, t: ThreadId) -> Option<u64> {
    let regs = w.regs(t);
    (regs.rip == HANDLER).then_some(regs.rdi)
}

#[test]
pub(super) fn a_handler_runs_and_everything_is_as_before() {
    let (w, t) = World::new();
    handle(&w, t, SIGUSR1, SA_SIGINFO as u64, 0);
    w.machine.change(t, |m| {
        m.state.regs.rbx = 0x1111;
        m.state.regs.r15 = 0x2222;
        m.state.fpu.0[160] = 0xab;
        m.state.regs.rflags = 0x246 | 1 << 10;
    });
    let before = w.regs(t);
    assert_eq!(w.call(t, __NR_kill, &[1, SIGUSR1 as u64]), None);
    let r = w.regs(t);
    assert_eq!((r.rip, r.rdi), (HANDLER, SIGUSR1 as u64));
    assert_eq!(r.rsp % 16, 8, "as after a call");
    assert!(r.rsp + 440 + 512 <= before.rsp - 128, "the red zone is left alone");
    assert_eq!(r.rflags & (1 << 10), 0);
    assert_eq!(w.load_u64(t, r.rsp), RESTORER);
    assert_eq!(w.load_u32(t, r.rsi), SIGUSR1, "si_signo");
    assert_eq!(w.load_u32(t, r.rsi + 16), 1, "si_pid");
    assert_eq!(w.load_u64(t, r.rdx + 40 + 16 * 8), before.rip + 2, "rip in the ucontext");
    let fpstate = w.load_u64(t, r.rdx + 224);
    assert_eq!(fpstate % 64, 0);
    assert_eq!(w.load(t, fpstate + 160, 1).unwrap(), [0xab]);
    assert_eq!(w.machine.thread(t).unwrap().state.fpu.0[160], 0);
    w.machine.change(t, |m| m.state.regs.rbx = 0);
    sigreturn(&w, t);
    let after = w.regs(t);
    assert_eq!((after.rip, after.rax), (before.rip + 2, 0), "kill returned 0");
    assert_eq!((after.rbx, after.r15, after.rsp), (0x1111, 0x2222, before.rsp));
    assert_eq!(w.machine.thread(t).unwrap().state.fpu.0[160], 0xab);
}

#[test]
pub(super) fn the_signal_is_blocked_in_its_handler() {
    let (w, t) = World::new();
    handle(&w, t, SIGUSR1, 0, 1 << (SIGUSR2 - 1));
    w.call(t, __NR_kill, &[1, SIGUSR1 as u64]);
    let rsp = w.regs(t).rsp;
    w.machine.change(t, |m| m.state.regs.rip += 0x10);
    assert_eq!(w.call(t, __NR_kill, &[1, SIGUSR1 as u64]), Some(0));
    assert_eq!(w.call(t, __NR_kill, &[1, SIGUSR2 as u64]), Some(0));
    assert_eq!(w.regs(t).rsp, rsp);
    w.ok(t, __NR_rt_sigpending, &[DATA, 8]);
    assert_eq!(w.load_u64(t, DATA), 1 << (SIGUSR1 - 1) | 1 << (SIGUSR2 - 1));
    sigreturn(&w, t);
    assert_eq!(in_handler(&w, t), Some(SIGUSR1 as u64), "the second one, which blocks SIGUSR2 again");
    sigreturn(&w, t);
    assert!(w.is_gone(t), "SIGUSR2 has no handler");
    assert_eq!(w.machine.exit.get(), Some(128 + SIGUSR2 as u8));
}

#[test]
pub(super) fn nodefer_and_resethand() {
    let (w, t) = World::new();
    handle(&w, t, SIGUSR1, (SA_NODEFER | SA_RESETHAND) as u64, 0);
    w.call(t, __NR_kill, &[1, SIGUSR1 as u64]);
    assert_eq!(in_handler(&w, t), Some(SIGUSR1 as u64));
    w.call(t, __NR_kill, &[1, SIGUSR1 as u64]);
    assert!(w.is_gone(t));
}

#[test]
pub(super) fn a_fault_can_be_caught_on_another_stack() {
    let (w, t) = World::new();
    let mut stack = [0; 24];
    put_u64(&mut stack, 0, DATA + 0x2000);
    put_u64(&mut stack, 16, 0x3000);
    w.store(t, DATA, &stack).unwrap();
    w.ok(t, __NR_sigaltstack, &[DATA, 0]);
    handle(&w, t, SIGSEGV, (SA_SIGINFO | SA_ONSTACK) as u64, 0);
    let before = w.regs(t);
    w.machine.change(t, |m| m.state.regs.rsp = 0x10);
    assert_eq!(w.access(t, 0xdead_0000, Rights::W), Err(Fault::Signal(SIGSEGV as u64)));
    let r = w.regs(t);
    assert!(r.rsp > DATA + 0x2000 && r.rsp < DATA + 0x5000);
    assert_eq!(w.load_u32(t, r.rsi + 8), 1, "SEGV_MAPERR");
    assert_eq!(w.load_u64(t, r.rsi + 16), 0xdead_0000, "si_addr");
    assert_eq!(w.load_u64(t, r.rdx + 40 + 16 * 8), before.rip, "the instruction is made again");
    assert_eq!(w.err(t, __NR_sigaltstack, &[DATA, 0]), 1, "in use");
    sigreturn(&w, t);
    assert_eq!(w.regs(t).rsp, 0x10);
    assert_eq!(w.access(t, CODE, Rights::W), Err(Fault::Signal(SIGSEGV as u64)));
    assert_eq!(w.load_u32(t, w.regs(t).rsi + 8), 2, "SEGV_ACCERR");
}

#[test]
pub(super) fn a_handler_without_a_stack_is_the_end() {
    let (w, t) = World::new();
    handle(&w, t, SIGSEGV, 0, 0);
    handle(&w, t, SIGUSR1, 0, 0);
    w.machine.change(t, |m| m.state.regs.rsp = 0x7fff_ffff_0000);
    w.call(t, __NR_kill, &[1, SIGUSR1 as u64]);
    assert!(w.is_gone(t));
    assert_eq!(w.machine.exit.get(), Some(128 + 11));
}

#[test]
pub(super) fn a_blocked_fault_ends_the_program() {
    let (w, t) = World::new();
    handle(&w, t, SIGSEGV, 0, 0);
    w.store_u64(t, DATA, 1 << (SIGSEGV - 1));
    w.ok(t, __NR_rt_sigprocmask, &[0, DATA, 0, 8]);
    assert_eq!(w.access(t, 0, Rights::R), Err(Fault::Dead));
}

#[test]
pub(super) fn exceptions_are_signals() {
    for (vector, signal) in [(0, SIGFPE), (6, SIGILL), (13, SIGSEGV), (3, SIGTRAP), (17, SIGBUS)] {
        let (w, t) = World::new();
        handle(&w, t, signal, 0, 0);
        w.exception(t, vector);
        assert_eq!(in_handler(&w, t), Some(signal as u64));
        let (w, t) = World::new();
        w.exception(t, vector);
        assert_eq!(w.machine.exit.get(), Some(128 + signal as u8), "{t:?}");
    }
}

#[test]
pub(super) fn hostile_sigreturns() {
    for rsp in [0, 8, u64::MAX, 0x7fff_0000_0000, CODE] {
        let (w, t) = World::new();
        w.machine.change(t, |m| m.state.regs.rsp = rsp);
        w.call(t, __NR_rt_sigreturn, &[]);
        // Zeros from the code are a frame too: then it goes on at address 0.
        assert!(w.is_gone(t) || w.regs(t).rip == 0, "{rsp:#x}");
    }
    let (w, t) = World::new();
    handle(&w, t, SIGUSR1, 0, 0);
    w.call(t, __NR_kill, &[1, SIGUSR1 as u64]);
    let uc = w.regs(t).rdx;
    w.store_u64(t, uc + 40 + 16 * 8, 0xffff_8000_0000_0000);
    sigreturn(&w, t);
    assert_eq!(w.machine.exit.get(), Some(128 + 11), "a kernel address");
}

#[test]
pub(super) fn sleep_is_interrupted_by_a_handler() {
    let (w, t) = World::new();
    handle(&w, t, SIGALRM, SA_RESTART as u64, 0);
    w.ok(t, __NR_alarm, &[1]);
    w.store(t, DATA, &crate::time::to_timespec(10_000 * MS)).unwrap();
    assert_eq!(w.call(t, __NR_nanosleep, &[DATA, DATA + 16]), None);
    assert_eq!(w.server.next_deadline(), Some(w.machine.now.get() + 1000 * MS));
    w.sleep(1000 * MS);
    assert_eq!(in_handler(&w, t), Some(SIGALRM as u64));
    sigreturn(&w, t);
    assert_eq!(w.regs(t).rax as i64, -4, "EINTR even with SA_RESTART");
    assert_eq!(w.load_u64(t, DATA + 16), 9);
}

#[test]
pub(super) fn sleep_ends_in_time() {
    let (w, t) = World::new();
    w.store(t, DATA, &crate::time::to_timespec(5 * MS)).unwrap();
    let rip = w.regs(t).rip + 2;
    assert_eq!(w.call(t, __NR_nanosleep, &[DATA, 0]), None);
    w.sleep(4 * MS);
    assert_eq!(w.result(t, rip), None);
    w.sleep(MS);
    assert_eq!(w.result(t, rip), Some(0));
}

#[test]
pub(super) fn a_stopped_sleep_goes_on_where_it_was() {
    let (w, t) = World::new();
    let (pid, child) = w.fork(t);
    w.store(child, DATA, &crate::time::to_timespec(1000 * MS)).unwrap();
    let rip = w.regs(child).rip;
    assert_eq!(w.call(child, __NR_nanosleep, &[DATA, 0]), None);
    w.ok(t, __NR_kill, &[pid, SIGTSTP as u64]);
    assert_eq!(
        w.call(t, __NR_wait4, &[pid, 0, (WUNTRACED | WNOHANG) as u64, 0]),
        Some(0),
        "an orphaned group"
    );
    w.ok(t, __NR_setpgid, &[pid, pid]);
    // The ignored signal has made the call start again.
    assert_eq!(w.call(child, __NR_restart_syscall, &[]), None);
    w.ok(t, __NR_kill, &[pid, SIGTSTP as u64]);
    assert_eq!(w.call(t, __NR_wait4, &[pid, DATA, WUNTRACED as u64, 0]), Some(pid));
    assert_eq!(w.load_u32(t, DATA), SIGTSTP << 8 | 0x7f);
    w.sleep(100 * MS);
    w.ok(t, __NR_kill, &[pid, SIGCONT as u64]);
    assert_eq!(w.call(t, __NR_wait4, &[pid, DATA, WCONTINUED as u64, 0]), Some(pid));
    assert_eq!(w.load_u32(t, DATA), 0xffff);
    let r = w.regs(child);
    assert_eq!((r.rip, r.rax), (rip, __NR_restart_syscall as u64), "the call is made again");
    assert_eq!(w.call(child, __NR_restart_syscall, &[]), None);
    w.sleep(900 * MS);
    assert_eq!(w.result(child, rip + 2), Some(0));
}

#[test]
pub(super) fn wait_is_restarted_if_the_handler_wants_it() {
    for (flags, restarts) in [(SA_RESTART as u64, true), (0, false)] {
        let (w, t) = World::new();
        let (_, child) = w.fork(t);
        handle(&w, t, SIGUSR1, flags, 0);
        let rip = w.regs(t).rip;
        assert_eq!(w.call(t, __NR_wait4, &[u64::MAX, 0, 0, 0]), None);
        w.ok(child, __NR_kill, &[1, SIGUSR1 as u64]);
        assert_eq!(in_handler(&w, t), Some(SIGUSR1 as u64));
        sigreturn(&w, t);
        let r = w.regs(t);
        if restarts {
            assert_eq!((r.rip, r.rax), (rip, __NR_wait4 as u64));
        } else {
            assert_eq!((r.rip, r.rax as i64), (rip + 2, -4));
        }
    }
}

#[test]
pub(super) fn a_running_program_is_interrupted() {
    let (w, t) = World::new();
    let (pid, child) = w.fork(t);
    handle(&w, child, SIGUSR1, 0, 0);
    let rip = w.regs(child).rip;
    w.ok(t, __NR_kill, &[pid, SIGUSR1 as u64]);
    assert_eq!(in_handler(&w, child), Some(SIGUSR1 as u64));
    sigreturn(&w, child);
    assert_eq!(w.regs(child).rip, rip);
    w.ok(t, __NR_kill, &[pid, SIGSTOP as u64]);
    assert!(w.machine.thread(child).unwrap().stopped);
    w.ok(t, __NR_kill, &[pid, SIGUSR1 as u64]);
    assert!(w.machine.thread(child).unwrap().stopped, "it takes the signal when it is continued");
    w.ok(t, __NR_kill, &[pid, SIGCONT as u64]);
    assert_eq!(in_handler(&w, child), Some(SIGUSR1 as u64));
    w.ok(t, __NR_kill, &[pid, SIGKILL as u64]);
    assert!(w.is_gone(child));
    assert_eq!(w.call(t, __NR_wait4, &[pid, DATA, 0, 0]), Some(pid));
    assert_eq!(w.load_u32(t, DATA), 9);
}

#[test]
pub(super) fn a_stopped_process_can_be_killed() {
    let (w, t) = World::new();
    let (pid, child) = w.fork(t);
    w.ok(t, __NR_kill, &[pid, SIGSTOP as u64]);
    w.ok(t, __NR_kill, &[pid, SIGTERM as u64]);
    assert!(!w.is_gone(child), "SIGTERM waits");
    w.ok(t, __NR_kill, &[pid, SIGKILL as u64]);
    assert!(w.is_gone(child));
}

#[test]
pub(super) fn sigchld_and_its_flags() {
    let (w, t) = World::new();
    handle(&w, t, SIGCHLD, SA_SIGINFO as u64, 0);
    let (pid, child) = w.fork(t);
    w.call(child, __NR_exit_group, &[3]);
    assert_eq!(in_handler(&w, t), Some(SIGCHLD as u64));
    let info = w.regs(t).rsi;
    assert_eq!(
        (w.load_u32(t, info + 8), w.load_u32(t, info + 16) as u64, w.load_u32(t, info + 24)),
        (1, pid, 3)
    );
    sigreturn(&w, t);
    // Who does not care about children need not wait for them.
    handle(&w, t, SIGCHLD, SA_NOCLDWAIT as u64, 0);
    let (_, child) = w.fork(t);
    w.call(child, __NR_exit_group, &[0]);
    sigreturn(&w, t);
    assert_eq!(w.ok(t, __NR_wait4, &[u64::MAX, 0, 0, 0]), pid);
    assert_eq!(w.err(t, __NR_wait4, &[u64::MAX, 0, 0, 0]), 10);
}

#[test]
pub(super) fn sigsuspend_lets_through_and_restores() {
    let (w, t) = World::new();
    handle(&w, t, SIGUSR1, 0, 0);
    w.store_u64(t, DATA, 1 << (SIGUSR1 - 1));
    w.ok(t, __NR_rt_sigprocmask, &[2, DATA, 0, 8]);
    w.ok(t, __NR_kill, &[1, SIGUSR1 as u64]);
    assert_eq!(in_handler(&w, t), None);
    w.store_u64(t, DATA + 8, 0);
    assert_eq!(w.call(t, __NR_rt_sigsuspend, &[DATA + 8, 8]), None);
    assert_eq!(in_handler(&w, t), Some(SIGUSR1 as u64));
    sigreturn(&w, t);
    assert_eq!(w.regs(t).rax as i64, -4);
    w.ok(t, __NR_rt_sigprocmask, &[0, 0, DATA, 8]);
    assert_eq!(w.load_u64(t, DATA), 1 << (SIGUSR1 - 1));
}

#[test]
pub(super) fn sigtimedwait_takes_a_blocked_signal_or_gives_up() {
    let (w, t) = World::new();
    let (pid, child) = w.fork(t);
    w.store_u64(child, DATA, 1 << (SIGUSR1 - 1));
    w.ok(child, __NR_rt_sigprocmask, &[0, DATA, 0, 8]);
    let rip = w.regs(child).rip + 2;
    assert_eq!(w.call(child, __NR_rt_sigtimedwait, &[DATA, DATA + 0x100, 0, 8]), None);
    w.ok(t, __NR_kill, &[pid, SIGUSR1 as u64]);
    assert_eq!(w.result(child, rip), Some(SIGUSR1 as u64));
    assert_eq!(w.load_u32(child, DATA + 0x100), SIGUSR1);
    w.store(child, DATA + 16, &crate::time::to_timespec(MS)).unwrap();
    let rip = w.regs(child).rip + 2;
    assert_eq!(w.call(child, __NR_rt_sigtimedwait, &[DATA, 0, DATA + 16, 8]), None);
    w.sleep(2 * MS);
    assert_eq!(w.result(child, rip).map(|v| v as i64), Some(-11));
}

#[test]
pub(super) fn interval_timers_repeat() {
    let (w, t) = World::new();
    handle(&w, t, SIGALRM, 0, 0);
    let timer = [crate::time::to_timeval(10 * MS), crate::time::to_timeval(5 * MS)].concat();
    w.store(t, DATA, &timer).unwrap();
    w.ok(t, __NR_setitimer, &[0, DATA, 0]);
    for step in [5, 10, 10] {
        w.sleep(step * MS);
        assert_eq!(in_handler(&w, t), Some(SIGALRM as u64), "after {step} ms");
        sigreturn(&w, t);
    }
    w.store(t, DATA, &[0; 32]).unwrap();
    w.ok(t, __NR_setitimer, &[0, DATA, DATA + 64]);
    assert_eq!(w.load_u64(t, DATA + 64 + 8), 10_000, "the interval it had");
    w.sleep(100 * MS);
    assert_eq!(in_handler(&w, t), None);
    assert_eq!(w.server.next_deadline(), None);
}

#[test]
pub(super) fn bad_signal_numbers() {
    let (w, t) = World::new();
    for number in [65, 1000, u64::MAX] {
        assert_eq!(w.err(t, __NR_kill, &[1, number]), 22, "{number}");
        assert_eq!(w.err(t, __NR_rt_sigaction, &[number, 0, 0, 8]), 22);
        assert_eq!(w.err(t, __NR_tgkill, &[1, 1, number]), 22);
    }
    handle(&w, t, SIGUSR1, 0, 0);
    for unblockable in [SIGKILL, SIGSTOP] {
        assert_eq!(w.err(t, __NR_rt_sigaction, &[unblockable as u64, DATA + 0x700, 0, 8]), 22);
    }
    assert_eq!(w.err(t, __NR_kill, &[12345, 15]), 3);
    assert_eq!(w.err(t, __NR_kill, &[i32::MIN as u64, 15]), 3);
}

#[test]
pub(super) fn no_other_process_can_end_or_stop_the_first() {
    let (w, t) = World::new();
    let (_, child) = w.fork(t);
    for signal in [SIGHUP, SIGTERM, SIGKILL, SIGSTOP, SIGTSTP, SIGABRT] {
        let signal = u64::from(signal);
        assert_eq!(w.ok(child, __NR_kill, &[1, signal]), 0);
        assert_eq!(w.ok(child, __NR_tkill, &[1, signal]), 0);
        assert_eq!(w.ok(child, __NR_tgkill, &[1, 1, signal]), 0);
        assert!(!w.machine.thread(t).expect("still there").stopped);
    }
    assert_eq!(w.ok(t, __NR_getpid, &[]), 1);
    // What it handles, it gets, and what it sends to itself.
    handle(&w, t, SIGTERM, 0, 0);
    w.ok(child, __NR_kill, &[1, SIGTERM as u64]);
    assert_eq!(in_handler(&w, t), Some(SIGTERM as u64));
    sigreturn(&w, t);
    assert_eq!(w.call(t, __NR_kill, &[1, SIGKILL as u64]), None);
    assert!(w.is_gone(t));
}
