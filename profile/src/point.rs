//! A point in time, and how much of what came before was not the guest's.

use crate::cost::Cost;

/// A point in time on a CPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Point {
    pub tsc: u64,
    /// Where, if it is known: servers do not know it themselves, but the kernel's records tell.
    pub cpu: Option<u16>,
    /// Ticks that all records of that CPU have cost so far.
    pub counter: u64,
    /// Ticks for which that CPU was the host's so far.
    pub host: u64,
    /// What the record that was made here has cost.
    pub cost: Cost,
}

impl Point {
    /// What records have cost between this point and `end`. From one CPU to another it is only what the two records themselves have.
    pub const fn cost_until(&self, end: &Self) -> u64 {
        match (self.cpu, end.cpu) {
            (Some(from), Some(to)) if from == to => end.counter.saturating_sub(self.counter),
            _ => self.cost.behind.saturating_add(end.cost.before),
        }
    }

    /// For how long the CPU was the host's between this point and `end`. From one CPU to another nobody knows.
    pub const fn host_until(&self, end: &Self) -> u64 {
        match (self.cpu, end.cpu) {
            (Some(from), Some(to)) if from == to => end.host.saturating_sub(self.host),
            _ => 0,
        }
    }
}
