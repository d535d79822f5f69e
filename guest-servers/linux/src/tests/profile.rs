//! What the server records for a profile.

use super::{CODE, DATA, World};
use crate::machine::Machine;
use crate::machine::mock::MockMachine;
use linux_raw_sys::general::*;
use ukernel_abi::{Rights, ThreadId};
use vmm_abi::trace::Event;

const START: Event = Event::HANDLER_START;
const END: Event = Event::HANDLER_END;

/// What has been recorded since it was last asked, by the server for itself.
fn recorded(w: &World) -> Vec<(Event, u64)> {
    let records = w.machine.records.take();
    assert!(records.iter().all(|(thread, ..)| *thread == MockMachine::SERVER));
    records.into_iter().map(|(_, event, argument)| (event, argument)).collect()
}

#[test]
fn a_call_has_a_beginning_and_an_end() {
    let (w, t) = World::profiled();
    recorded(&w);
    let pid = w.ok(t, __NR_getpid, &[]);
    assert_eq!(recorded(&w), [(START, __NR_getpid.into()), (END, pid)]);
    let record = |event, argument| w.machine.record(event, argument);
    assert_eq!(w.server.answer_at_once(t, __NR_getpid, 0, 0, || 0, record), Some(pid));
    assert_eq!(recorded(&w), [(START, __NR_getpid.into()), (END, pid)], "where it was received");
    w.err(t, __NR_close, &[99]);
    assert_eq!(recorded(&w), [(START, __NR_close.into()), (END, -9i64 as u64)]);
    w.err(t, __NR_read, &[99, DATA, 1]);
    assert_eq!(
        recorded(&w),
        [(START, __NR_read.into()), (END, -9i64 as u64)],
        "one that may wait, and does not"
    );
}

#[test]
fn a_call_that_there_is_not_has_a_beginning_and_an_end_too() {
    let (w, t) = World::profiled();
    recorded(&w);
    assert_eq!(w.err(t, 9999, &[]), 38);
    assert_eq!(recorded(&w), [(START, 9999), (END, -38i64 as u64)]);
}

#[test]
fn a_call_that_waits_says_so_and_is_not_ended_again() {
    let (w, t) = World::profiled();
    w.ok(t, __NR_pipe2, &[DATA, 0]);
    let (from, to) = (w.load_u32(t, DATA), w.load_u32(t, DATA + 4));
    let (_, child) = w.fork(t);
    w.load_u32(child, DATA);
    w.store(child, DATA, b"x").unwrap();
    w.store(t, DATA, b"y").unwrap();
    recorded(&w);
    let rip = w.regs(child).rip + 2;
    assert_eq!(w.call(child, __NR_read, &[from.into(), DATA, 1]), None, "it waits");
    assert_eq!(recorded(&w), [(START, __NR_read.into()), (END, Event::WAITS)]);
    assert_eq!(w.ok(t, __NR_write, &[to.into(), DATA, 1]), 1);
    assert_eq!(w.result(child, rip), Some(1), "now it has been answered");
    assert_eq!(
        recorded(&w),
        [(START, __NR_write.into()), (END, 1)],
        "the other's call is all that was handled"
    );
}

#[test]
fn faults_are_no_calls() {
    let (w, t) = World::profiled();
    recorded(&w);
    w.access(t, DATA + 0x3000, Rights::W).unwrap();
    assert_eq!(recorded(&w), [(START, Event::NO_CALL | 14), (END, 0)]);
    w.exception(t, 6);
    assert_eq!(recorded(&w), [(START, Event::NO_CALL | 6), (END, 0)], "and the program dies of it");
}

#[test]
fn a_thread_that_ends_is_not_answered() {
    let (w, t) = World::profiled();
    let (_, child) = w.fork(t);
    recorded(&w);
    assert_eq!(w.call(child, __NR_exit_group, &[3]), None);
    assert_eq!(recorded(&w), [(START, __NR_exit_group.into()), (END, Event::WAITS)]);
}

#[test]
fn events_of_a_program_are_its_own() {
    let write_event = |w: &World, t: ThreadId| {
        w.store(t, DATA, b"/dev/trace\0").unwrap();
        let fd = w.ok(t, __NR_open, &[DATA, O_WRONLY.into()]);
        w.store_u64(t, DATA + 64, 7);
        w.store_u64(t, DATA + 72, 4711);
        w.machine.records.take();
        assert_eq!(w.ok(t, __NR_write, &[fd, DATA + 64, 16]), 16);
        assert_eq!(w.err(t, __NR_write, &[fd, CODE, 16]), 22, "code is no event");
        w.machine.records.take().into_iter().filter(|(_, event, _)| event.is_user()).collect::<Vec<_>>()
    };
    let (w, t) = World::profiled();
    assert_eq!(write_event(&w, t), [(t, Event::user(7), 4711)]);
    let (w, t) = World::new();
    assert_eq!(write_event(&w, t), [], "without a profile the program does the same");
}
