//! What measuring costs.
//!
//! When the machine starts, the kernel writes records by the way that others of each kind are written, three in a row (`CALIBRATE`): from them follows what a record costs,
//! and how much of that lies before and how much behind its reading of the TSC. Each server writes some one behind the other (`SERVER_CALIBRATE`): the time from one to the next is
//! what it costs; that it lies behind the reading is not quite so, and what comes before is taken off the phase behind. All are medians, since interrupts fall between some.

use crate::file::Ring;
use std::collections::{BTreeMap, HashMap};
use ukernel_abi::ThreadId;
use vmm_abi::trace::{Event, Record};

/// Samples that are kept of one kind.
const SAMPLES: usize = 1024;
/// Kinds, and tasks, whose own costs are known. Beyond them, those of others are taken.
const KINDS: usize = 256;

/// Ticks that a record costs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Cost {
    /// Until it reads the TSC.
    pub before: u64,
    /// From there on.
    pub behind: u64,
}

impl Cost {
    pub const fn total(self) -> u64 {
        self.before.saturating_add(self.behind)
    }
}

/// What records cost, by kind.
#[derive(Default)]
pub struct Costs {
    kernel: Known<Event>,
    /// By task: a server's records all go the same way.
    servers: Known<u16>,
    /// The last two records of each ring, the last one first, as far as they were of calibration and followed each other.
    last: HashMap<Ring, (Record, Option<Record>)>,
}

impl Costs {
    /// Takes notice of a record, if it is of calibration.
    pub fn learn(&mut self, ring: Ring, record: &Record) {
        if !matches!(record.event(), Event::CALIBRATE | Event::SERVER_CALIBRATE) {
            if !self.last.is_empty() {
                self.last.remove(&ring);
            }
            return;
        }
        let follows = |last: &Record| last.sequence().wrapping_add(1) == record.sequence();
        let (last, before) = match self.last.remove(&ring) {
            Some((last, before)) if follows(&last) => (Some(last), before),
            _ => (None, None),
        };
        self.last.insert(ring, (*record, last));
        let Some(last) = last.filter(|last| last.event() == record.event()) else { return };
        let ticks = record.tsc.saturating_sub(last.tsc);
        if record.event() == Event::SERVER_CALIBRATE {
            if last.thread == record.thread {
                self.servers.add(ThreadId(record.thread).task(), ticks, ticks);
            }
            return;
        }
        let is_bare = record.argument == u64::from(Event::CALIBRATE.0) && last.argument != record.argument;
        if let Some(before) = before.filter(|before| is_bare && before.argument == last.argument) {
            let total = last.tsc.saturating_sub(before.tsc);
            self.kernel.add(Event(last.argument as u16), total, ticks);
        }
    }

    /// What a record costs. One of a kind that was not measured costs as much as others of its side do in the middle; the host's cost the guest nothing.
    pub fn of(&mut self, ring: Ring, record: &Record) -> Cost {
        match ring {
            Ring::Cpu(_) => self.kernel.of(&record.event()),
            Ring::User(_) => self.servers.of(&ThreadId(record.thread).task()),
            Ring::Host(_) => Cost::default(),
        }
    }

    /// The kernel's.
    pub fn kernel(&mut self) -> Vec<(Event, Cost)> {
        self.kernel.all()
    }

    /// The servers', by task.
    pub fn servers(&mut self) -> Vec<(u16, Cost)> {
        self.servers.all()
    }
}

/// Costs by kind.
#[derive(Default)]
struct Known<K> {
    samples: BTreeMap<K, Samples>,
    /// Of kinds that were not measured, once it was asked for.
    others: Option<Cost>,
}

impl<K: Ord + Copy> Known<K> {
    fn add(&mut self, kind: K, total: u64, behind: u64) {
        if self.samples.len() < KINDS || self.samples.contains_key(&kind) {
            let samples = self.samples.entry(kind).or_default();
            if samples.total.len() < SAMPLES {
                samples.total.push(total);
                samples.behind.push(behind);
                samples.cost = None;
                self.others = None;
            }
        }
    }

    fn of(&mut self, kind: &K) -> Cost {
        if let Some(samples) = self.samples.get_mut(kind) {
            return samples.cost();
        }
        if let Some(cost) = self.others {
            return cost;
        }
        let mut costs: Vec<Cost> = self.samples.values_mut().map(Samples::cost).collect();
        costs.sort_unstable_by_key(|cost| (cost.total(), *cost));
        let cost = costs.get(costs.len() / 2).copied().unwrap_or_default();
        self.others = Some(cost);
        cost
    }

