//! Times and their percentiles.

use alloc::vec::Vec;
use userlib::{kip, log};

/// Times, in TSC ticks.
#[derive(Default)]
pub struct Outages(Vec<u64>);

impl Outages {
    pub fn add(&mut self, ticks: u64) {
        self.0.push(ticks);
    }

    /// Logs them, in microseconds.
    pub fn log(mut self, what: &str) {
        self.0.sort_unstable();
        let khz = kip::kip().tsc_khz.max(1);
        let (count, last) = (self.0.len(), self.0.len().saturating_sub(1));
        let at = |percent: usize| self.0.get(last * percent / 100).map_or(0, |ticks| ticks * 1000 / khz);
        log!("{what} {count} times: outage p50 {} p90 {} p99 {} max {} us", at(50), at(90), at(99), at(100));
    }
}
