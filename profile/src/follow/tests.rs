use super::*;
use crate::kind::Kind;
use crate::mock::{Guest, IPC, thread};
use crate::phase::{Phase, Phases};
use crate::sink::{Activity, Device, Handled, Interrupt, Mark};
use crate::span::Span;

mod outside;
mod random;

const P: u64 = thread(10, 0);
const Q: u64 = thread(11, 0);
const L: u64 = thread(5, 0);
const D: u64 = thread(6, 0);
const GETPID: u64 = 39;
const READ: u64 = 0;

/// Hears everything.
#[derive(Default)]
pub struct Ear {
    pub spans: Vec<Span>,
    pub ran: Vec<(u16, Activity, u64)>,
    pub ran_measuring: Vec<u64>,
    pub handled: Vec<Handled>,
    pub interrupts: Vec<Interrupt>,
    pub devices: Vec<Device>,
    pub exits: Vec<(u16, u32, u64)>,
    pub gaps: Vec<Stretch>,
    pub marks: Vec<Mark>,
}

impl Sink for Ear {
    fn span(&mut self, span: &Span) {
        self.spans.push(span.clone());
    }
    fn ran(&mut self, cpu: u16, activity: Activity, stretch: Stretch, cost: u64) {
        self.ran.push((cpu, activity, stretch.ticks()));
        self.ran_measuring.push(cost);
    }
    fn handled(&mut self, handled: &Handled) {
        self.handled.push(*handled);
    }
    fn interrupt(&mut self, interrupt: &Interrupt) {
        self.interrupts.push(*interrupt);
    }
    fn device(&mut self, device: &Device) {
        self.devices.push(*device);
    }
    fn vm_exit(&mut self, cpu: u16, reason: u32, stretch: Stretch) {
        self.exits.push((cpu, reason, stretch.ticks()));
    }
    fn gap(&mut self, stretch: Stretch) {
        self.gaps.push(stretch);
    }
    fn marked(&mut self, mark: &Mark) {
        self.marks.push(*mark);
    }
}

fn heard(guest: &Guest) -> (Ear, Counts) {
    let mut ear = Ear::default();
    let (counts, _) = guest.follow(&mut ear);
    (ear, counts)
}

/// The one request that was made.
fn only(guest: &Guest) -> Span {
    let (mut ear, counts) = heard(guest);
    assert_eq!((ear.spans.len(), counts.strange, counts.broken), (1, 0, 0), "{:?}", ear.spans);
    ear.spans.remove(0)
}

fn phases(parts: &[(Phase, u64)]) -> Phases {
    let mut phases = Phases::default();
    parts.iter().for_each(|(phase, ticks)| phases.add(*phase, *ticks));
    phases
}

use Phase::*;

#[test]
fn a_call_by_the_fast_path() {
    let mut guest = Guest::default();
    guest.call(0, (P, L), GETPID, [10, 20, 30, 40, 50, 60]);
    let span = only(&guest);
    assert_eq!((span.thread, span.kind, span.server), (P, Kind::Linux(GETPID), Some(L)));
    assert_eq!((span.fast_out, span.fast_back, span.answered, span.result), (true, true, true, Some(7)));
    let expected = [(Entry, 10), (IpcOut, 20), (Dispatch, 30), (Server, 40), (Reply, 50), (Exit, 60)];
    assert_eq!(span.ticks, phases(&expected));
    assert_eq!((span.start, span.end), (100, 310));
    let segments: Vec<_> = span.segments.iter().map(|part| (part.phase, part.end - part.start)).collect();
    assert_eq!(segments, expected);
}

