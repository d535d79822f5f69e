//! Random machines against a naive model.
//!
//! Each CPU has a server and some programs. What goes on there is made up call by call, with the phases that it should have noted down on the way; then the CPUs' lists are
//! mixed at random, and what is found must be what was noted down.

use super::{Ear, heard};
use crate::kind::Kind;
use crate::mock::{Guest, IPC, thread};
use crate::phase::{Phase, Phases};
use crate::span::Span;
use proptest::prelude::*;
use vmm_abi::trace::Event;

/// What happens next on a CPU.
#[derive(Clone, Copy, Debug)]
enum Step {
    Kernel(Event, u64, u64),
    Server(Event, u64, u64),
    /// The last record began a request of this thread's.
    Begin(u64, Kind),
    /// The last record brought the request of this thread's into another phase.
    Go(u64, Phase),
    /// The last record ended it.
    End(u64),
}

/// What a program does.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// A call, with so many questions to a driver.
    Call {
        number: u64,
        drivers: u8,
    },
    /// A call that waits until the next client has come.
    Wait {
        number: u64,
    },
    Fault,
    /// Nothing, but a timer interrupts.
    Interrupt,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0u64..300, 0u8..3).prop_map(|(number, drivers)| Deed::Call { number, drivers }),
        1 => (0u64..300).prop_map(|number| Deed::Wait { number }),
        1 => Just(Deed::Fault),
        2 => Just(Deed::Interrupt),
    ]
}

/// The steps of a CPU whose programs (the first of them is awake) do these things in turn. Each comes with who does it.
fn script(cpu: u16, deeds: &[(u16, Deed)]) -> Vec<Step> {
    let (server, driver) = (thread(5 + cpu, 0), thread(40 + cpu, 0));
    let program = |n: u16| thread(100 + 10 * cpu + n, 0);
    let mut script = vec![Step::Kernel(Event::EXIT, program(0), 0)];
    let mut running = program(0);
    let (mut waiting, mut woken) = (None, Vec::new());
    for (n, deed) in deeds {
        let next = program(*n);
        if waiting == Some(next) {
            continue;
        }
        if next != running {
            // A time slice is over.
            script
                .extend([Step::Kernel(Event::ENTER_TRAP, running, 0x40), Step::Kernel(Event::EXIT, next, 0)]);
            running = next;
            if let Some(n) = woken.iter().position(|thread| *thread == next) {
                woken.remove(n);
                script.push(Step::End(next));
            }
        }
        match *deed {
            Deed::Interrupt => script.extend(interrupt(running)),
            Deed::Fault => {
                let begin = [
                    Step::Kernel(Event::ENTER_PAGE_FAULT, running, 0x1000),
                    Step::Begin(running, Kind::PageFault),
                ];
                script.extend(begin.into_iter().chain(out(running, server, Event::NO_CALL | 14)));
                script.extend([Step::Server(Event::HANDLER_END, server, 0), Step::Go(running, Phase::Reply)]);
                script.extend(back(running, server));
            }
            Deed::Call { number, drivers } => {
                script.extend(begin(running, number).into_iter().chain(out(running, server, number)));
                (0..drivers).for_each(|_| script.extend(ask(running, server, driver)));
                script.extend([Step::Server(Event::HANDLER_END, server, 0), Step::Go(running, Phase::Reply)]);
                if let Some(client) = waiting.take() {
                    script.extend(wake(client, server));
                    woken.push(client);
                }
                script.extend(back(running, server));
            }
            Deed::Wait { number } => {
                // Somebody has to stay awake.
                if waiting.is_some() {
                    continue;
                }
                script.extend(begin(running, number).into_iter().chain(out(running, server, number)));
                script.extend([
                    Step::Server(Event::HANDLER_END, server, Event::WAITS),
                    Step::Go(running, Phase::Waiting),
                ]);
                waiting = Some(running);
                let awake = if running == program(0) { program(1) } else { program(0) };
                script.extend([
                    Step::Kernel(Event::ENTER_SYSCALL, server, IPC),
                    Step::Kernel(Event::EXIT, awake, 0),
                ]);
                running = awake;
                if let Some(n) = woken.iter().position(|thread| *thread == awake) {
                    woken.remove(n);
                    script.push(Step::End(awake));
                }
            }
        }
    }
    script
}

