//! Programs whose system calls come through a trampoline: everything that concerns registers is as with forwarded calls, and the same tests show it.

use super::signals::{handle, in_handler, sigreturn};
use super::*;
use crate::trampoline::{CALL, Layout, SAVED, STACK_END, assemble, entry, register_of, save_area};
use linux_raw_sys::general::*;
use std::cell::Cell;
use ukernel_abi::layout::GATE;
use ukernel_abi::utcb::Regs;

thread_local! {
    static WANTED: Cell<bool> = const { Cell::new(false) };
}

/// Whether the worlds of this test have trampolines.
pub fn is_wanted() -> bool {
    WANTED.get()
}

/// The same tests, in worlds with trampolines.
macro_rules! with_trampoline {
    ($($module:ident: $($name:ident)*;)*) => {$(
        mod $module {
            $(#[test]
            fn $name() {
                super::WANTED.set(true);
                crate::tests::$module::$name();
            })*
        }
    )*};
}

with_trampoline! {
    signals:
        a_handler_runs_and_everything_is_as_before the_signal_is_blocked_in_its_handler nodefer_and_resethand
        a_fault_can_be_caught_on_another_stack a_handler_without_a_stack_is_the_end a_blocked_fault_ends_the_program exceptions_are_signals
        hostile_sigreturns sleep_is_interrupted_by_a_handler sleep_ends_in_time a_stopped_sleep_goes_on_where_it_was
        wait_is_restarted_if_the_handler_wants_it a_running_program_is_interrupted a_stopped_process_can_be_killed sigchld_and_its_flags
        sigsuspend_lets_through_and_restores sigtimedwait_takes_a_blocked_signal_or_gives_up interval_timers_repeat bad_signal_numbers
        no_other_process_can_end_or_stop_the_first;
    processes:
        a_parent_hears_of_its_child zombies_wait_for_their_parent waitid_tells_what_happened_and_can_leave_it
        orphans_need_nobody_to_wait_for_them the_machine_ends_with_the_first_program everything_is_given_back
        a_vfork_child_runs_in_its_parents_memory_until_it_execs a_vfork_child_that_exits_releases_its_parent clone_sets_what_it_is_asked_to
        threads_share_and_wait_for_each_other a_futex_in_shared_memory_is_one_for_all a_futex_in_memory_of_ones_own_is_nobody_elses
        fork_fails_when_there_are_no_tasks fork_until_memory_is_gone exec_replaces_the_program scripts_are_run_by_their_interpreters
        hostile_programs_are_not_run a_missing_program_is_told process_groups_and_sessions unknown_calls_are_counted;
    immediate:
        both_ways_give_the_same_answer others_take_the_way_of_all_calls what_does_not_exist_is_refused_at_once
        strangers_and_the_dead_get_no_answer not_while_a_signal_is_pending_or_the_process_stopped not_while_calls_are_traced its_time_is_booked;
}

/// What a call leaves in the registers that it does not keep.
const NOBODYS: u64 = 0xdead_0000_dead;

/// Saves registers as the trampoline does that a system call has led to.
fn save(w: &World, t: ThreadId) {
    let mut regs = w.regs(t);
    (regs.rcx, regs.r11) = (regs.rip, regs.rflags);
    for (n, register) in SAVED.into_iter().enumerate() {
        w.store_u64(t, save_area(t.lthread()) + 8 * n as u64, *register_of(&mut regs, register));
    }
}

/// The registers of a thread that has saved them and is at `rip` now.
fn inside(regs: &Regs, lthread: u16, rip: u64) -> Regs {
    let mut regs = *regs;
    for register in SAVED {
        *register_of(&mut regs, register) = NOBODYS;
    }
    Regs { rip, rsp: save_area(lthread) + STACK_END, ..regs }
}

/// Takes a thread that has just made a system call through its trampoline to the server.
pub fn pass(w: &World, t: ThreadId) {
    w.machine.change(t, |m| m.run = RunState::Ready);
    save(w, t);
    w.machine.change(t, |m| {
        m.state.regs = inside(&m.state.regs, t.lthread(), GATE + 2);
        m.run = RunState::Receiving;
    });
}

/// What the handler of a signal is told of rip, rax, rbx, rsp (`struct sigcontext`).
fn interrupted(w: &World, t: ThreadId) -> [u64; 4] {
    let context = w.regs(t).rdx + 40;
    [16, 13, 11, 15].map(|n| w.load_u64(t, context + 8 * n))
}

