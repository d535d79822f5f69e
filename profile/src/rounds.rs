//! What a program's rounds consist of, if it marks their beginnings and ends by events of its own.
//!
//! A mark is a system call, which is no part of the round: that lasts from the end of the first mark's call to the beginning of the last one's.

use crate::input::Input;
use crate::kind::Kind;
use crate::names::NameBook;
use crate::phase::Phases;
use crate::report::{ReportError, analyse};
use crate::sink::{Activity, Mark, Sink, Stretch};
use crate::span::Span;
use std::collections::BTreeMap;
use std::io::{Read, Seek};
use ukernel_abi::ThreadId;

/// The events that a round lies between. They have the same argument, which says what the round is one of.
#[derive(Clone, Copy, Debug)]
pub struct Marks {
    pub begin: u8,
    pub end: u8,
}

/// A round. Ticks are without the cost of measuring.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Round {
    pub argument: u64,
    /// In user mode, by thread.
    pub user: BTreeMap<u64, u64>,
    pub kernel: u64,
    pub idle: u64,
    /// Requests that came to their end in it.
    pub requests: BTreeMap<Kind, Requests>,
    /// How often user mode was entered in another address space than it was left.
    pub switches: u64,
    /// Meanwhile the host was busy with the records.
    pub disturbed: bool,
}

/// Requests of a kind.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Requests {
    pub count: u64,
    /// Of all of them.
    pub phases: Phases,
}

impl Round {
    pub fn ticks(&self) -> u64 {
        self.user.values().sum::<u64>() + self.kernel + self.idle
    }
}

/// Finds the rounds in a profile, in their order.
pub fn read<F: Read + Seek>(file: F, marks: Marks) -> Result<(Vec<Round>, NameBook), ReportError> {
    let input = Input::open(file)?;
    let mut finder = Finder::new(marks);
    analyse(&input, &mut finder)?;
    Ok((finder.rounds, input.names))
}

/// Hears what happens.
pub struct Finder {
    marks: Marks,
    open: Option<Open>,
    pub rounds: Vec<Round>,
}

/// A round that has begun.
struct Open {
    thread: u64,
    round: Round,
    state: State,
    /// What the CPU did, and what requests came to their end, since.
    ran: Vec<(Activity, Stretch, u64)>,
    ended: Vec<(Kind, u64, Phases)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The mark's own call is going on.
    Begins,
    Goes,
    Ends,
}

impl Finder {
    pub const fn new(marks: Marks) -> Self {
        Self { marks, open: None, rounds: Vec::new() }
    }
}

impl Sink for Finder {
    fn marked(&mut self, mark: &Mark) {
        match &mut self.open {
            Some(open) if mark.event == self.marks.end && open.is_of(mark) => open.state = State::Ends,
            _ if mark.event == self.marks.begin => self.open = Some(Open::new(mark)),
            _ => {}
        }
    }

    fn span(&mut self, span: &Span) {
        let Some(open) = &mut self.open else { return };
        match open.state {
            State::Begins if span.thread == open.thread => open.state = State::Goes,
            State::Begins => {}
            State::Ends if span.thread == open.thread => {
                self.rounds.extend(self.open.take().map(|open| open.close(span.start)));
            }
            State::Goes | State::Ends => open.ended.push((span.kind, span.end, span.corrected())),
        }
    }

    fn ran(&mut self, _: u16, activity: Activity, stretch: Stretch, cost: u64) {
        if let Some(open) = self.open.as_mut().filter(|open| open.state != State::Begins) {
            open.ran.push((activity, stretch, cost));
        }
    }

    fn drained(&mut self, _: Stretch) {
        if let Some(open) = &mut self.open {
            open.round.disturbed = true;
        }
    }

    /// Nobody knows what was in it.
    fn gap(&mut self, _: Stretch) {
        self.open = None;
    }
}

impl Open {
    fn new(mark: &Mark) -> Self {
        let round = Round { argument: mark.argument, ..Round::default() };
        Self { thread: mark.thread, round, state: State::Begins, ran: Vec::new(), ended: Vec::new() }
    }

    fn is_of(&self, mark: &Mark) -> bool {
        (self.thread, self.round.argument) == (mark.thread, mark.argument)
    }

