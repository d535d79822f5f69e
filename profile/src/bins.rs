//! What the machine did in the course of time, in a fixed number of columns however long it ran.

use crate::sink::{Activity, Stretch};

/// Columns, at most.
pub const BINS: usize = 256;

/// Ticks of one column, all CPUs together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bin {
    pub user: u64,
    pub kernel: u64,
    pub idle: u64,
}

#[derive(Clone, Debug)]
pub struct Bins {
    start: Option<u64>,
    /// Ticks that a column is wide: a power of two.
    width: u64,
    bins: Vec<Bin>,
}

impl Default for Bins {
    fn default() -> Self {
        Self { start: None, width: 1, bins: Vec::new() }
    }
}

impl Bins {
    pub fn add(&mut self, activity: Activity, stretch: Stretch) {
        let start = *self.start.get_or_insert(stretch.start);
        // What began before the first column is counted from there on.
        let (mut from, end) = (stretch.start.saturating_sub(start), stretch.end.saturating_sub(start));
        while end / self.width >= BINS as u64 {
            self.halve();
        }
        while from < end {
            let n = (from / self.width) as usize;
            let until = ((n as u64 + 1).saturating_mul(self.width)).min(end);
            if n >= self.bins.len() {
                self.bins.resize(n + 1, Bin::default());
            }
            let bin = &mut self.bins[n];
            let sum = match activity {
                Activity::User(_) => &mut bin.user,
                Activity::Kernel => &mut bin.kernel,
                Activity::Idle => &mut bin.idle,
            };
            *sum = sum.saturating_add(until - from);
            from = until;
        }
    }

    /// Makes of two columns one.
    fn halve(&mut self) {
        let add = |one: u64, other: u64| one.saturating_add(other);
        let merge = |pair: &[Bin]| {
            pair.iter().fold(Bin::default(), |sum, bin| Bin {
                user: add(sum.user, bin.user),
                kernel: add(sum.kernel, bin.kernel),
                idle: add(sum.idle, bin.idle),
            })
        };
        self.bins = self.bins.chunks(2).map(merge).collect();
        self.width *= 2;
    }

    pub const fn width(&self) -> u64 {
        self.width
    }
    pub fn columns(&self) -> &[Bin] {
        &self.bins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_long_it_takes_nothing_is_lost() {
        let mut bins = Bins::default();
        let mut at = 1000;
        let (mut user, mut idle) = (0, 0);
        for n in 0..2000u64 {
            let (activity, sum) =
                if n % 3 == 0 { (Activity::Idle, &mut idle) } else { (Activity::User(1), &mut user) };
            *sum += n;
            bins.add(activity, Stretch { start: at, end: at + n });
            at += n;
        }
        let sum = |of: fn(&Bin) -> u64| bins.columns().iter().map(of).sum::<u64>();
        assert_eq!((sum(|bin| bin.user), sum(|bin| bin.idle), sum(|bin| bin.kernel)), (user, idle, 0));
        assert!(bins.columns().len() <= BINS && bins.columns().len() > BINS / 4);
        assert!(bins.columns().iter().all(|bin| bin.user + bin.idle <= bins.width()));
        bins.add(Activity::Kernel, Stretch { start: 0, end: u64::MAX });
        assert!(bins.columns().len() <= BINS);
    }
}