#[test]
fn a_signal_finds_no_registers_half_saved() {
    WANTED.set(true);
    let (w, t) = World::new();
    let (pid, child) = w.fork(t);
    handle(&w, child, SIGUSR1, SA_SIGINFO.into(), 0);
    let Layout { saved, returned, end } = assemble(MockMachine::SERVER).1;
    w.machine.change(child, |m| m.state.regs.rbx = 0x1111);
    let outside = w.regs(child);
    let nr = u64::from(__NR_getpid);
    let call = Regs { rip: outside.rip + 2, rax: nr, ..outside };
    let (code, gate) = (entry(child.lthread()), GATE);
    let in_code = |at: u64| inside(&call, child.lthread(), code + at);
    let way_back = Regs { rcx: call.rip, r11: call.rflags, ..call };
    let not_made = [outside.rip, nr, 0x1111, outside.rsp];
    let made = [call.rip, pid, 0x1111, outside.rsp];
    let places = [
        (Regs { rip: code, ..way_back }, not_made),
        (Regs { rip: code + 14, ..way_back }, not_made),
        (in_code(saved), not_made),
        (in_code(returned - 3), not_made),
        (Regs { rip: gate, ..in_code(0) }, not_made),
        (Regs { rip: gate + 1, rbx: pid, ..in_code(0) }, made),
        (Regs { rip: gate + 2, rbx: pid, ..in_code(0) }, made),
        (Regs { rbx: pid, ..in_code(returned) }, made),
        (Regs { rax: pid, ..in_code(returned + 3) }, made),
        (Regs { rax: pid, ..in_code(end - 2) }, made),
        (outside, [outside.rip, outside.rax, 0x1111, outside.rsp]),
    ];
    for (regs, expected) in places {
        w.machine.change(child, |m| m.state.regs = call);
        save(&w, child);
        w.machine.change(child, |m| m.state.regs = regs);
        w.ok(t, __NR_kill, &[pid, SIGUSR1.into()]);
        assert_eq!(in_handler(&w, child), Some(SIGUSR1.into()), "at {:#x}", regs.rip);
        assert_eq!(interrupted(&w, child), expected, "at {:#x}", regs.rip);
        // The handler's own calls use the save area, too.
        assert_eq!(w.ok(child, __NR_getppid, &[]), 1);
        sigreturn(&w, child);
        let r = w.regs(child);
        assert_eq!([r.rip, r.rax, r.rbx, r.rsp], expected, "back at {:#x}", regs.rip);
    }
}

#[test]
fn a_save_area_that_is_gone_ends_the_program_and_nobody_else() {
    WANTED.set(true);
    let (w, t) = World::new();
    let (pid, child) = w.fork(t);
    handle(&w, child, SIGUSR1, 0, 0);
    // A program can do this itself, but it would not get to know.
    let mm = w.server.processes.get(pid as i32).unwrap().mm();
    mm.space.borrow_mut().munmap(save_area(0), 4096 * 1024).unwrap();
    w.machine.change(child, |m| m.state.regs.rip = GATE + 2);
    w.ok(t, __NR_kill, &[pid, SIGUSR1.into()]);
    assert!(w.is_gone(child));
    assert_eq!(w.call(t, __NR_wait4, &[pid, DATA, 0, 0]), Some(pid));
    assert_eq!(w.load_u32(t, DATA), SIGSEGV);
}

#[test]
fn a_program_that_steps_through_itself_does_not_see_the_trampoline() {
    WANTED.set(true);
    let (w, t) = World::new();
    handle(&w, t, SIGTRAP, 0, 0);
    let outside = w.regs(t);
    for rip in [entry(0), entry(0) + 7, GATE, GATE + 2] {
        w.machine.change(t, |m| m.state.regs.rip = rip);
        w.exception(t, 1);
        assert_eq!((w.regs(t).rip, in_handler(&w, t)), (rip, None));
    }
    w.machine.change(t, |m| m.state.regs = outside);
    w.exception(t, 1);
    assert_eq!(in_handler(&w, t), Some(SIGTRAP.into()));
}

#[test]
fn who_calls_again_instead_of_waiting_gets_one_answer() {
    WANTED.set(true);
    let (w, t) = World::new();
    let (_, child) = w.fork(t);
    let tasks = w.server.executor.len();
    for _ in 0..3 {
        w.machine.change(child, |m| m.run = RunState::Ready);
        assert_eq!(w.call(child, __NR_pause, &[]), None);
        assert_eq!(w.server.executor.len(), tasks + 1, "the call before is given up");
    }
    w.machine.change(child, |m| m.run = RunState::Ready);
    assert_eq!(w.ok(child, __NR_getppid, &[]), 1);
    assert_eq!(w.server.executor.len(), tasks);
}

#[test]
fn the_code_cannot_be_changed_and_maps_tell_of_it() {
    WANTED.set(true);
    let (w, t) = World::new();
    let rwx = u64::from(PROT_READ | PROT_WRITE | PROT_EXEC);
    assert_eq!(w.err(t, __NR_mprotect, &[entry(0), 4096, rwx]), 13);
    assert_eq!(w.access(t, entry(7), Rights::W), Err(Fault::Dead), "SIGSEGV");
    assert_eq!((CALL.words(), CALL.items()), (7, 0));
}
