//! fork, exec, exit, wait, process groups.

use super::{CODE, DATA, World, archive, elf};
use linux_raw_sys::general::*;
use ukernel_abi::ThreadId;

const ANY: u64 = u64::MAX;
const ECHILD: i64 = 10;
const ENOENT: i64 = 2;

fn wait(w: &World, t: ThreadId, which: u64, options: u32) -> Option<u64> {
    w.call(t, __NR_wait4, &[which, DATA, options as u64, 0])
}

#[test]
pub(super) fn a_parent_hears_of_its_child() {
    let (w, t) = World::new();
    assert_eq!(w.err(t, __NR_wait4, &[ANY, 0, 0, 0]), ECHILD);
    let (pid, child) = w.fork(t);
    assert_eq!(w.ok(child, __NR_getppid, &[]), 1);
    assert_eq!(w.ok(child, __NR_getpid, &[]), pid);
    assert_eq!(wait(&w, t, ANY, WNOHANG), Some(0));
    let rip = w.regs(t).rip + 2;
    assert_eq!(wait(&w, t, ANY, 0), None, "waits");
    w.call(child, __NR_exit_group, &[3]);
    assert!(w.is_gone(child));
    assert_eq!(w.result(t, rip), Some(pid));
    assert_eq!(w.load_u32(t, DATA), 3 << 8);
    assert_eq!(w.err(t, __NR_wait4, &[ANY, 0, 0, 0]), ECHILD);
    assert_eq!(w.server.processes.len(), 1);
}

#[test]
pub(super) fn zombies_wait_for_their_parent() {
    let (w, t) = World::new();
    let (pid, child) = w.fork(t);
    let (other, second) = w.fork(t);
    w.call(child, __NR_exit, &[1]);
    w.call(second, __NR_exit, &[2]);
    assert_eq!(w.ok(t, __NR_kill, &[pid, 0]), 0, "still there");
    assert_eq!(wait(&w, t, other, 0), Some(other));
    assert_eq!(w.load_u32(t, DATA), 2 << 8);
    assert_eq!(wait(&w, t, pid, 0), Some(pid));
    assert_eq!(w.err(t, __NR_kill, &[pid, 0]), 3);
}

#[test]
pub(super) fn waitid_tells_what_happened_and_can_leave_it() {
    let (w, t) = World::new();
    let (pid, child) = w.fork(t);
    w.call(child, __NR_exit_group, &[7]);
    for options in [WEXITED | WNOWAIT, WEXITED] {
        w.ok(t, __NR_waitid, &[1, pid, DATA, options as u64, 0]);
        assert_eq!((w.load_u32(t, DATA), w.load_u32(t, DATA + 8)), (17, 1));
        assert_eq!((w.load_u32(t, DATA + 16) as u64, w.load_u32(t, DATA + 24)), (pid, 7));
    }
    assert_eq!(w.err(t, __NR_waitid, &[0, 0, DATA, WEXITED as u64, 0]), ECHILD);
}

#[test]
pub(super) fn orphans_need_nobody_to_wait_for_them() {
    let (w, t) = World::new();
    let (_, child) = w.fork(t);
    let (_, zombie) = w.fork(child);
    let (orphan, thread) = w.fork(child);
    w.call(zombie, __NR_exit_group, &[0]);
    w.call(child, __NR_exit_group, &[0]);
    assert_eq!(w.ok(thread, __NR_getppid, &[]), 1);
    w.ok(t, __NR_kill, &[orphan, 0]);
    w.call(thread, __NR_exit_group, &[9]);
    assert_eq!(w.err(t, __NR_kill, &[orphan, 0]), 3);
    wait(&w, t, ANY, 0).unwrap();
    assert_eq!(w.err(t, __NR_wait4, &[ANY, 0, 0, 0]), ECHILD);
    assert_eq!(w.server.processes.len(), 1);
}

#[test]
pub(super) fn the_machine_ends_with_the_first_program() {
    let (w, t) = World::new();
    let (_, child) = w.fork(t);
    w.call(child, __NR_exit_group, &[9]);
    assert_eq!(w.machine.exit.get(), None);
    w.call(t, __NR_exit_group, &[42]);
    assert_eq!(w.machine.exit.get(), Some(42));
}

