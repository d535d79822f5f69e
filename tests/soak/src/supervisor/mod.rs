//! The server's own part: it is the chief, pager and handler of everybody, has the highest priority, and sees that the
//! run goes on.
//!
//! The fuzzer's task is made and deleted again and again ([`herd`]): so its end in every state is a part of what is
//! tried, and what it has made of itself does not keep it from making calls. Victims live through the whole run ([`watch`]).
//!
//! - [`herd`]: the fuzzer's task and threads; [`gifts`]: what they are given
//! - [`watch`]: the victims

mod gifts;
mod herd;
mod watch;

use crate::capacity;
use crate::failure::{Expect, Failure, Outcome};
use crate::image;
use crate::options::Options;
use crate::random::Random;
use core::fmt;
use gifts::Gifts;
use herd::Herd;
use proto::kernel::Event;
use userlib::clock::{Clock, tsc};
use userlib::ipc::{self, Received};
use userlib::{Me, ThreadId, kip, log, thread};
use watch::Watch;

/// Time between two looks at everybody, in µs, on a fast machine. A thread that has done nothing in between is set going again.
const LOOK_US: u32 = 20_000;
/// Looks in which something has to happen.
const PATIENCE: u64 = 500;
/// What a system call takes on a fast machine, at most, in ns; on others everybody has more time.
const FAST_CALL_NS: u64 = 5_000;
/// Calls by which that is found out.
const PROBES: u32 = 16;
const MOST_PACE: u64 = 100;
/// Below the victims', above the fuzzers', when both are there.
const PRIORITY: u8 = 140;
/// Lines of progress.
const LINES: u64 = 10;

/// What has been done.
#[derive(Default)]
pub struct Done {
    calls: u64,
    /// Tasks that the fuzzer has had.
    tasks: u64,
    /// Threads that were set going again.
    restarts: u64,
    /// Page faults, exceptions and foreign calls of the fuzzer's.
    events: u64,
    /// Of all victims.
    rounds: u64,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, tasks, restarts, events, rounds } = self;
        write!(
            f,
            "{calls} calls, {events} faults, {tasks} tasks, {restarts} restarts, {rounds} rounds of victims"
        )
    }
}

/// The whole run.
pub fn run(me: Me, options: &Options) -> Outcome<Done> {
    image::touch();
    let gifts = Gifts::new(me);
    // The first time makes tables that stay.
    capacity::measure(me);
    let before = capacity::measure(me);
    let done = Supervisor::new(me, &gifts, options.seed)?.fuzz(options.calls)?;
    let after = capacity::measure(me);
    if before != after {
        return Err(Failure::Leak { before, after });
    }
    Ok(done)
}

/// How many times as slow as a fast machine this one is.
fn pace(clock: &Clock) -> u32 {
    let start = tsc();
    (0..PROBES).for_each(|_| thread::switch_to(ThreadId::NIL));
    let each = (clock.monotonic_ns(tsc()) - clock.monotonic_ns(start)) / u64::from(PROBES);
    (each / FAST_CALL_NS).clamp(1, MOST_PACE) as u32
}

struct Supervisor<'a> {
    watch: Watch,
    herd: Herd<'a>,
    done: Done,
    clock: Clock,
    /// How many times as slow as a fast machine this one is.
    pace: u32,
}

impl<'a> Supervisor<'a> {
    fn new(me: Me, gifts: &'a Gifts, seed: u64) -> Outcome<Self> {
        let clock = Clock::of(kip::kip());
        let pace = pace(&clock);
        let watch = Watch::start(me, pace)?;
        // Fuzzers on another CPU can keep this thread busy: it must not keep victims from running.
        thread::set_schedule(me.id, Some(PRIORITY), None).expect_of("scheduling", me.id)?;
        let herd = Herd::new(me, gifts, Random(seed));
        Ok(Self { watch, herd, done: Done::default(), clock, pace })
    }

    /// Goes on until so many calls have been made. Everybody has gone then.
    fn fuzz(mut self, calls: u64) -> Outcome<Done> {
        let (mut next_line, mut idle) = (0, 0);
        let look_us = LOOK_US * self.pace;
        let mut last_look = self.now();
        while self.done.calls < calls || !self.watch.is_warm() {
            if let Ok(received) = ipc::receive(ThreadId::ANY, look_us) {
                self.serve(&received)?;
            }
            if self.now() < last_look + u64::from(look_us) * 1000 {
                continue;
            }
            last_look = self.now();
            let before = self.done.calls;
            self.done.rounds = self.watch.look(PATIENCE)?;
            if self.watch.is_warm() {
                self.herd.look(&mut self.done, self.watch.ids())?;
            }
            idle = if self.done.calls == before { idle + 1 } else { 0 };
            if idle > PATIENCE {
                return Err(Failure::Stuck { calls: self.done.calls });
            }
            if self.done.calls >= next_line && self.done.calls < calls {
                log!("{}", self.done);
                next_line += calls / LINES;
            }
        }
        self.herd.end()?;
        self.watch.end()?;
        Ok(self.done)
    }

    fn now(&self) -> u64 {
        self.clock.monotonic_ns(tsc())
    }

    fn serve(&mut self, received: &Received) -> Outcome {
        let event = Event::try_from(&received.message);
        match self.watch.index_of(received.from) {
            Some(victim) => self.watch.serve(victim, event),
            None => {
                self.done.events += u64::from(event.is_ok());
                self.herd.serve(received, event.ok());
                Ok(())
            }
        }
    }
}
