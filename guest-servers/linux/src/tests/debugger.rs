//! What a debugger is told, and what it may change.

use super::{CODE, DATA, Fault, World, elf};
use crate::signal::set::Signal;
use linux_raw_sys::general::*;
use ukernel_abi::{Rights, ThreadId};

fn name(w: &World, t: ThreadId) -> Option<String> {
    w.machine.names.borrow().get(&t.task()).cloned()
}

#[test]
fn tasks_are_called_after_what_runs_in_them() {
    let (w, t) = World::with(16384, &[("bin/prog", &elf()), ("bin/other", &elf())], &["/bin/prog"]);
    assert_eq!(name(&w, t).as_deref(), Some("prog[1]"));
    let (pid, child) = w.fork(t);
    assert_eq!(name(&w, child), Some(format!("prog[{pid}]")));
    w.store(child, DATA, b"/bin/other\0").unwrap();
    assert_eq!(w.call(child, __NR_execve, &[DATA, 0, 0]), None);
    assert_eq!(name(&w, child), Some(format!("other[{pid}]")));
    w.store(child, DATA, b"a name that is much too long\0").unwrap();
    w.ok(child, __NR_prctl, &[15, DATA]);
    assert_eq!(name(&w, child), Some(format!("a name that is [{pid}]")));
    w.call(child, __NR_exit_group, &[0]);
    assert_eq!(name(&w, child), None, "the task is gone");
    assert_eq!(name(&w, t).as_deref(), Some("prog[1]"));
}

#[test]
fn a_task_keeps_its_name_while_a_child_runs_in_it() {
    let (w, t) = World::new();
    assert_eq!(w.call(t, __NR_vfork, &[]), None, "waits for its child");
    let child = w.newest();
    w.store(child, DATA, b"child\0").unwrap();
    w.ok(child, __NR_prctl, &[15, DATA]);
    assert_eq!(name(&w, t).as_deref(), Some("prog[1]"));
    w.store(child, DATA, b"/bin/prog\0").unwrap();
    w.call(child, __NR_execve, &[DATA, 0, 0]);
    let child = w.newest();
    assert_ne!(child.task(), t.task());
    assert_eq!(name(&w, child).as_deref(), Some("prog[2]"));
    assert_eq!(name(&w, t).as_deref(), Some("prog[1]"));
}

#[test]
fn a_debugger_hears_of_programs_that_start() {
    let (w, t) = World::new();
    assert_eq!(*w.machine.starts.borrow(), [t.task()]);
    let (_, child) = w.fork(t);
    assert_eq!(*w.machine.starts.borrow(), [t.task(), child.task()]);
    w.store(child, DATA, b"/bin/none\0/bin/prog\0").unwrap();
    w.call(child, __NR_execve, &[DATA, 0, 0]);
    assert_eq!(w.machine.starts.borrow().len(), 2, "it goes on as it was");
    w.call(child, __NR_execve, &[DATA + 10, 0, 0]);
    assert_eq!(w.machine.starts.borrow()[2..], [child.task()]);
    // A child that runs in its parent's task is none that a debugger sees.
    w.call(t, __NR_vfork, &[]);
    assert_eq!(w.machine.starts.borrow().len(), 3);
}

/// Has SIGSEGV handled at [`CODE`].
fn handle_segv(w: &World, t: ThreadId) {
    let action = [CODE, u64::from(SA_RESTORER) | u64::from(SA_NODEFER), CODE, 0];
    w.store(t, DATA + 0x700, &action.map(u64::to_le_bytes).concat()).unwrap();
    w.ok(t, __NR_rt_sigaction, &[SIGSEGV.into(), DATA + 0x700, 0, 8]);
}

#[test]
fn a_debugger_hears_of_faults_before_the_program_does() {
    let (w, t) = World::new();
    handle_segv(&w, t);
    assert_eq!(w.access(t, 0, Rights::R), Err(Fault::Signal(SIGSEGV.into())));
    assert_eq!(*w.machine.told.borrow(), [(t, Signal::SIGSEGV)]);
    // What is sent is nobody's fault.
    w.call(t, __NR_kill, &[1, SIGSEGV.into()]);
    assert_eq!(w.machine.told.borrow().len(), 1);
    w.exception(t, 0);
    assert!(w.is_gone(t));
    assert_eq!(w.machine.told.borrow()[1..], [(t, Signal::SIGFPE)]);
}

#[test]
fn a_debugger_can_have_another_signal_or_none() {
    let (w, t) = World::new();
    handle_segv(&w, t);
    w.machine.wanted.borrow_mut().extend([(Signal::SIGFPE, Some(Signal::SIGSEGV)), (Signal::SIGILL, None)]);
    let before = w.regs(t);
    w.exception(t, 6);
    assert_eq!(w.regs(t), before, "it goes on where it was");
    w.exception(t, 0);
    assert_eq!((w.regs(t).rip, w.regs(t).rdi), (CODE, SIGSEGV.into()));
}
