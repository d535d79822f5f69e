//! A metric, taken apart.

use super::Events;
use super::cost::Range;
use super::cycles;
use super::event::Event;
use crate::commands::bench::results::Measured;
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;

/// What several rounds executed.
#[derive(Default, Clone, PartialEq, Debug)]
pub struct Counts {
    host: u64,
    user: u64,
    kernel: u64,
    events: BTreeMap<Event, u64>,
}

impl Counts {
    /// So many instructions of the host.
    pub fn of_host(host: u64) -> Self {
        Self { host, ..Self::default() }
    }

    pub fn add(&mut self, event: Event, times: u64) {
        if times > 0 {
            *self.events.entry(event).or_default() += times;
        }
    }

    /// An instruction of the guest.
    pub fn instruction(&mut self, bytes: &[u8], user: u64, kernel: u64) {
        self.user += user;
        self.kernel += kernel;
        if let Some(event) = Event::of(bytes) {
            self.add(event, user + kernel);
        }
    }

    /// All instructions.
    pub fn total(&self) -> u64 {
        self.host + self.user + self.kernel
    }
}

/// What one operation takes, or a byte: means.
#[derive(Serialize, PartialEq, Debug)]
pub struct Metric {
    pub name: String,
    /// "ticks", or "ticks/byte".
    pub unit: String,
    /// Instructions in user mode (without what the readings take), in kernel mode, and of the host.
    user: f64,
    kernel: f64,
    host: f64,
    events: BTreeMap<Event, f64>,
}

impl Metric {
    pub fn new(name: &str, measured: &Measured, rounds: u64, counts: &Counts) -> Self {
        let operations = rounds as f64 * measured.per;
        let mean = |count: u64| count as f64 / operations;
        Self {
            name: name.to_owned(),
            unit: measured.unit.clone(),
            user: mean(counts.user) - measured.subtracted / measured.per,
            kernel: mean(counts.kernel),
            host: mean(counts.host),
            events: counts.events.iter().map(|(event, count)| (*event, mean(*count))).collect(),
        }
    }

    pub fn instructions(&self) -> f64 {
        self.user + self.kernel + self.host
    }

    pub fn event(&self, event: Event) -> f64 {
        self.events.get(&event).copied().unwrap_or_default()
    }

    /// Instructions that are no events.
    pub fn ordinary(&self) -> f64 {
        let events = self.events.iter().filter(|(event, _)| event.is_instruction());
        self.instructions() - events.map(|(_, count)| count).sum::<f64>()
    }
}

#[derive(Serialize)]
struct Line<'a> {
    system: &'a str,
    #[serde(flatten)]
    metric: &'a Metric,
    cycles: [f64; 2],
}

/// A system's metrics as lines of JSON.
pub fn lines(events: &Events) -> Result<String> {
    let line = |metric| {
        let Range { low, high } = cycles::of(metric);
        let line = Line { system: events.system.key, metric, cycles: [low, high] };
        Ok(serde_json::to_string(&line)? + "\n")
    };
    events.metrics.iter().map(line).collect()
}
