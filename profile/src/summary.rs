//! Figures of a whole run. Needs the same memory however long it was.

use crate::bins::Bins;
use crate::cpu::CPUS;
use crate::metric::{Key, Metric, Section};
use crate::names::NameBook;
use crate::sink::{Activity, Device, Interrupt, Mark, Sink, Stretch};
use crate::span::Span;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Metrics of a section; one that finds no room is counted among the others.
const METRICS: usize = 256;
/// Threads whose time is told.
const THREADS: usize = 1 << 16;
/// Programs' own events that are told apart.
const MARKS: usize = 1024;

#[derive(Default)]
pub struct Summary {
    pub metrics: BTreeMap<Key, Metric>,
    pub cpus: BTreeMap<u16, Time>,
    /// Ticks in user mode, and when it was there last.
    pub threads: BTreeMap<u64, (u64, u64)>,
    /// Programs' and servers' own events, by thread and number: how often, and when it came last.
    pub marks: BTreeMap<(u64, u8), (u64, u64)>,
    pub bins: Bins,
    pub gaps: u64,
}

/// What a CPU has done, in ticks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Time {
    pub user: u64,
    pub kernel: u64,
    pub idle: u64,
    /// Of these, outside of the guest.
    pub outside: u64,
}

impl Summary {
    fn metric(&mut self, key: Key) -> &mut Metric {
        let section = key.section();
        let is_of_it = |key: &&Key| key.section() == section;
        let has_room = || self.metrics.keys().filter(is_of_it).count() < METRICS;
        let key = if self.metrics.contains_key(&key) || has_room() { key } else { Key::Others(section) };
        self.metrics.entry(key).or_default()
    }

    /// Of the requests of a section, or of all: ticks as measured, and what of them measuring was.
    pub fn measured(&self) -> (u128, u128) {
        let requests = self.metrics.iter().filter(|(key, _)| matches!(key, Key::Request(_)));
        requests.fold((0, 0), |(ticks, cost), (_, metric)| (ticks + metric.measured, cost + metric.cost))
    }
}

impl Sink for Summary {
    fn span(&mut self, span: &Span) {
        self.metric(Key::of(span)).add(span);
    }

    fn ran(&mut self, cpu: u16, activity: Activity, stretch: Stretch, _: u64) {
        debug_assert!(cpu < CPUS);
        let ticks = stretch.ticks();
        let time = self.cpus.entry(cpu).or_default();
        let sum = match activity {
            Activity::User(_) => &mut time.user,
            Activity::Kernel => &mut time.kernel,
            Activity::Idle => &mut time.idle,
        };
        *sum = sum.saturating_add(ticks);
        self.bins.add(activity, stretch);
        if let Activity::User(thread) = activity {
            let room = self.threads.len() < THREADS;
            if let Some((sum, last)) = place(self.threads.entry(thread), room) {
                (*sum, *last) = (sum.saturating_add(ticks), stretch.end);
            }
        }
    }

    fn interrupt(&mut self, interrupt: &Interrupt) {
        let metric = self.metric(Key::Interrupt(interrupt.vector));
        metric.add_stretch(interrupt.stretch, interrupt.cost);
    }

    fn device(&mut self, device: &Device) {
        let key = Key::Device { driver: device.driver, queue: device.queue };
        self.metric(key).add_stretch(device.stretch, 0);
    }

    fn vm_exit(&mut self, cpu: u16, reason: u32, stretch: Stretch) {
        self.metric(Key::VmExit(reason)).add_stretch(stretch, 0);
        let time = self.cpus.entry(cpu).or_default();
        time.outside = time.outside.saturating_add(stretch.ticks());
    }

    fn marked(&mut self, mark: &Mark) {
        let room = self.marks.len() < MARKS;
        if let Some((number, last)) = place(self.marks.entry((mark.thread, mark.event)), room) {
            (*number, *last) = (*number + 1, mark.tsc);
        }
        if let Some(since) = &mark.since {
            let key = Key::Marks { thread: mark.thread, from: since.event, to: mark.event };
            self.metric(key).add_stretch(since.stretch, since.cost);
        }
    }

    fn gap(&mut self, _: Stretch) {
        self.gaps += 1;
    }
}

/// What is there, or a new one if there is room.
fn place<K: Ord, V: Default>(entry: Entry<'_, K, V>, room: bool) -> Option<&mut V> {
    match entry {
        Entry::Occupied(there) => Some(there.into_mut()),
        Entry::Vacant(place) => room.then(|| place.insert(V::default())),
    }
}

impl Summary {
    /// Threads that were in user mode, by how long: their names at the last time, and their ticks.
    pub fn by_time(&self, names: &NameBook) -> Vec<(String, u64)> {
        let mut threads: Vec<_> = self.threads.iter().collect();
        threads.sort_by_key(|(thread, (ticks, _))| (Reverse(*ticks), **thread));
        threads.into_iter().map(|(thread, (ticks, last))| (names.thread(*thread, *last), *ticks)).collect()
    }

    /// Own events: how often, which, and the thread as it was called at the last time.
    pub fn marks(&self, names: &NameBook) -> Vec<(u64, u8, String)> {
        let mark = |((thread, event), (number, last)): (&(u64, u8), &(u64, u64))| {
            (*number, *event, names.thread(*thread, *last))
        };
        self.marks.iter().map(mark).collect()
    }

    /// The metrics of a section, those that took most time first.
    pub fn section(&self, section: Section) -> Vec<(&Key, &Metric)> {
        let mut metrics: Vec<_> = self.metrics.iter().filter(|(key, _)| key.section() == section).collect();
        metrics.sort_by_key(|(_, metric)| Reverse(metric.total.sum()));
        metrics
    }
}