#[test]
fn a_call_that_finds_its_server_busy() {
    let mut guest = Guest::default();
    guest
        .kernel(0, 10, Event::ENTER_SYSCALL, P, READ)
        // Somebody else runs, and the server is preempted before it looks at the message.
        .kernel(0, 50, Event::EXIT, Q, 0)
        .kernel(0, 10, Event::ENTER_TRAP, Q, 0x40)
        .kernel(0, 40, Event::EXIT, L, 0);
    assert_eq!(heard(&guest).0.spans.len(), 0);
    guest
        .kernel(0, 5, Event::ENTER_SYSCALL, L, IPC)
        .kernel(0, 5, Event::EXIT, L, 0)
        .kernel(0, 7, Event::ENTER_TRAP, L, 0x40)
        .kernel(0, 3, Event::EXIT, L, 0)
        .server(5, Event::RECEIVED, L, P)
        .server(10, Event::HANDLER_START, L, READ)
        .server(100, Event::HANDLER_END, L, 0)
        .server(10, Event::REPLY, L, P)
        .kernel(0, 10, Event::ENTER_SYSCALL, L, IPC)
        .kernel(0, 30, Event::EXIT, Q, 0)
        .kernel(0, 30, Event::ENTER_TRAP, Q, 0x40)
        .kernel(0, 30, Event::EXIT, P, 0);
    let span = only(&guest);
    assert_eq!(span.ticks, phases(&[(IpcOut, 110), (Dispatch, 25), (Server, 100), (Reply, 20), (Exit, 90)]));
    assert_eq!((span.fast_out, span.fast_back, span.answered), (false, false, true));
}

#[test]
fn a_call_that_asks_a_driver() {
    let mut guest = Guest::default();
    guest
        .kernel(0, 10, Event::ENTER_SYSCALL, P, READ)
        .kernel(0, 1, Event::COMMIT, P, L)
        .kernel(0, 2, Event::EXIT, L, 0)
        .server(3, Event::RECEIVED, L, P)
        .server(4, Event::HANDLER_START, L, READ)
        .server(5, Event::DRIVER_REQUEST, L, D)
        .kernel(0, 6, Event::ENTER_SYSCALL, L, IPC)
        .kernel(0, 7, Event::COMMIT, L, D)
        .kernel(0, 8, Event::EXIT, D, 0)
        .server(1, Event::RECEIVED, D, L)
        .server(1, Event::HANDLER_START, D, 99)
        .server(1, Event::DEVICE_REQUEST, D, 3 << 32 | 1)
        .host(0, 1, Event::VM_EXIT, 6)
        .host(0, 20, Event::VM_ENTRY, 6)
        .server(50, Event::DEVICE_DONE, D, 3 << 32 | 1)
        .server(1, Event::HANDLER_END, D, 0)
        .kernel(0, 9, Event::ENTER_SYSCALL, D, IPC)
        .kernel(0, 10, Event::COMMIT, D, L)
        .kernel(0, 11, Event::EXIT, L, 0)
        .server(12, Event::DRIVER_DONE, L, D)
        .server(13, Event::HANDLER_END, L, 512)
        .kernel(0, 14, Event::ENTER_SYSCALL, L, IPC)
        .kernel(0, 15, Event::COMMIT, L, P)
        .kernel(0, 16, Event::EXIT, P, 512);
    let (ear, counts) = heard(&guest);
    assert_eq!((counts.strange, counts.broken), (0, 0));
    let [ipc, read] = &ear.spans[..] else { panic!("{:?}", ear.spans) };
    assert_eq!((ipc.thread, ipc.server, ipc.kind), (L, Some(D), Kind::L4(0)));
    let ipc_phases =
        [(Entry, 7), (IpcOut, 8), (Dispatch, 2), (Server, 53), (Reply, 19), (Exit, 11), (Host, 20)];
    assert_eq!(ipc.ticks, phases(&ipc_phases));
    let expected = [
        (Entry, 1),
        (IpcOut, 2),
        (Dispatch, 7),
        (Server, 5 + 13),
        (Driver, 6 + 7 + 8 + 3 + 1 + 51 + 9 + 10 + 11 + 12),
        (Host, 20),
        (Reply, 29),
        (Exit, 16),
    ];
    assert_eq!(read.ticks, phases(&expected));
    assert_eq!(ear.devices.len(), 1);
    assert_eq!((ear.devices[0].queue, ear.devices[0].stretch.ticks()), (1, 71));
    assert_eq!(ear.exits, [(0, 6, 20)]);
    let handled: Vec<_> =
        ear.handled.iter().map(|handled| (handled.server, handled.client, handled.what)).collect();
    assert_eq!(handled, [(D, Some(L), 99), (L, Some(P), READ)]);
}