#[test]
pub(super) fn everything_is_given_back() {
    let (w, t) = World::new();
    let mut free = None;
    for _ in 0..3 {
        let (pid, child) = w.fork(t);
        for page in 0..8 {
            w.store(child, DATA + page * 4096, b"x").unwrap();
        }
        w.call(child, __NR_exit_group, &[0]);
        assert_eq!(wait(&w, t, pid, 0), Some(pid));
        let now = w.server.frames.free_frames();
        assert_eq!(*free.get_or_insert(now), now);
    }
    assert_eq!(w.machine.tasks.borrow().len(), 1);
    assert_eq!(w.machine.threads.borrow().len(), 1);
    assert!(w.server.executor.is_empty());
}

#[test]
pub(super) fn a_vfork_child_runs_in_its_parents_memory_until_it_execs() {
    let (w, t) = World::new();
    let rip = w.regs(t).rip + 2;
    assert_eq!(w.call(t, __NR_vfork, &[]), None, "the parent waits");
    let child = w.newest();
    assert_eq!(child.task(), t.task());
    w.store(child, DATA, b"/bin/prog\0").unwrap();
    assert_eq!(w.result(t, rip), None);
    assert_eq!(w.call(child, __NR_execve, &[DATA, 0, 0]), None);
    let pid = w.result(t, rip).expect("the parent goes on");
    assert_eq!(w.load(t, DATA, 9).unwrap(), b"/bin/prog", "what the child wrote is there");
    assert!(w.is_gone(child));
    let moved = w.newest();
    assert_ne!(moved.task(), t.task());
    assert_eq!(w.regs(moved).rip, CODE + 0x100);
    assert_eq!(w.ok(moved, __NR_getpid, &[]), pid);
    // Its memory is its own now.
    w.store(moved, DATA, b"mine").unwrap();
    assert_eq!(w.load(t, DATA, 4).unwrap(), b"/bin");
    w.call(moved, __NR_exit_group, &[0]);
    assert_eq!(wait(&w, t, pid, 0), Some(pid));
}

#[test]
pub(super) fn a_vfork_child_that_exits_releases_its_parent() {
    let (w, t) = World::new();
    let rip = w.regs(t).rip + 2;
    w.call(t, __NR_vfork, &[]);
    let child = w.newest();
    w.call(child, __NR_exit, &[5]);
    let pid = w.result(t, rip).unwrap();
    assert_eq!(wait(&w, t, pid, 0), Some(pid));
    assert_eq!(w.load_u32(t, DATA), 5 << 8);
    w.ok(t, __NR_munmap, &[DATA, 4096]);
}

#[test]
pub(super) fn clone_sets_what_it_is_asked_to() {
    let (w, t) = World::new();
    let flags = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID | CLONE_SETTLS | SIGCHLD;
    let pid = w.ok(t, __NR_clone, &[flags as u64, 0, DATA, DATA + 8, 0x1234_5000]);
    let child = w.newest();
    assert_eq!(w.load_u32(t, DATA) as u64, pid);
    assert_eq!(w.load_u32(t, DATA + 8), 0);
    assert_eq!(w.load_u32(child, DATA + 8) as u64, pid);
    assert_eq!(w.machine.thread(child).unwrap().state.fs_base, 0x1234_5000);
    for bad in [CLONE_THREAD, CLONE_SIGHAND, CLONE_NEWPID] {
        assert_eq!(w.err(t, __NR_clone, &[bad as u64, 0, 0, 0, 0]), 22);
    }
    assert_eq!(w.err(t, __NR_clone3, &[DATA, 88]), 38);
}

#[test]
pub(super) fn threads_share_and_wait_for_each_other() {
    let (w, t) = World::new();
    let flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_CHILD_CLEARTID;
    w.store(t, DATA, &1u32.to_le_bytes()).unwrap();
    let tid = w.ok(t, __NR_clone, &[flags as u64, DATA + 0x4000, 0, DATA, 0]);
    let thread = w.newest();
    assert_eq!(w.regs(thread).rsp, DATA + 0x4000);
    assert_eq!((w.ok(thread, __NR_getpid, &[]), w.ok(thread, __NR_gettid, &[])), (1, tid));
    // pthread_join: wait until the word is cleared.
    let rip = w.regs(t).rip + 2;
    assert_eq!(w.call(t, __NR_futex, &[DATA, FUTEX_WAIT as u64, 1, 0, 0, 0]), None);
    w.call(thread, __NR_exit, &[0]);
    assert!(w.is_gone(thread));
    assert_eq!(w.result(t, rip), Some(0));
    assert_eq!(w.load_u32(t, DATA), 0);
    assert_eq!(w.machine.exit.get(), None);
}

