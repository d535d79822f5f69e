//! Distributions of times: exact in their extremes, mean and spread; to three digits in their quantiles.

use hdrhistogram::Histogram;

/// Digits that quantiles are true to.
const DIGITS: u8 = 3;
/// Highest value of which quantiles are true: six minutes at 3 GHz. Higher ones are counted as this. It bounds the memory that a distribution may need.
const HIGHEST: u64 = 1 << 40;

/// A distribution of ticks.
#[derive(Clone)]
pub struct Distribution {
    histogram: Histogram<u64>,
    min: u64,
    max: u64,
    sum: u128,
    /// Mean and sum of the squares of the differences from it, as Welford counts them.
    mean: f64,
    squares: f64,
}

impl Default for Distribution {
    fn default() -> Self {
        let histogram = Histogram::new(DIGITS).expect("that many digits are possible");
        Self { histogram, min: u64::MAX, max: 0, sum: 0, mean: 0.0, squares: 0.0 }
    }
}

impl Distribution {
    pub fn add(&mut self, ticks: u64) {
        // It grows as it has to.
        let _ = self.histogram.record(ticks.min(HIGHEST));
        self.min = self.min.min(ticks);
        self.max = self.max.max(ticks);
        self.sum += u128::from(ticks);
        let off = ticks as f64 - self.mean;
        self.mean += off / self.count() as f64;
        self.squares += off * (ticks as f64 - self.mean);
    }

    pub fn count(&self) -> u64 {
        self.histogram.len()
    }
    pub fn min(&self) -> u64 {
        self.min.min(self.max)
    }
    pub const fn max(&self) -> u64 {
        self.max
    }
    pub const fn sum(&self) -> u128 {
        self.sum
    }
    pub fn mean(&self) -> f64 {
        if self.count() == 0 { 0.0 } else { self.sum as f64 / self.count() as f64 }
    }

    /// Standard deviation of a sample.
    pub fn deviation(&self) -> f64 {
        if self.count() < 2 { 0.0 } else { (self.squares / (self.count() - 1) as f64).sqrt() }
    }

    /// What the part `quantile` (0 to 1) of all values is not above.
    pub fn quantile(&self, quantile: f64) -> u64 {
        self.histogram.value_at_quantile(quantile).clamp(self.min(), self.max)
    }

    pub const fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_figures() {
        let mut known = Distribution::default();
        [2, 4, 4, 4, 5, 5, 7, 9].into_iter().for_each(|ticks| known.add(ticks));
        assert_eq!((known.count(), known.min(), known.max(), known.sum()), (8, 2, 9, 40));
        assert!(
            (known.mean() - 5.0).abs() < 1e-9 && (known.deviation() - (32.0f64 / 7.0).sqrt()).abs() < 1e-9
        );
        assert_eq!([0.0, 0.25, 0.5, 0.75, 1.0].map(|q| known.quantile(q)), [2, 4, 4, 5, 9]);
    }

    #[test]
    fn quantiles_are_true_to_three_digits_however_long_times_are() {
        let mut squares = Distribution::default();
        (1..=1000u64).for_each(|n| squares.add(n * n * n));
        for (quantile, exact) in [(0.1, 100u64.pow(3)), (0.5, 500u64.pow(3)), (0.99, 990u64.pow(3))] {
            let found = squares.quantile(quantile);
            assert!(found.abs_diff(exact) <= exact / 1000, "{quantile}: {found}, not {exact}");
        }
        assert_eq!((squares.quantile(0.0), squares.quantile(1.0)), (1, 1_000_000_000));
    }

    #[test]
    fn nothing_and_too_much() {
        let mut distribution = Distribution::default();
        assert_eq!((distribution.min(), distribution.max(), distribution.quantile(0.5)), (0, 0, 0));
        assert_eq!((distribution.mean(), distribution.deviation()), (0.0, 0.0));
        distribution.add(u64::MAX);
        distribution.add(u64::MAX);
        assert_eq!((distribution.quantile(0.5), distribution.max()), (u64::MAX, u64::MAX));
    }
}