#[test]
fn a_call_that_waits() {
    let mut guest = Guest::default();
    guest
        .kernel(0, 10, Event::ENTER_SYSCALL, P, READ)
        .kernel(0, 1, Event::COMMIT, P, L)
        .kernel(0, 2, Event::EXIT, L, 0)
        .server(3, Event::RECEIVED, L, P)
        .server(4, Event::HANDLER_START, L, READ)
        .server(5, Event::HANDLER_END, L, Event::WAITS);
    let put_aside = guest.now;
    guest.kernel(0, 5, Event::ENTER_SYSCALL, L, IPC).kernel(0, 5, Event::EXIT, Q, 0);
    guest.call(0, (Q, L), GETPID, [1, 1, 1, 1, 4, 1]);
    guest
        .kernel(0, 1000, Event::ENTER_SYSCALL, Q, 1)
        .kernel(0, 1, Event::COMMIT, Q, L)
        .kernel(0, 2, Event::EXIT, L, 0)
        .server(3, Event::RECEIVED, L, Q)
        .server(4, Event::HANDLER_START, L, 1)
        .server(5, Event::HANDLER_END, L, 1)
        .server(6, Event::REPLY, L, P);
    let waited = guest.now - put_aside;
    guest
        .kernel(0, 7, Event::ENTER_SYSCALL, L, IPC)
        .kernel(0, 8, Event::EXIT, L, 0)
        .server(6, Event::REPLY, L, Q)
        .kernel(0, 7, Event::ENTER_SYSCALL, L, IPC)
        .kernel(0, 8, Event::COMMIT, L, Q)
        .kernel(0, 9, Event::EXIT, Q, 0)
        .kernel(0, 10, Event::ENTER_TRAP, Q, 0x40)
        .kernel(0, 11, Event::EXIT, P, 1);
    let (ear, counts) = heard(&guest);
    assert_eq!((counts.strange, counts.broken), (0, 0));
    let read = ear.spans.iter().find(|span| span.thread == P).unwrap();
    let expected =
        [(Entry, 1), (IpcOut, 2), (Dispatch, 7), (Server, 5), (Waiting, waited), (Reply, 7), (Exit, 59)];
    assert_eq!(read.ticks, phases(&expected));
    assert_eq!(read.ticks.total(), read.end - read.start);
}

#[test]
fn a_call_that_a_signal_ends() {
    let mut guest = Guest::default();
    guest
        .kernel(0, 10, Event::ENTER_SYSCALL, P, READ)
        .kernel(0, 1, Event::COMMIT, P, L)
        .kernel(0, 2, Event::EXIT, L, 0)
        .server(3, Event::RECEIVED, L, P)
        .server(4, Event::HANDLER_START, L, READ)
        .server(5, Event::HANDLER_END, L, Event::WAITS)
        // Its server gives it other registers and lets it go.
        .kernel(0, 100, Event::ENTER_SYSCALL, L, 0x8000_0005)
        .kernel(0, 10, Event::EXIT, L, 0)
        .kernel(0, 10, Event::ENTER_SYSCALL, L, IPC)
        .kernel(0, 10, Event::EXIT, P, 0);
    let (ear, counts) = heard(&guest);
    assert_eq!((ear.spans.len(), counts.unreturned.0.len()), (2, 0));
    let read = &ear.spans[1];
    assert!(!read.answered);
    let expected = [(Entry, 1), (IpcOut, 2), (Dispatch, 7), (Server, 5), (Waiting, 130)];
    assert_eq!(read.ticks, phases(&expected));
    assert_eq!((ear.spans[0].kind, ear.spans[0].ticks), (Kind::L4(5), phases(&[(Kernel, 10)])));
}