#[test]
pub(super) fn a_futex_in_shared_memory_is_one_for_all() {
    let (w, t) = World::new();
    let (rw, shared) = ((PROT_READ | PROT_WRITE) as u64, (MAP_SHARED | MAP_ANONYMOUS) as u64);
    let at = w.ok(t, __NR_mmap, &[0, 8192, rw, shared, u64::MAX, 0]);
    let (_, child) = w.fork(t);
    let moved = w.ok(child, __NR_mremap, &[at, 8192, 16384, MREMAP_MAYMOVE as u64, 0]);
    let wake = |thread, addr, op: u32| w.ok(thread, __NR_futex, &[addr, op as u64, 9, 0, 0, 0]);

    let rip = w.regs(t).rip + 2;
    assert_eq!(w.call(t, __NR_futex, &[at + 4, FUTEX_WAIT as u64, 0, 0, 0, 0]), None, "waits");
    assert_eq!(wake(child, moved, FUTEX_WAKE), 0, "another word");
    assert_eq!(wake(child, moved + 4, FUTEX_WAKE | FUTEX_PRIVATE_FLAG), 0, "that of the process alone");
    assert_eq!(wake(child, moved + 4, FUTEX_WAKE), 1);
    assert_eq!(w.result(t, rip), Some(0));
}

#[test]
pub(super) fn a_futex_in_memory_of_ones_own_is_nobody_elses() {
    let (w, t) = World::new();
    let flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
    w.ok(t, __NR_clone, &[flags as u64, DATA + 0x4000, 0, 0, 0]);
    let thread = w.newest();
    w.store(t, DATA, &[0; 4]).unwrap();
    let (_, child) = w.fork(t);
    let wait = |op: u32| w.call(t, __NR_futex, &[DATA, op as u64, 0, 0, 0, 0]);
    let wake = |thread| w.ok(thread, __NR_futex, &[DATA, FUTEX_WAKE as u64, 9, 0, 0, 0]);
    let rip = w.regs(t).rip + 2;
    assert_eq!(wait(FUTEX_WAIT), None, "waits");
    assert_eq!(wake(child), 0);
    assert_eq!(wake(thread), 1);
    assert_eq!(w.result(t, rip), Some(0));
}

#[test]
pub(super) fn fork_fails_when_there_are_no_tasks() {
    let (w, t) = World::new();
    w.machine.task_quota.set(3);
    let children: Vec<_> = (0..3).map(|_| w.fork(t)).collect();
    assert_eq!(w.err(t, __NR_fork, &[]), 11, "EAGAIN");
    for (_, child) in children {
        w.call(child, __NR_exit_group, &[0]);
    }
    w.fork(t);
}

#[test]
pub(super) fn fork_until_memory_is_gone() {
    let (w, t) = World::with(3000, &[("bin/prog", &elf())], &["/bin/prog"]);
    let mut children = Vec::new();
    let error = loop {
        let result = w.call(t, __NR_fork, &[]).unwrap() as i64;
        if result < 0 {
            break result;
        }
        children.push(w.newest());
        assert!(children.len() < 4096);
    };
    assert!(error == -11 || error == -12, "{error}");
    assert!(children.len() > 10);
    let before = children.len();
    for child in children {
        w.call(child, __NR_exit_group, &[0]);
        wait(&w, t, ANY, 0).unwrap();
    }
    assert!(before > 10 && w.server.processes.len() == 1);
    w.fork(t);
}

#[test]
pub(super) fn exec_replaces_the_program() {
    let (w, t) = World::new();
    w.store(t, DATA, b"/bin/prog\0/bin/none\0").unwrap();
    assert_eq!(w.err(t, __NR_execve, &[DATA + 10, 0, 0]), ENOENT);
    assert_eq!(w.load(t, DATA, 4).unwrap(), b"/bin", "a failure changes nothing");
    w.store_u64(t, DATA + 0x100, DATA);
    w.store_u64(t, DATA + 0x108, DATA + 1);
    w.store_u64(t, DATA + 0x110, 0);
    assert_eq!(w.call(t, __NR_execve, &[DATA, DATA + 0x100, 0]), None);
    assert_eq!(w.regs(t).rip, CODE + 0x100);
    assert_eq!(w.load_u64(t, w.regs(t).rsp), 2);
    assert_eq!(w.load(t, DATA, 4).unwrap(), b"data");
    assert_eq!(w.ok(t, __NR_getpid, &[]), 1);
}

