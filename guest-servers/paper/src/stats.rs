//! Readings made figures, in the form of seL4's benchmark results.
//!
//! In whole numbers of a ten-thousandth: servers have no floating point.

use core::fmt;

/// Parts of a tick.
const SCALE: u64 = 10_000;

/// A number of ten-thousandths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Fixed(u64);

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:04}", self.0 / SCALE, self.0 % SCALE)
    }
}

/// Figures of one metric. Shown as `[min,q1,median,mean,q3,max,stddev,n]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stats {
    /// Minimum, first quartile, median, third quartile, maximum.
    quartiles: [Fixed; 5],
    mean: Fixed,
    stddev: Fixed,
    n: usize,
}

impl Stats {
    /// Of rounds' ticks, which get sorted. From each `empty` is taken off, and what remains is shared out among the `per` things that a round does. `None` of no rounds.
    pub fn of(rounds: &mut [u64], empty: u64, per: u64) -> Option<Self> {
        let n = rounds.len();
        if n == 0 || per == 0 {
            return None;
        }
        for round in rounds.iter_mut() {
            *round = (u128::from(round.saturating_sub(empty)) * u128::from(SCALE) / u128::from(per)) as u64;
        }
        rounds.sort_unstable();
        let mean = rounds.iter().map(|&value| u128::from(value)).sum::<u128>() / n as u128;
        let squares = rounds.iter().map(|&value| u128::from(value).abs_diff(mean).pow(2));
        let stddev = (squares.sum::<u128>() / n as u128).isqrt() as u64;
        let quartiles = core::array::from_fn(|quarter| Fixed(quartile(rounds, quarter)));
        Some(Self { quartiles, mean: Fixed(mean as u64), stddev: Fixed(stddev), n })
    }
}

/// The value below which so many quarters of the sorted values lie; between two of them, in proportion.
fn quartile(sorted: &[u64], quarter: usize) -> u64 {
    let at = quarter * (sorted.len() - 1);
    let value = |at: usize| sorted.get(at).or(sorted.last()).copied().unwrap_or_default();
    let (below, above) = (value(at / 4), value(at / 4 + 1));
    below + (above - below) * (at % 4) as u64 / 4
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quartiles: [min, q1, median, q3, max], mean, stddev, n } = self;
        write!(f, "[{min},{q1},{median},{mean},{q3},{max},{stddev},{n}]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(rounds: &[u64], empty: u64, per: u64) -> String {
        Stats::of(&mut rounds.to_vec(), empty, per).unwrap().to_string()
    }

    #[test]
    fn readings_become_figures() {
        let expected = "[2.0000,3.5000,5.0000,5.0000,6.5000,8.0000,2.2360,4]";
        assert_eq!(shown(&[14, 12, 16, 18], 10, 1), expected);
        assert_eq!(shown(&[7], 2, 1), "[5.0000,5.0000,5.0000,5.0000,5.0000,5.0000,0.0000,1]");
    }

    #[test]
    fn a_round_may_do_many_things() {
        assert_eq!(shown(&[262_154; 3], 10, 1 << 20), "[0.2500,0.2500,0.2500,0.2500,0.2500,0.2500,0.0000,3]");
    }

    #[test]
    fn strange_readings() {
        assert!(Stats::of(&mut [], 0, 1).is_none());
        assert!(Stats::of(&mut [1], 0, 0).is_none());
        assert!(shown(&[1, 2], 5, 1).starts_with("[0.0000,"), "a round that takes less than nothing");
        assert!(Stats::of(&mut [u64::MAX, 0], 0, 100_000).is_some(), "no overflow");
    }
}