#[test]
fn a_thread_that_dies_in_a_call_and_one_that_takes_its_place() {
    let mut guest = Guest::default();
    let heir = ukernel_abi::ThreadId::new(10, 0, 2).0;
    guest
        .kernel(0, 10, Event::ENTER_SYSCALL, P, 231)
        .kernel(0, 1, Event::COMMIT, P, L)
        .kernel(0, 2, Event::EXIT, L, 0)
        .server(3, Event::RECEIVED, L, P)
        .server(4, Event::HANDLER_START, L, 231)
        .server(5, Event::HANDLER_END, L, Event::WAITS)
        .kernel(0, 5, Event::ENTER_SYSCALL, L, IPC)
        .kernel(0, 5, Event::EXIT, heir, 0)
        .call(0, (heir, L), GETPID, [1; 6])
        .kernel(0, 1, Event::ENTER_SYSCALL, heir, 60);
    let (ear, counts) = heard(&guest);
    assert_eq!((ear.spans.len(), ear.spans[0].thread), (1, heir));
    assert!(counts.unreturned.0.into_iter().eq([(Kind::Linux(60), 1), (Kind::Linux(231), 1)]));
}

#[test]
fn a_trampoline() {
    let mut guest = Guest::default();
    guest
        // The first is answered in the program's own space.
        .kernel(0, 10, Event::ENTER_SYSCALL, P, GETPID)
        .kernel(0, 21, Event::EXIT, P, GETPID)
        .kernel(0, 500, Event::ENTER_SYSCALL, P, READ)
        .kernel(0, 21, Event::EXIT, P, READ)
        // A page fault of the trampoline's.
        .kernel(0, 5, Event::ENTER_PAGE_FAULT, P, 0x1000)
        .kernel(0, 5, Event::EXIT, P, READ)
        .kernel(0, 30, Event::ENTER_SYSCALL, P, IPC)
        .kernel(0, 1, Event::COMMIT, P, L)
        .kernel(0, 2, Event::EXIT, L, 0)
        .server(3, Event::RECEIVED, L, P)
        .server(4, Event::HANDLER_START, L, READ)
        .server(5, Event::HANDLER_END, L, 1)
        .kernel(0, 6, Event::ENTER_SYSCALL, L, IPC)
        .kernel(0, 7, Event::COMMIT, L, P)
        .kernel(0, 8, Event::EXIT, P, 0);
    let (ear, counts) = heard(&guest);
    assert_eq!((counts.strange, counts.broken, counts.unreturned.0.len()), (0, 0, 0));
    let found: Vec<_> = ear.spans.iter().map(|span| (span.kind, span.ticks)).collect();
    let read = [
        (Kernel, 21),
        (Library, 40),
        (Entry, 1),
        (IpcOut, 2),
        (Dispatch, 7),
        (Server, 5),
        (Reply, 13),
        (Exit, 8),
    ];
    assert_eq!(
        found,
        [
            (Kind::InPlace(GETPID), phases(&[(Kernel, 21)])),
            (Kind::PageFault, phases(&[(Kernel, 5)])),
            (Kind::Trampoline(READ), phases(&read))
        ]
    );
}

#[test]
fn servers_that_do_not_record() {
    let mut guest = Guest::default();
    for _ in 0..2 {
        guest
            .kernel(0, 10, Event::ENTER_PAGE_FAULT, P, 0x40_0000)
            .kernel(0, 1, Event::COMMIT, P, L)
            .kernel(0, 2, Event::EXIT, L, 0)
            .kernel(0, 100, Event::ENTER_TRAP, L, 3)
            .kernel(0, 4, Event::COMMIT, L, P)
            .kernel(0, 5, Event::EXIT, P, 0);
    }
    // An exception that goes the slow way, and one that the kernel deals with itself.
    guest
        .kernel(0, 10, Event::ENTER_TRAP, P, 13)
        .kernel(0, 20, Event::EXIT, L, 0)
        .kernel(0, 30, Event::ENTER_SYSCALL, L, IPC)
        .kernel(0, 40, Event::EXIT, P, 0)
        .kernel(0, 10, Event::ENTER_TRAP, P, 7)
        .kernel(0, 25, Event::EXIT, P, 0);
    let (ear, counts) = heard(&guest);
    assert_eq!((counts.strange, counts.broken), (0, 0));
    let fault = phases(&[(Entry, 1), (IpcOut, 2), (Server, 100), (Reply, 4), (Exit, 5)]);
    let found: Vec<_> = ear.spans.iter().map(|span| (span.kind, span.ticks)).collect();
    assert_eq!(
        found,
        [
            (Kind::PageFault, fault),
            (Kind::PageFault, fault),
            (Kind::Exception(13), phases(&[(Undivided, 90)])),
            (Kind::Exception(7), phases(&[(Kernel, 25)]))
        ]
    );
    assert_eq!(ear.spans[0].argument, 0x40_0000);
}