    /// It has ended at `end`.
    fn close(self, end: u64) -> Round {
        let mut round = self.round;
        let mut task = ThreadId(self.thread).task();
        for (activity, stretch, cost) in self.ran.into_iter().filter(|(_, stretch, _)| stretch.start < end) {
            let ticks = stretch.ticks().saturating_sub(cost);
            match activity {
                Activity::User(thread) => {
                    let before = std::mem::replace(&mut task, ThreadId(thread).task());
                    round.switches += u64::from(before != task);
                    *round.user.entry(thread).or_default() += ticks;
                }
                Activity::Kernel => round.kernel += ticks,
                Activity::Idle => round.idle += ticks,
            }
        }
        for (kind, _, phases) in self.ended.into_iter().filter(|(_, at, _)| *at <= end) {
            let requests = round.requests.entry(kind).or_default();
            requests.count += 1;
            requests.phases.add_all(&phases);
        }
        round
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mock::{Guest, IPC, thread};
    use crate::phase::Phase;
    use vmm_abi::trace::Event;

    const P: u64 = thread(10, 0);
    const L: u64 = thread(5, 0);
    const MARKS: Marks = Marks { begin: 1, end: 2 };
    const GETPID: u64 = 39;
    const WRITE: u64 = 1;

    /// A write to `/dev/trace`, all of whose records but the mark's lie 10 ticks apart.
    fn mark(guest: &mut Guest, event: u8, argument: u64) {
        guest
            .kernel(0, 100, Event::ENTER_SYSCALL, P, WRITE)
            .kernel(0, 10, Event::COMMIT, P, L)
            .kernel(0, 10, Event::EXIT, L, 0)
            .server(10, Event::RECEIVED, L, P)
            .server(10, Event::HANDLER_START, L, WRITE)
            .server(10, Event::user(event), P, argument)
            .server(10, Event::HANDLER_END, L, 16)
            .kernel(0, 10, Event::ENTER_SYSCALL, L, IPC)
            .kernel(0, 10, Event::COMMIT, L, P)
            .kernel(0, 10, Event::EXIT, P, 16);
    }

    fn rounds(guest: &Guest) -> Vec<Round> {
        let mut finder = Finder::new(MARKS);
        guest.follow(&mut finder);
        finder.rounds
    }

    #[test]
    fn a_round_is_what_lies_between_two_calls() {
        let mut guest = Guest::default();
        guest.call(0, (P, L), GETPID, [1; 6]);
        mark(&mut guest, MARKS.begin, 77);
        guest.call(0, (P, L), GETPID, [10, 20, 30, 40, 50, 60]);
        guest.call(0, (P, L), GETPID, [10, 20, 30, 40, 50, 60]);
        mark(&mut guest, MARKS.end, 77);
        guest.call(0, (P, L), GETPID, [1; 6]);
        let found = rounds(&guest);
        let [round] = &found[..] else { panic!("{found:?}") };
        // The reply is 12 + 12 in the server, and 26 in the kernel.
        let server = 2 * (30 + 40 + 24);
        assert_eq!((round.argument, round.switches, round.disturbed), (77, 4, false));
        assert_eq!(round.user, [(P, 300), (L, server)].into());
        assert_eq!(round.kernel, 2 * (10 + 20 + 26 + 60));
        assert_eq!(round.ticks(), 300 + 2 * 210);
        let calls = round.requests[&Kind::Linux(GETPID)];
        assert_eq!((calls.count, calls.phases.get(Phase::Server), calls.phases.total()), (2, 80, 420));
        assert_eq!(round.requests.len(), 1, "and not the marks");
    }

    #[test]
    fn what_measuring_costs_is_in_no_round() {
        let ticks = |cost: u64| {
            let mut guest = Guest::default();
            guest.calibrate(cost, L, cost).wait(1000);
            mark(&mut guest, MARKS.begin, 1);
            guest.call(0, (P, L), GETPID, [100; 6]);
            mark(&mut guest, MARKS.end, 1);
            rounds(&guest)[0].ticks()
        };
        // Ten records of the call. Its mark's way out costs before its reading, the other's way in behind it.
        assert_eq!(ticks(0) - ticks(3), 10 * 3);
    }

    #[test]
    fn a_round_that_is_not_whole_is_none() {
        let mut guest = Guest::default();
        mark(&mut guest, MARKS.begin, 1);
        mark(&mut guest, MARKS.end, 2);
        assert_eq!(rounds(&guest), []);
        mark(&mut guest, MARKS.begin, 3);
        guest.lose(crate::file::Ring::Cpu(0), 5).wait(10);
        mark(&mut guest, MARKS.end, 3);
        assert_eq!(rounds(&guest), []);
        mark(&mut guest, MARKS.begin, 4);
        guest.host(0, 1, Event::DRAIN, 50);
        mark(&mut guest, MARKS.end, 4);
        assert!(rounds(&guest)[0].disturbed);
    }
}