fn interrupt(of: u64) -> [Step; 2] {
    [Step::Kernel(Event::ENTER_TRAP, of, 0x40), Step::Kernel(Event::EXIT, of, 0)]
}

fn begin(client: u64, number: u64) -> [Step; 2] {
    [Step::Kernel(Event::ENTER_SYSCALL, client, number), Step::Begin(client, Kind::Linux(number))]
}

/// The way of a message to its server, who is interrupted before he has looked at it.
fn out(client: u64, server: u64, what: u64) -> Vec<Step> {
    let mut steps = vec![
        Step::Kernel(Event::COMMIT, client, server),
        Step::Go(client, Phase::IpcOut),
        Step::Kernel(Event::EXIT, server, 0),
        Step::Go(client, Phase::Dispatch),
    ];
    steps.extend(interrupt(server));
    steps.extend([
        Step::Server(Event::RECEIVED, server, client),
        Step::Server(Event::HANDLER_START, server, what),
        Step::Go(client, Phase::Server),
    ]);
    steps
}

/// The way of the answer.
fn back(client: u64, server: u64) -> [Step; 6] {
    [
        Step::Server(Event::REPLY, server, client),
        Step::Kernel(Event::ENTER_SYSCALL, server, IPC),
        Step::Kernel(Event::COMMIT, server, client),
        Step::Go(client, Phase::Exit),
        Step::Kernel(Event::EXIT, client, 0),
        Step::End(client),
    ]
}

/// The server asks a driver, who does not record.
fn ask(client: u64, server: u64, driver: u64) -> Vec<Step> {
    vec![
        Step::Server(Event::DRIVER_REQUEST, server, driver),
        Step::Go(client, Phase::Driver),
        Step::Kernel(Event::ENTER_SYSCALL, server, IPC),
        Step::Begin(server, Kind::L4(0)),
        Step::Kernel(Event::COMMIT, server, driver),
        Step::Go(server, Phase::IpcOut),
        Step::Kernel(Event::EXIT, driver, 0),
        Step::Go(server, Phase::Server),
        Step::Kernel(Event::ENTER_SYSCALL, driver, IPC),
        Step::Go(server, Phase::Reply),
        Step::Kernel(Event::COMMIT, driver, server),
        Step::Go(server, Phase::Exit),
        Step::Kernel(Event::EXIT, server, 0),
        Step::End(server),
        Step::Server(Event::DRIVER_DONE, server, driver),
        Step::Go(client, Phase::Server),
    ]
}

/// The server answers one that has waited, without the fast path, and runs on. That one comes later.
fn wake(client: u64, server: u64) -> [Step; 5] {
    [
        Step::Server(Event::REPLY, server, client),
        Step::Go(client, Phase::Reply),
        Step::Kernel(Event::ENTER_SYSCALL, server, IPC),
        Step::Go(client, Phase::Exit),
        Step::Kernel(Event::EXIT, server, 0),
    ]
}

/// A request as the model sees it.
#[derive(Debug)]
struct Model {
    kind: Kind,
    phase: Phase,
    since: u64,
    phases: Phases,
}

/// The found requests, comparable: who, what, when it ended, and its phases.
type Found = (u64, Kind, u64, Phases);