#[test]
fn calls_between_servers_are_the_client_s_alone() {
    let mut guest = Guest::default();
    let call = |guest: &mut Guest| {
        guest
            .kernel(0, 10, Event::ENTER_SYSCALL, L, IPC)
            .kernel(0, 1, Event::COMMIT, L, D)
            .kernel(0, 2, Event::EXIT, D, 0)
            .kernel(0, 50, Event::ENTER_SYSCALL, D, IPC)
            .kernel(0, 3, Event::COMMIT, D, L)
            .kernel(0, 4, Event::EXIT, L, 0);
    };
    (0..3).for_each(|_| call(&mut guest));
    let (ear, _) = heard(&guest);
    assert_eq!(ear.spans.len(), 3);
    let expected = phases(&[(Entry, 1), (IpcOut, 2), (Server, 50), (Reply, 3), (Exit, 4)]);
    assert!(ear.spans.iter().all(|span| (span.thread, span.server, span.ticks) == (L, Some(D), expected)));
}

#[test]
fn what_the_cpus_do() {
    let mut guest = Guest::default();
    guest
        .kernel(0, 5, Event::EXIT, P, 0)
        .kernel(1, 5, Event::IDLE_INTERRUPT, 0, 0x41)
        .kernel(0, 90, Event::ENTER_TRAP, P, 0x40)
        .kernel(0, 30, Event::EXIT, P, 0)
        .kernel(0, 70, Event::ENTER_SYSCALL, P, 35)
        .kernel(0, 400, Event::IDLE_INTERRUPT, 0, 0x42)
        .kernel(0, 500, Event::IDLE_INTERRUPT, 0, 0x42)
        .kernel(0, 20, Event::EXIT, Q, 0)
        .kernel(1, 5, Event::IDLE_INTERRUPT, 0, 0x41);
    let (ear, counts) = heard(&guest);
    assert_eq!(
        ear.ran,
        [
            (0, Activity::User(P), 95),
            (0, Activity::Kernel, 30),
            (0, Activity::User(P), 70),
            (0, Activity::Idle, 400),
            (0, Activity::Idle, 500),
            (0, Activity::Kernel, 20),
            (1, Activity::Idle, 1115)
        ]
    );
    let interrupts: Vec<_> =
        ear.interrupts.iter().map(|interrupt| (interrupt.vector, interrupt.stretch.ticks())).collect();
    assert_eq!(interrupts, [(0x40, 30), (0x42, 20)]);
    assert!(counts.unreturned.0.into_iter().eq([(Kind::Linux(35), 1)]));
}

#[test]
fn a_call_across_cpus() {
    let mut guest = Guest::default();
    guest
        .kernel(1, 10, Event::EXIT, P, 0)
        .kernel(0, 10, Event::EXIT, Q, 0)
        .kernel(1, 10, Event::ENTER_SYSCALL, P, READ)
        .kernel(0, 20, Event::ENTER_TRAP, Q, 0xf0)
        .kernel(0, 10, Event::EXIT, L, 0)
        .server(5, Event::RECEIVED, L, P)
        .server(5, Event::HANDLER_START, L, READ)
        .server(5, Event::HANDLER_END, L, 0)
        .server(5, Event::REPLY, L, P)
        .kernel(0, 5, Event::ENTER_SYSCALL, L, IPC)
        .kernel(0, 20, Event::EXIT, Q, 0)
        .kernel(1, 1, Event::IDLE_INTERRUPT, 0, 0xf0)
        .kernel(1, 20, Event::EXIT, P, 0);
    let span = only(&guest);
    // When the server came back is not known: its way in was not seen.
    assert_eq!(span.ticks, phases(&[(IpcOut, 35), (Dispatch, 5), (Server, 5), (Reply, 10), (Exit, 41)]));
}

