//! Modelled cycles: what the events of a path cost and what its other instructions cost, in the ranges of [`cost`](super::cost).
//!
//! Two paths are compared on one processor, whichever it is: a CR3 write costs the one what it costs the other. So not the two ranges are held against each other but
//! what the one path has more or less of: the range of the difference is that of sums over all costs within their ranges.

use super::cost::{self, Range};
use super::event::Event;
use super::metric::Metric;

/// Cycles of an operation.
pub fn of(metric: &Metric) -> Range {
    sum(|event| metric.event(event), metric.ordinary())
}

/// Cycles that the one path takes more than the other.
pub fn difference(one: &Metric, other: &Metric) -> Range {
    sum(|event| one.event(event) - other.event(event), one.ordinary() - other.ordinary())
}

fn sum(count: impl Fn(Event) -> f64, ordinary: f64) -> Range {
    let events = Event::ALL.iter().map(|&event| cost::of(event).cycles * count(event));
    events.fold(cost::ORDINARY.cycles * ordinary, |sum, cycles| sum + cycles)
}

/// How a path does beside another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Wins,
    Loses,
    /// One or the other: it depends on the processor; or there is no difference.
    Undecided,
}

impl Verdict {
    /// By what the one takes more than the other.
    pub fn of(more: Range) -> Self {
        match more {
            more if more.high < 0.0 => Self::Wins,
            more if more.low > 0.0 => Self::Loses,
            _ => Self::Undecided,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Wins => "wins",
            Self::Loses => "**loses**",
            Self::Undecided => "undecided",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::metric::Counts;
    use super::*;
    use crate::commands::bench::results::{Measured, Stats};

    fn metric(instructions: u64, events: &[(Event, u64)]) -> Metric {
        let stats =
            Stats { min: 0.0, q1: 0.0, median: 0.0, mean: 0.0, q3: 0.0, max: 0.0, stddev: 0.0, n: 1.0 };
        let measured = Measured { unit: "ticks".to_owned(), per: 1.0, subtracted: 0.0, stats };
        let mut counts = Counts::default();
        counts.instruction(&[0x90], 0, instructions);
        events.iter().for_each(|&(event, times)| counts.add(event, times));
        Metric::new("a", &measured, 1, &counts)
    }

    #[test]
    fn cycles_are_the_sum_of_all_costs() {
        let of_path = of(&metric(100, &[(Event::Cr3Write, 2), (Event::Delivery, 1)]));
        let (cr3, delivery) = (cost::of(Event::Cr3Write).cycles, cost::of(Event::Delivery).cycles);
        let expected = cr3 * 2.0 + delivery + cost::ORDINARY.cycles * 98.0;
        assert!((of_path.low - expected.low).abs() < 1e-9 && (of_path.high - expected.high).abs() < 1e-9);
    }

    #[test]
    fn fewer_instructions_do_not_make_up_for_dear_ones() {
        let (ours, linux) = (metric(270, &[(Event::Cr3Write, 2)]), metric(310, &[]));
        assert_eq!(Verdict::of(difference(&ours, &linux)), Verdict::Loses);
        assert_eq!(Verdict::of(difference(&linux, &ours)), Verdict::Wins);
    }

    #[test]
    fn what_depends_on_the_processor_is_undecided() {
        let (ours, linux) = (metric(100, &[(Event::Cr3Write, 1)]), metric(400, &[]));
        assert_eq!(Verdict::of(difference(&ours, &linux)), Verdict::Undecided);
        assert_eq!(Verdict::of(difference(&linux, &linux)), Verdict::Undecided);
    }

    #[test]
    fn what_both_have_decides_nothing() {
        let dear = [(Event::Delivery, 10)];
        let (ours, linux) = (metric(999, &dear), metric(1000, &dear));
        assert!(of(&ours).high > of(&linux).low, "their ranges overlap");
        assert_eq!(Verdict::of(difference(&ours, &linux)), Verdict::Wins);
    }
}
