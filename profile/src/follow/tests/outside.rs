//! What is not the guest's time, and what programs record themselves.

use super::*;
use crate::file::Header;
use crate::sink::Since;

/// A call in whose server phase the CPU leaves the guest; its parts before, outside and behind.
fn call_with_exit(guest: &mut Guest, [before, outside, behind]: [u64; 3]) {
    guest
        .kernel(0, 100, Event::ENTER_SYSCALL, P, GETPID)
        .kernel(0, 10, Event::COMMIT, P, L)
        .kernel(0, 20, Event::EXIT, L, 0)
        .server(5, Event::RECEIVED, L, P)
        .server(5, Event::HANDLER_START, L, GETPID)
        .host(0, before, Event::VM_EXIT, 2)
        .host(0, outside, Event::VM_ENTRY, 2)
        .server(behind, Event::HANDLER_END, L, 7)
        .server(5, Event::REPLY, L, P)
        .kernel(0, 5, Event::ENTER_SYSCALL, L, IPC)
        .kernel(0, 10, Event::COMMIT, L, P)
        .kernel(0, 30, Event::EXIT, P, 7);
}

#[test]
fn time_outside_of_the_guest_is_the_host_s_and_nobody_else_s() {
    let mut guest = Guest::default();
    call_with_exit(&mut guest, [40, 1000, 60]);
    let span = only(&guest);
    let parts =
        [(Entry, 10), (IpcOut, 20), (Dispatch, 10), (Server, 100), (Host, 1000), (Reply, 20), (Exit, 30)];
    assert_eq!(span.ticks, phases(&parts));
    assert_eq!(span.ticks.total(), span.end - span.start);
}

#[test]
fn an_exit_of_another_cpu_is_not_the_call_s() {
    let mut guest = Guest::default();
    guest.host(1, 10, Event::VM_EXIT, 2);
    guest.call(0, (P, L), GETPID, [10, 20, 30, 40, 50, 60]).host(1, 10, Event::VM_ENTRY, 2);
    assert_eq!(only(&guest).ticks.get(Host), 0);
}

/// What is heard of `guest` if it and the host have so many CPUs together.
fn heard_of(guest: &Guest, host_cpus: u16) -> Ear {
    let mut ear = Ear::default();
    guest.follow_on(&mut ear, &Header { host_cpus, ..Header::default() });
    ear
}

#[test]
fn records_are_read_on_the_guest_s_cpu_where_there_is_but_one() {
    let mut guest = Guest::default();
    guest.kernel(0, 100, Event::ENTER_SYSCALL, P, GETPID).host(0, 10, Event::DRAIN, 500).kernel(
        0,
        550,
        Event::EXIT,
        P,
        7,
    );
    let ticks = |host_cpus| heard_of(&guest, host_cpus).spans.remove(0).ticks;
    assert_eq!(ticks(1), phases(&[(Kernel, 60), (Host, 500)]));
    assert_eq!(ticks(2), phases(&[(Kernel, 560)]));
}

#[test]
fn records_that_are_read_during_an_exit_are_counted_once() {
    let mut guest = Guest::default();
    guest
        .kernel(0, 100, Event::ENTER_SYSCALL, P, GETPID)
        .host(0, 10, Event::VM_EXIT, 2)
        .host(0, 10, Event::DRAIN, 500)
        .host(0, 590, Event::VM_ENTRY, 2)
        .kernel(0, 40, Event::EXIT, P, 7);
    let ear = heard_of(&guest, 1);
    assert_eq!(ear.spans[0].ticks, phases(&[(Kernel, 50), (Host, 600)]));
}

#[test]
fn an_event_knows_the_one_before_it() {
    let mut guest = Guest::default();
    guest.calibrate(3, L, 5).kernel(0, 100, Event::EXIT, L, 0);
    guest.mark(10, L, P, 1, 20).mark(10, L, Q, 9, 0).mark(100, L, P, 2, 21);
    let (ear, counts) = heard(&guest);
    assert_eq!(counts.strange, 0);
    let [first, other, second] = ear.marks[..] else { panic!("{:?}", ear.marks) };
    assert_eq!((first.since, other.since), (None, None));
    let stretch = Stretch { start: first.tsc, end: first.tsc + 110 };
    // Of two records of the server's: the first one's and the other's, whose cost lies behind the time that they tell.
    let since = Since { event: 1, stretch, cost: 10 };
    assert_eq!(second, Mark { thread: P, event: 2, argument: 21, tsc: stretch.end, since: Some(since) });
}
