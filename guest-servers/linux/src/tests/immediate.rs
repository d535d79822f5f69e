//! Calls that are answered where they are received, and when they are not.

use super::*;
use linux_raw_sys::general::*;

const CALLS: [(u32, u64); 14] = [
    (__NR_getpid, 0),
    (__NR_getppid, 0),
    (__NR_gettid, 0),
    (__NR_getuid, 0),
    (__NR_geteuid, 0),
    (__NR_getgid, 0),
    (__NR_getegid, 0),
    (__NR_getpgrp, 0),
    (__NR_setfsuid, 7),
    (__NR_setfsgid, 7),
    (__NR_umask, 0o123),
    (__NR_sched_yield, 0),
    (__NR_getpriority, 0),
    (__NR_set_tid_address, DATA),
];

fn at_once(w: &World, t: ThreadId, nr: u32, argument: u64) -> Option<u64> {
    w.server.answer_at_once(t, nr, argument, 0, || 0, |_, _| ())
}

#[test]
pub(super) fn both_ways_give_the_same_answer() {
    let (w, t) = World::new();
    let (_, child) = w.fork(t);
    for (nr, argument) in CALLS {
        let at_once = at_once(&w, child, nr, argument);
        let by_event = w.ok(child, nr, &[argument]);
        // Of umask the second answer is the first call's argument.
        let expected = if nr == __NR_umask { (Some(0o022), 0o123) } else { (Some(by_event), by_event) };
        assert_eq!((at_once, by_event), expected, "call {nr}");
    }
}

#[test]
pub(super) fn others_take_the_way_of_all_calls() {
    let (w, t) = World::new();
    for nr in [__NR_read, __NR_exit, __NR_uname] {
        assert_eq!(at_once(&w, t, nr, 0), None, "call {nr}");
    }
}

#[test]
pub(super) fn what_does_not_exist_is_refused_at_once() {
    let (w, t) = World::new();
    for nr in [__NR_io_uring_setup, 511, 512, u32::MAX] {
        let refused = at_once(&w, t, nr, 0).map(|value| value as i64);
        assert_eq!((refused, w.err(t, nr, &[])), (Some(-38), 38), "call {nr}");
    }
}

#[test]
pub(super) fn strangers_and_the_dead_get_no_answer() {
    let (w, t) = World::new();
    let (_, child) = w.fork(t);
    let stale = ThreadId::new(child.task(), child.lthread(), child.version() + 1);
    w.call(child, __NR_exit_group, &[0]);
    for id in
        [stale, child, ThreadId::new(child.task(), 5, 1), ThreadId::new(u16::MAX, 1023, 1), ThreadId::NIL]
    {
        assert_eq!(at_once(&w, id, __NR_getpid, 0), None, "{id:?}");
    }
    assert_eq!(at_once(&w, t, __NR_getpid, 0), Some(1));
}

#[test]
pub(super) fn not_while_a_signal_is_pending_or_the_process_stopped() {
    let (w, t) = World::new();
    let (pid, child) = w.fork(t);
    assert_eq!(at_once(&w, child, __NR_getpid, 0), Some(pid));
    w.ok(t, __NR_kill, &[pid, SIGSTOP.into()]);
    assert_eq!(at_once(&w, child, __NR_getpid, 0), None, "stopped");
    w.ok(t, __NR_kill, &[pid, SIGCONT.into()]);
    assert_eq!(at_once(&w, child, __NR_getpid, 0), Some(pid));
    w.store_u64(child, DATA, 1 << (SIGUSR1 - 1));
    w.ok(child, __NR_rt_sigprocmask, &[SIG_BLOCK.into(), DATA, 0, 8]);
    w.ok(t, __NR_kill, &[pid, SIGUSR1.into()]);
    assert_eq!(at_once(&w, child, __NR_getpid, 0), None, "it has to be looked at");
}

#[test]
pub(super) fn not_while_calls_are_traced() {
    let (w, t) = World::traced();
    assert_eq!(at_once(&w, t, __NR_getpid, 0), None);
    w.ok(t, __NR_getpid, &[]);
    assert!(w.machine.lines.borrow().iter().any(|l| l == "[pid 1] getpid() = 1"));
}

#[test]
pub(super) fn its_time_is_booked() {
    let (w, t) = World::new();
    w.server.meter.done(None, 0, 100);
    let value = w.server.answer_at_once(t, __NR_getpid, 0, 130, || 137, |_, _| ());
    assert_eq!(value, Some(1));
    let process = w.server.processes.get(1).unwrap();
    let times = w.server.times(&process);
    assert_eq!((times.user_ns, times.system_ns), (30, 7));
}