#[test]
pub(super) fn scripts_are_run_by_their_interpreters() {
    let files: &[(&str, &[u8])] = &[
        ("bin/prog", &elf()),
        ("bin/script", b"#!/bin/prog -x\nrest"),
        ("bin/loop", b"#!/bin/loop\n"),
        ("bin/none", b"#!/bin/missing\n"),
        ("bin/text", b"no program at all"),
    ];
    let (w, t) = World::with(16384, files, &["/bin/script", "arg"]);
    let rsp = w.regs(t).rsp;
    assert_eq!(w.load_u64(t, rsp), 4);
    let arg = |i: u64| {
        let at = w.load_u64(t, rsp + 8 + 8 * i);
        let bytes = w.load(t, at, 16).unwrap();
        bytes.split(|b| *b == 0).next().unwrap().to_vec()
    };
    assert_eq!([arg(0), arg(1), arg(2), arg(3)], [&b"/bin/prog"[..], b"-x", b"/bin/script", b"arg"]);
    for (path, error) in [("/bin/loop\0", 40), ("/bin/none\0", ENOENT), ("/bin/text\0", 8), ("/bin\0", 13)] {
        w.store(t, DATA, path.as_bytes()).unwrap();
        assert_eq!(w.err(t, __NR_execve, &[DATA, 0, 0]), error, "{path}");
    }
}

#[test]
pub(super) fn hostile_programs_are_not_run() {
    let good = elf();
    let mut cases = Vec::new();
    for at in (0..64).chain(64..176) {
        for value in [0, 0xff, 0x80] {
            let mut bad = good.clone();
            bad[at] = value;
            cases.push(bad);
        }
    }
    cases.extend((0..200).step_by(7).map(|len| good[..len].to_vec()));
    for (i, bad) in cases.into_iter().enumerate() {
        // Whatever comes of it: no panic, and the machine ends or a program runs.
        let w = World::boot(600, &[("bin/prog", &bad)], &["/bin/prog"]);
        let runs = !w.machine.threads.borrow().is_empty();
        assert!(runs || matches!(w.machine.exit.get(), Some(126 | 127)), "case {i}");
    }
}

#[test]
pub(super) fn a_missing_program_is_told() {
    let w = World::boot(2048, &[("bin/prog", &elf())], &["/bin/none"]);
    assert_eq!(w.machine.exit.get(), Some(127));
    assert_eq!(*w.machine.lines.borrow(), ["linux: /bin/none: not found"]);
    let damaged = &archive(&[])[..50];
    assert_eq!(damaged.len(), 50);
}

#[test]
pub(super) fn process_groups_and_sessions() {
    let (w, t) = World::new();
    let (pid, child) = w.fork(t);
    assert_eq!(w.ok(child, __NR_getpgrp, &[]), 1);
    w.ok(t, __NR_setpgid, &[pid, pid]);
    assert_eq!(w.ok(t, __NR_getpgid, &[pid]), pid);
    assert_eq!(w.err(child, __NR_setsid, &[]), 1, "leads its group");
    assert_eq!(w.err(t, __NR_setpgid, &[0, 0]), 1, "a session's leader");
    assert_eq!(w.err(t, __NR_setpgid, &[999, 0]), 3);
    assert_eq!(w.err(child, __NR_setpgid, &[0, 999]), 1, "no such group");
    let (second, grandchild) = w.fork(child);
    assert_eq!(w.ok(grandchild, __NR_setsid, &[]), second);
    assert_eq!(w.ok(grandchild, __NR_getsid, &[0]), second);
    w.ok(t, __NR_kill, &[pid.wrapping_neg(), 15]);
    assert!(w.is_gone(child) && !w.is_gone(grandchild));
    assert_eq!(wait(&w, t, pid.wrapping_neg(), 0), Some(pid));
    assert_eq!(w.load_u32(t, DATA), 15);
}

#[test]
pub(super) fn unknown_calls_are_counted() {
    let (w, t) = World::traced();
    for nr in [__NR_io_uring_setup, 5000, u32::MAX, __NR_clone3, __NR_io_uring_setup] {
        assert_eq!(w.err(t, nr, &[]), 38);
    }
    let counts = w.server.trace.missing_counts();
    assert!(
        counts.contains(&("io_uring_setup".into(), 2)) && counts.contains(&("clone3".into(), 1)),
        "{counts:?}"
    );
}

#[test]
fn however_many_calls_are_unknown_the_list_is_bounded() {
    let (w, t) = World::traced();
    for nr in 1000..2000 {
        w.err(t, nr, &[]);
    }
    w.err(t, 1000, &[]);
    let counts = w.server.trace.missing_counts();
    assert_eq!(counts.iter().map(|(_, n)| n).sum::<u64>(), 1001);
    assert!(counts.len() < 300 && counts[0] == ("system call 1000".into(), 2), "{counts:?}");
    assert_eq!(counts.last().unwrap().0, "other system calls");
}