#[test]
fn what_measuring_costs_is_taken_off() {
    let mut guest = Guest::default();
    guest.calibrate(3, L, 5).wait(1000);
    guest.kernel(0, 1, Event::ENTER_SYSCALL, L, IPC).kernel(0, 1, Event::EXIT, P, 0);
    guest.call(0, (P, L), GETPID, [100; 6]);
    // In the program (its way in's cost lies behind the reading), the kernel, the server, the kernel.
    assert_eq!(heard(&guest).0.ran_measuring, [3 + 3, 0, 3 + 3 + 3, 4 * 5, 3 + 3 + 3]);
    let span = only(&guest);
    assert_eq!(
        span.ticks,
        phases(&[(Entry, 100), (IpcOut, 100), (Dispatch, 100), (Server, 100), (Reply, 100), (Exit, 100)])
    );
    let cost = [
        // That of the way in, …
        (Entry, 3),
        // … of the message and of the way out, …
        (IpcOut, 6),
        (Dispatch, 5),
        (Server, 5),
        // … of the end, the answer, and the way in.
        (Reply, 5 + 5 + 3),
        (Exit, 6),
    ];
    assert_eq!(span.cost, phases(&cost));
    assert_eq!(span.corrected().total(), 600 - 38);
}

#[test]
fn requests_across_a_gap_are_discarded() {
    let mut guest = Guest::default();
    guest.call(0, (P, L), GETPID, [10; 6]);
    guest.kernel(0, 10, Event::ENTER_SYSCALL, P, READ).kernel(0, 1, Event::COMMIT, P, L);
    let begins = guest.now;
    guest
        .lose(Ring::Cpu(0), 100)
        // Others can be read, but mean nothing.
        .kernel(1, 50, Event::ENTER_SYSCALL, Q, READ)
        .kernel(1, 50, Event::EXIT, Q, 0)
        .kernel(0, 10, Event::EXIT, P, 0);
    let ends = guest.now;
    guest.call(0, (P, L), GETPID, [10; 6]);
    let (ear, counts) = heard(&guest);
    assert_eq!(ear.gaps, [Stretch { start: begins, end: ends }]);
    assert_eq!((counts.in_gaps, counts.gap_ticks, counts.broken), (1, ends - begins, 0));
    assert_eq!(ear.spans.len(), 2);
    assert!(ear.spans.iter().all(|span| span.kind == Kind::Linux(GETPID) && span.ticks.total() == 60));
    assert!(counts.unreturned.0.is_empty());
}

#[test]
fn records_that_cannot_be() {
    let mut guest = Guest::default();
    guest
        .kernel(0, 1, Event::RECEIVED, L, P)
        .kernel(64, 1, Event::EXIT, P, 0)
        .kernel(0, 1, Event(0x77), P, 0)
        .kernel(0, 1, Event::EXIT, 0, 0)
        .server(1, Event::EXIT, P, 0)
        .server(1, Event::VM_EXIT, P, 0)
        .server(1, Event::RECEIVED, u64::MAX, P)
        .host(0, 1, Event::EXIT, 0);
    // A system call in a system call: the first one's end is missing.
    guest.kernel(1, 1, Event::ENTER_SYSCALL, P, READ).kernel(1, 1, Event::ENTER_SYSCALL, P, READ);
    // The kernel's own faults are nobody's.
    guest.kernel(1, 1, Event::ENTER_PAGE_FAULT, P, 5);
    let (ear, counts) = heard(&guest);
    assert_eq!((counts.strange, counts.broken, counts.nested, ear.spans.len()), (8, 1, 1, 0));
}
