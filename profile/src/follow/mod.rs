//! Follows the timeline: finds the requests of threads, what each CPU does, and so on, and tells a [`Sink`].
//!
//! It goes through the records once, and remembers no more than what is going on. It believes nothing: records of a ring that cannot have them, of threads and CPUs that
//! cannot be, and in an order that cannot be are counted and left out, and a request of which something is missing is discarded, not guessed.
//!
//! - [`kernel`]: what the kernel says; [`server`]: what servers say; [`outside`]: devices, the host, programs
//! - [`cut`]: while the guest runs, what can be said so far
//! - [`counts`]: what was left out

pub mod counts;
mod cut;
mod kernel;
mod outside;
mod server;

use crate::cost::{Cost, Costs};
use crate::cpu::{CPUS, Cpu};
use crate::file::{Header, Ring};
use crate::merge::Moment;
use crate::point::Point;
use crate::roles::Roles;
use crate::sink::{Sink, Stretch};
use crate::thread::Threads;
use counts::Counts;
use outside::Devices;
use std::collections::BTreeMap;
use std::ops::DerefMut;
use vmm_abi::trace::{Event, Record};

pub struct Follower<S> {
    sink: S,
    costs: Costs,
    cpus: Vec<Cpu>,
    threads: Threads,
    roles: Roles,
    devices: Devices,
    /// Of each ring for user level the thread that has last written something of its own.
    writers: BTreeMap<Ring, u64>,
    /// While the host reads the records, no CPU is the guest's.
    shares_cpu: bool,
    /// Gaps that have begun and not ended, and when the first of them has begun.
    gaps: usize,
    gap: u64,
    /// There was none so far.
    whole: bool,
    now: u64,
    counts: Counts,
}

impl<S: DerefMut<Target: Sink>> Follower<S> {
    /// Tells what `sink` refers to.
    pub fn new(sink: S) -> Self {
        Self {
            sink,
            costs: Costs::default(),
            cpus: vec![Cpu::default(); usize::from(CPUS)],
            threads: Threads::default(),
            roles: Roles::default(),
            devices: Devices::default(),
            writers: BTreeMap::new(),
            shares_cpu: false,
            gaps: 0,
            gap: 0,
            whole: true,
            now: 0,
            counts: Counts::default(),
        }
    }

    /// Of a run with this header.
    #[must_use]
    pub fn of(self, header: &Header) -> Self {
        Self { shares_cpu: header.host_cpus == 1, ..self }
    }

    pub fn moment(&mut self, moment: Moment) {
        match moment {
            Moment::Record { ring, record } => self.record(ring, &record),
            Moment::GapBegins { tsc } => {
                if self.gaps == 0 {
                    self.gap = tsc;
                    let discarded = self.forget();
                    self.counts.in_gaps += discarded;
                }
                self.gaps += 1;
                self.whole = false;
            }
            Moment::GapEnds { tsc } => {
                self.gaps = self.gaps.saturating_sub(1);
                if self.gaps == 0 {
                    self.end_gap(tsc);
                }
            }
        }
    }

    /// The end of the timeline.
    pub fn end(mut self) -> (Counts, Costs) {
        if self.gaps > 0 {
            self.end_gap(self.now);
        }
        self.counts.unreturned.extend(self.threads.forget().map(|open| open.span.kind));
        (self.counts, self.costs)
    }

    fn end_gap(&mut self, tsc: u64) {
        let stretch = Stretch { start: self.gap, end: tsc };
        self.counts.gap_ticks = self.counts.gap_ticks.saturating_add(stretch.ticks());
        self.sink.gap(stretch);
    }

    /// Forgets what is going on; returns how many requests that were.
    fn forget(&mut self) -> u64 {
        self.cpus.iter_mut().for_each(Cpu::forget);
        self.devices = Devices::default();
        self.threads.forget().filter(|open| !open.span.kind.may_be_ipc()).count() as u64
    }

    fn record(&mut self, ring: Ring, record: &Record) {
        self.now = record.tsc;
        self.counts.record(record.tsc);
        self.costs.learn(ring, record);
        let cost = self.costs.of(ring, record);
        self.counts.measuring = self.counts.measuring.saturating_add(cost.total());
        if self.gaps > 0 {
            return;
        }
        let known = match (ring, record.event()) {
            (Ring::Cpu(cpu), event) if cpu < CPUS && event < Event::CALIBRATE => {
                self.kernel(cpu, record, cost)
            }
            // The host has made names of them.
            (Ring::User(_), Event::NAMED) => {
                if let Some(writer) = self.writers.get(&ring) {
                    self.point_of(*writer, record.tsc, cost);
                }
                true
            }
            (Ring::User(_), event) if event >= Event::RECEIVED && event < Event::SERVER_CALIBRATE => {
                self.writers.insert(ring, record.thread);
                self.server(record, cost)
            }
            (Ring::User(_), event) if event.is_user() => self.mark(ring, record, cost),
            (Ring::Host(cpu), Event::VM_EXIT | Event::VM_ENTRY) if cpu < CPUS => self.outside(cpu, record),
            (Ring::Host(_), Event::DRAIN) => self.drained(record),
            (Ring::User(_), Event::SERVER_CALIBRATE) => {
                self.writers.insert(ring, record.thread);
                true
            }
            (Ring::Cpu(_), Event::CALIBRATE) => true,
            _ => false,
        };
        self.counts.strange += u64::from(!known);
        self.counts.unreturned.extend(self.threads.dead.drain(..).map(|open| open.span.kind));
    }

    fn cpu(&mut self, cpu: u16) -> &mut Cpu {
        &mut self.cpus[usize::from(cpu)]
    }

    /// A record's point, on `cpu`, now.
    fn point(&mut self, cpu: u16, tsc: u64, cost: Cost) -> Point {
        let state = self.cpu(cpu);
        let counter = state.counter.saturating_add(cost.before);
        state.counter = counter.saturating_add(cost.behind);
        Point { tsc, cpu: Some(cpu), counter, host: state.host, cost }
    }
}

#[cfg(test)]
mod tests;