    fn all(&mut self) -> Vec<(K, Cost)> {
        self.samples.iter_mut().map(|(kind, samples)| (*kind, samples.cost())).collect()
    }
}

#[derive(Default)]
struct Samples {
    total: Vec<u64>,
    behind: Vec<u64>,
    cost: Option<Cost>,
}

impl Samples {
    fn cost(&mut self) -> Cost {
        if let Some(cost) = self.cost {
            return cost;
        }
        let (total, behind) = (median(&mut self.total), median(&mut self.behind));
        let cost = Cost { before: total.saturating_sub(behind), behind: behind.min(total) };
        self.cost = Some(cost);
        cost
    }
}

fn median(ticks: &mut [u64]) -> u64 {
    ticks.sort_unstable();
    ticks.get(ticks.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPU: Ring = Ring::Cpu(0);

    /// Records of calibration, each with its argument and time.
    fn calibrate(costs: &mut Costs, ring: Ring, event: Event, records: &[(u16, u64)]) {
        for (n, (argument, tsc)) in records.iter().enumerate() {
            let record = Record::new(event, 0, n as u64 + 1, 7, *tsc, (*argument).into());
            costs.learn(ring, &record);
        }
    }

    fn cost(costs: &mut Costs, ring: Ring, event: Event, thread: u64) -> (u64, u64) {
        let cost = costs.of(ring, &Record::new(event, 0, 9, thread, 0, 0));
        (cost.before, cost.behind)
    }

    #[test]
    fn three_records_tell_a_cost_and_where_it_lies() {
        let mut costs = Costs::default();
        assert_eq!(cost(&mut costs, CPU, Event::EXIT, 7), (0, 0));
        let (exit, commit, bare) = (Event::EXIT.0, Event::COMMIT.0, Event::CALIBRATE.0);
        let mut records = Vec::new();
        for n in 0..5 {
            // An interrupt comes between two of them.
            let late = if n == 3 { 5000 } else { 0 };
            let at = n * 10_000;
            records.extend([(exit, at), (exit, at + 20 + late), (bare, at + 24 + late)]);
            records.extend([(commit, at + 6000), (commit, at + 6030), (bare, at + 6030 + 25)]);
        }
        calibrate(&mut costs, CPU, Event::CALIBRATE, &records);
        assert_eq!(cost(&mut costs, CPU, Event::EXIT, 7), (16, 4));
        assert_eq!(cost(&mut costs, CPU, Event::COMMIT, 7), (5, 25));
        assert_eq!(cost(&mut costs, CPU, Event::ENTER_TRAP, 7), (5, 25), "as others do");
        assert_eq!(costs.kernel().len(), 2);
        assert_eq!(cost(&mut costs, Ring::User(0), Event::REPLY, 7), (0, 0));
        calibrate(
            &mut costs,
            Ring::User(0),
            Event::SERVER_CALIBRATE,
            &[(0, 100), (0, 150), (0, 200), (0, 300)],
        );
        assert_eq!(cost(&mut costs, Ring::User(0), Event::REPLY, 7), (0, 50));
        assert_eq!(cost(&mut costs, Ring::User(1), Event::REPLY, 8), (0, 50));
        assert_eq!(cost(&mut costs, Ring::Host(0), Event::VM_EXIT, 0), (0, 0));
    }

    #[test]
    fn what_does_not_follow_tells_nothing() {
        let mut costs = Costs::default();
        let (exit, bare) = (Event::EXIT.0, Event::CALIBRATE.0);
        for records in [
            &[(exit, 1), (bare, 2), (exit, 3)][..],
            &[(exit, 1), (1, 2), (bare, 3)],
            &[(bare, 1), (bare, 2), (bare, 3)],
        ] {
            calibrate(&mut costs, CPU, Event::CALIBRATE, records);
        }
        // One is missing; another comes between.
        let record = |event, sequence, argument: u16| Record::new(event, 0, sequence, 7, 0, argument.into());
        for record in [
            record(Event::CALIBRATE, 1, exit),
            record(Event::CALIBRATE, 2, exit),
            record(Event::CALIBRATE, 4, bare),
            record(Event::CALIBRATE, 5, exit),
            record(Event::CALIBRATE, 6, exit),
            record(Event::EXIT, 7, 0),
            record(Event::CALIBRATE, 8, bare),
        ] {
            costs.learn(CPU, &record);
        }
        assert_eq!(costs.kernel(), []);
    }
}
