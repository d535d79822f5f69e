//! Batches in, windows out.

use super::batch::{Batch, Seat};
use super::listing;
use super::mixer::Mixer;
use super::tally::Tally;
use super::window::{Machine, Window};
use crate::file::Header;
use crate::follow::Follower;
use crate::follow::counts::Counts;
use crate::merge::Moment;
use crate::metric::Section;
use crate::names::NameBook;

/// Milliseconds of a window.
const WINDOW_MS: u64 = 1000;
/// Milliseconds that the kernel works at a time, at most: who is in it for longer sleeps there.
const KERNEL_MS: u64 = 10;
/// In a clock whose frequency nobody knows.
const TSC_KHZ: u64 = 1_000_000;

pub struct Analysis {
    machine: Machine,
    /// When the machine started.
    began: u64,
    number: u64,
    mixer: Mixer,
    follower: Follower<Box<Tally>>,
    names: NameBook,
    seats: Vec<Seat>,
    /// What had been counted when the window began.
    before: Before,
}

#[derive(Clone, Copy, Default)]
struct Before {
    records: u64,
    missing: u64,
    gap_ticks: u64,
    measuring: u64,
}

impl Analysis {
    /// Of a machine that starts at `now`, by the guest's TSC, under this header of its profile.
    pub fn new(machine: Machine, header: &Header, now: u64) -> Self {
        Self {
            machine,
            began: now,
            number: 0,
            mixer: Mixer::default(),
            follower: Follower::new(Box::new(Tally::since(now))).of(header),
            names: NameBook::default(),
            seats: Vec::new(),
            before: Before::default(),
        }
    }

    fn ticks(&self, ms: u64) -> u64 {
        let khz = if self.machine.tsc_khz == 0 { TSC_KHZ } else { self.machine.tsc_khz };
        khz.saturating_mul(ms)
    }

    /// Takes what is new. Returns the window that is complete now, if one is; it may be several times as long as others.
    pub fn take(&mut self, batch: Batch) -> Option<Window> {
        let moments = self.mixer.mix(&batch);
        batch.names.into_iter().for_each(|names| self.names.add(names));
        if let Some(seats) = batch.seats {
            self.seats = seats;
        }
        let start = self.follower.sink().start;
        let length = self.ticks(WINDOW_MS);
        let border = start + batch.began.saturating_sub(start) / length * length;
        let mut window = None;
        for moment in moments {
            if border > start && window.is_none() && tsc(&moment) >= border {
                window = Some(self.close(border));
            }
            self.follower.moment(moment);
        }
        window.or_else(|| (border > start).then(|| self.close(border)))
    }

    /// Ends the window at `border`, and begins the next one.
    fn close(&mut self, border: u64) -> Window {
        self.follower.cut(border, self.ticks(KERNEL_MS));
        let tally = std::mem::replace(self.follower.sink(), Tally::since(border));
        let Counts { records, gap_ticks, measuring, .. } = *self.follower.counts();
        let now = Before { records, missing: self.mixer.missing(), gap_ticks, measuring };
        let before = std::mem::replace(&mut self.before, now);
        let running = self.follower.running().collect();
        let (threads, other_threads) = listing::threads(&tally, &self.seats, &running, &self.names);
        let window = Window {
            machine: self.machine.clone(),
            number: self.number,
            uptime_ticks: border.saturating_sub(self.began),
            length_ticks: border - tally.start,
            records: now.records - before.records,
            dropped_records: now.missing - before.missing,
            gap_ticks: now.gap_ticks - before.gap_ticks,
            measuring_ticks: now.measuring - before.measuring,
            cpus: listing::cpus(&tally),
            vm_exits: listing::vm_exits(&tally, &self.names),
            threads,
            other_threads,
            ipc: listing::pairs(&tally, &self.names),
            system_calls: listing::requests(&tally, Section::Linux, &self.names),
            faults: listing::requests(&tally, Section::Fault, &self.names),
        };
        self.number += 1;
        self.names.forget_old();
        window
    }
}

fn tsc(moment: &Moment) -> u64 {
    match moment {
        Moment::Record { record, .. } => record.tsc,
        Moment::GapBegins { tsc } | Moment::GapEnds { tsc } => *tsc,
    }
}
