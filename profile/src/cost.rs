//! What measuring costs.
//!
//! When the machine starts, its kernel and each server write records one behind the other, by the way that others are written (`CALIBRATE`, `SERVER_CALIBRATE`): the
//! time from one to the next is what a record costs. It is the median that counts, since interrupts fall between some of them.
//!
//! The cost of a record lies behind its TSC reading, because the kernel's entry and the servers read it first; but on the kernel's way out ([`Event::EXIT`]) it is read
//! last, so there the cost lies before. Neither is true to the instruction, so what falls on one phase or the next is, too.

use crate::file::Ring;
use std::collections::{BTreeMap, HashMap};
use ukernel_abi::ThreadId;
use vmm_abi::trace::{Event, Record};

/// Differences that are kept of one kind.
const SAMPLES: usize = 1024;
/// Kinds, and tasks, whose own costs are known. Beyond them, those of others are taken.
const KINDS: usize = 256;

/// Ticks that a record costs, by kind.
#[derive(Default)]
pub struct Costs {
    kernel: Known<Event>,
    /// By task: a server's records all go the same way.
    servers: Known<u16>,
    /// The last record of each ring, if it was of calibration.
    last: HashMap<Ring, Record>,
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
        let Some(last) = self.last.insert(ring, *record) else { return };
        let follows = last.sequence().wrapping_add(1) == record.sequence()
            && (last.event(), last.thread, last.argument) == (record.event(), record.thread, record.argument);
        if !follows {
            return;
        }
        let ticks = record.tsc.saturating_sub(last.tsc);
        if record.event() == Event::CALIBRATE {
            self.kernel.add(Event(record.argument as u16), ticks);
        } else {
            self.servers.add(ThreadId(record.thread).task(), ticks);
        }
    }

    /// What a record costs. One of a kind that was not measured costs as much as others of its side do in the middle; the host's cost the guest nothing.
    pub fn of(&mut self, ring: Ring, record: &Record) -> u64 {
        match ring {
            Ring::Cpu(_) => self.kernel.of(&record.event()),
            Ring::User(_) => self.servers.of(&ThreadId(record.thread).task()),
            Ring::Host(_) => 0,
        }
    }

    /// The kernel's: kind and ticks.
    pub fn kernel(&mut self) -> Vec<(Event, u64)> {
        self.kernel.all()
    }

    /// The servers': task and ticks.
    pub fn servers(&mut self) -> Vec<(u16, u64)> {
        self.servers.all()
    }
}

/// Costs by kind.
#[derive(Default)]
struct Known<K> {
    samples: BTreeMap<K, Samples>,
    /// Of kinds that were not measured, once it was asked for.
    others: Option<u64>,
}

impl<K: Ord + Copy> Known<K> {
    fn add(&mut self, kind: K, ticks: u64) {
        if self.samples.len() < KINDS || self.samples.contains_key(&kind) {
            self.samples.entry(kind).or_default().add(ticks);
            self.others = None;
        }
    }

    fn of(&mut self, kind: &K) -> u64 {
        if let Some(samples) = self.samples.get_mut(kind) {
            return samples.median();
        }
        if let Some(ticks) = self.others {
            return ticks;
        }
        let mut medians: Vec<u64> = self.samples.values_mut().map(Samples::median).collect();
        medians.sort_unstable();
        let ticks = medians.get(medians.len() / 2).copied().unwrap_or(0);
        self.others = Some(ticks);
        ticks
    }

    fn all(&mut self) -> Vec<(K, u64)> {
        self.samples.iter_mut().map(|(kind, samples)| (*kind, samples.median())).collect()
    }
}

#[derive(Default)]
struct Samples {
    ticks: Vec<u64>,
    median: Option<u64>,
}

impl Samples {
    fn add(&mut self, ticks: u64) {
        if self.ticks.len() < SAMPLES {
            self.ticks.push(ticks);
            self.median = None;
        }
    }

    fn median(&mut self) -> u64 {
        if let Some(median) = self.median {
            return median;
        }
        self.ticks.sort_unstable();
        let median = self.ticks.get(self.ticks.len() / 2).copied().unwrap_or(0);
        self.median = Some(median);
        median
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibrate(costs: &mut Costs, ring: Ring, event: Event, thread: u64, argument: u64, times: &[u64]) {
        for (n, tsc) in times.iter().enumerate() {
            costs.learn(ring, &Record::new(event, 0, n as u64 + 1, thread, *tsc, argument));
        }
    }

    fn cost(costs: &mut Costs, ring: Ring, event: Event, thread: u64) -> u64 {
        costs.of(ring, &Record::new(event, 0, 9, thread, 0, 0))
    }

    #[test]
    fn the_median_of_the_distances() {
        let mut costs = Costs::default();
        let cpu = Ring::Cpu(0);
        assert_eq!(cost(&mut costs, cpu, Event::EXIT, 0), 0);
        let exit = u64::from(Event::EXIT.0);
        calibrate(&mut costs, cpu, Event::CALIBRATE, 0, exit, &[0, 20, 40, 5000, 5020]);
        let commit = u64::from(Event::COMMIT.0);
        calibrate(&mut costs, cpu, Event::CALIBRATE, 0, commit, &[9000, 9030, 9060]);
        assert_eq!(costs.kernel(), [(Event::COMMIT, 30), (Event::EXIT, 20)]);
        assert_eq!(cost(&mut costs, cpu, Event::EXIT, 0), 20);
        assert_eq!(cost(&mut costs, cpu, Event::ENTER_TRAP, 0), 30);
        assert_eq!(cost(&mut costs, Ring::User(0), Event::REPLY, 7), 0);
        calibrate(&mut costs, Ring::User(0), Event::SERVER_CALIBRATE, 7, 0, &[100, 150, 200]);
        assert_eq!(cost(&mut costs, Ring::User(0), Event::REPLY, 7), 50);
        assert_eq!(cost(&mut costs, Ring::User(1), Event::REPLY, 8), 50);
        assert_eq!(cost(&mut costs, Ring::Host(0), Event::VM_EXIT, 0), 0);
    }

    #[test]
    fn what_lies_between_is_no_distance() {
        let mut costs = Costs::default();
        let cpu = Ring::Cpu(0);
        calibrate(&mut costs, cpu, Event::CALIBRATE, 0, 5, &[0, 10]);
        costs.learn(cpu, &Record::new(Event::EXIT, 0, 3, 0, 500, 0));
        // Another ring's, another event's, and one after a loss.
        costs.learn(Ring::Cpu(1), &Record::new(Event::CALIBRATE, 1, 4, 0, 900, 5));
        costs.learn(cpu, &Record::new(Event::CALIBRATE, 0, 4, 0, 900, 4));
        costs.learn(cpu, &Record::new(Event::CALIBRATE, 0, 9, 0, 990, 4));
        assert_eq!(costs.kernel(), [(Event(5), 10)]);
    }
}