/// Does the CPUs' steps in the order of `order`, each record some ticks after the one before.
fn run(scripts: &[Vec<Step>], order: &[(usize, u64)]) -> (Guest, Vec<Found>) {
    let (mut guest, mut found) = (Guest::default(), Vec::new());
    let mut open = std::collections::BTreeMap::<u64, Model>::new();
    let mut places = vec![0; scripts.len()];
    let mut order = order.iter().cycle();
    while places.iter().zip(scripts).any(|(place, script)| *place < script.len()) {
        let (cpu, after) = *order.next().unwrap();
        // The next CPU that has something to do.
        let Some(cpu) = (0..scripts.len())
            .map(|n| (cpu + n) % scripts.len())
            .find(|cpu| places[*cpu] < scripts[*cpu].len())
        else {
            break;
        };
        let mut recorded = false;
        while let Some(step) = scripts[cpu].get(places[cpu]) {
            let now = guest.now;
            let change = |model: &mut Model, phase| {
                model.phases.add(model.phase, now - model.since);
                (model.phase, model.since) = (phase, now);
            };
            match *step {
                Step::Kernel(..) | Step::Server(..) if recorded => break,
                Step::Kernel(event, thread, argument) => {
                    guest.kernel(cpu as u16, after, event, thread, argument);
                    recorded = true;
                }
                Step::Server(event, thread, argument) => {
                    guest.server(after, event, thread, argument);
                    recorded = true;
                }
                Step::Begin(thread, kind) => {
                    let model = Model { kind, phase: Phase::Entry, since: now, phases: Phases::default() };
                    open.insert(thread, model);
                }
                Step::Go(thread, phase) => change(open.get_mut(&thread).unwrap(), phase),
                Step::End(thread) => {
                    let mut model = open.remove(&thread).unwrap();
                    change(&mut model, Phase::Exit);
                    found.push((thread, model.kind, now, model.phases));
                }
            }
            places[cpu] += 1;
        }
    }
    (guest, found)
}

fn found(spans: &[Span]) -> Vec<Found> {
    spans.iter().map(|span| (span.thread, span.kind, span.end, span.ticks)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_found_is_what_happened(
        deeds in prop::collection::vec(prop::collection::vec((0u16..3, deed()), 1..40), 1..4),
        order in prop::collection::vec((0usize..4, 1u64..100), 1..200),
    ) {
        let scripts: Vec<_> = deeds.iter().enumerate().map(|(cpu, deeds)| script(cpu as u16, deeds)).collect();
        let (guest, expected) = run(&scripts, &order);
        let (Ear { spans, ran, .. }, counts) = heard(&guest);
        prop_assert_eq!(found(&spans), expected);
        prop_assert_eq!((counts.strange, counts.broken, counts.nested), (0, 0, 0));
        // All of a CPU's time is somebody's, from its first way out of the kernel to its last record.
        let all: u64 = ran.iter().map(|(_, _, ticks)| ticks).sum();
        prop_assert!(all <= counts.ticks() * scripts.len() as u64);
    }

    #[test]
    fn a_gap_takes_requests_away_and_changes_none(
        deeds in prop::collection::vec((0u16..3, deed()), 1..40),
        order in prop::collection::vec((Just(0usize), 1u64..100), 1..50),
        holes in prop::collection::vec((0usize..400, 1usize..20), 1..4),
    ) {
        let (guest, expected) = run(&[script(0, &deeds)], &order);
        let holed = guest.with_holes(&holes);
        let (Ear { spans, .. }, counts) = heard(&holed);
        for span in found(&spans) {
            prop_assert!(expected.contains(&span), "{span:?} was made up");
        }
        prop_assert_eq!(counts.broken, 0);
    }

    #[test]
    fn any_records_are_followed_to_the_end(
        records in prop::collection::vec((0u8..4, any::<u16>(), 0u64..4, any::<u8>(), any::<u64>()), 0..300)
    ) {
        let mut guest = Guest::default();
        let events = [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0f, 0x100, 0x101, 0x102, 0x103, 0x104, 0x105, 0x106, 0x107, 0x10f, 0x200, 0x400, 0x401];
        for (ring, event, who, after, argument) in records {
            let event = Event(events.get(usize::from(event % 24)).copied().unwrap_or(event));
            let who = thread(5 + who as u16, 0);
            let argument = if argument % 3 == 0 { thread(5 + (argument % 4) as u16, 0) } else { argument };
            match ring {
                0 | 1 => guest.kernel(ring.into(), after.into(), event, who, argument),
                2 => guest.server(after.into(), event, who, argument),
                _ => guest.host(0, after.into(), event, argument),
            };
        }
        let (ear, counts) = heard(&guest);
        for span in &ear.spans {
            prop_assert_eq!(span.ticks.total(), span.end - span.start);
            prop_assert!(span.segments.iter().map(|part| part.end - part.start).sum::<u64>() == span.ticks.total());
        }
        prop_assert!(ear.spans.len() as u64 <= counts.records);
    }
}
