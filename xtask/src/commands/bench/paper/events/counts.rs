//! What the plugin counts (`xtask/plugin/rounds.c` writes it), held against what the suite has measured.
//!
//! The suite's counter and the plugin have to agree on each round. One thing the plugin cannot know: whether the last instruction of a block came to its end when
//! an exception, an interrupt or an exit followed. So a round with such has a least and a most that it may have taken.

use super::event::Event;
use super::metric::{Counts, Metric};
use crate::commands::bench::results::{Figure, Measured, Metrics};
use anyhow::{Context, Result, ensure};
use std::ops::RangeInclusive;

/// All rounds of a metric.
#[derive(Default, PartialEq, Debug)]
pub struct Taken {
    /// Instructions of each, from and to.
    rounds: Vec<RangeInclusive<u64>>,
    counts: Counts,
}

/// Reads the plugin's file: `round INSTRUCTIONS PERHAPS-UNDONE` for each round of a metric, behind them `metric ROUNDS HOST DELIVERIES EXITS` and lines
/// `BYTES IN-USER-MODE IN-KERNEL-MODE` for each different instruction.
pub fn parse(text: &str) -> Result<Vec<Taken>> {
    let mut all: Vec<Taken> = Vec::new();
    let mut rounds = Vec::new();
    for line in text.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let (word, numbers) = words.split_first().context("an empty line")?;
        let numbers: Result<Vec<u64>, _> = numbers.iter().map(|number| number.parse()).collect();
        let numbers = numbers.with_context(|| format!("in the plugin's line {line:?}"))?;
        match (*word, &numbers[..]) {
            ("round", &[most, perhaps]) => rounds.push(most.saturating_sub(perhaps)..=most),
            ("metric", &[n, host, deliveries, exits]) => {
                ensure!(n == rounds.len() as u64, "{n} rounds, of which {} are told", rounds.len());
                let mut counts = Counts::of_host(host);
                counts.add(Event::Delivery, deliveries);
                counts.add(Event::Exit, exits);
                all.push(Taken { rounds: std::mem::take(&mut rounds), counts });
            }
            (bytes, &[user, kernel]) => {
                let taken = all.last_mut().context("instructions of no metric")?;
                taken.counts.instruction(&from_hex(bytes)?, user, kernel);
            }
            _ => anyhow::bail!("the plugin writes {line:?}"),
        }
    }
    Ok(all)
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    let digit = |n: usize| text.get(n..n + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let bytes = (0..text.len()).step_by(2).map(digit).collect::<Option<_>>();
    bytes.with_context(|| format!("no bytes: {text:?}"))
}

/// The metrics of a run, taken apart. It is an error if the two do not agree.
pub fn agreed(metrics: &Metrics, taken: &[Taken]) -> Result<Vec<Metric>> {
    let (told, counted) = (metrics.len(), taken.len());
    ensure!(told == counted, "the suite tells of {told} metrics, the plugin of {counted}");
    let pairs = metrics.iter().zip(taken).filter_map(|((name, figure), taken)| match figure {
        Figure::Measured(measured) => Some((name, measured, taken)),
        Figure::Unavailable(_) => None,
    });
    let metric = |(name, measured, taken): (&String, &Measured, &Taken)| {
        taken.check(measured).with_context(|| name.clone())?;
        Ok(Metric::new(name, measured, taken.rounds.len() as u64, &taken.counts))
    };
    pairs.map(metric).collect()
}

impl Taken {
    /// Whether the suite has measured the same. Of five rounds the quartiles are the rounds themselves.
    fn check(&self, measured: &Measured) -> Result<()> {
        let stats = &measured.stats;
        let said = [stats.min, stats.q1, stats.median, stats.q3, stats.max];
        ensure!(self.rounds.len() == said.len() && stats.n == said.len() as f64, "not {} rounds", said.len());
        let mut least: Vec<_> = self.rounds.iter().map(|round| *round.start()).collect();
        let mut most: Vec<_> = self.rounds.iter().map(|round| *round.end()).collect();
        least.sort_unstable();
        most.sort_unstable();
        // Figures have four digits behind the point, of what is a part of the round.
        let rounding = measured.per * 0.00005 + 0.01;
        for ((said, least), most) in said.into_iter().zip(least).zip(most) {
            let ticks = said * measured.per + measured.subtracted;
            let agrees = least as f64 - rounding <= ticks && ticks <= most as f64 + rounding;
            ensure!(agrees, "a round of {ticks} ticks has {least} to {most} instructions");
        }
        let (all, sum) = (self.counts.total(), self.rounds.iter().map(|round| round.end()).sum::<u64>());
        ensure!(all == sum, "{sum} instructions, but {all} of them known");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::results;

    const COUNTS: &str = "round 105 0\nround 106 2\nround 105 0\nround 105 0\nround 105 0\nmetric 5 0 1 2\n90 500 16\n0f05 5 0\n0f22d8 0 5\n";

    fn metrics(stats: &str) -> Metrics {
        let line =
            format!("{{\"name\":\"a\",\"unit\":\"ticks\",\"per\":1,\"subtracted\":5,\"stats\":{stats}}}\n");
        results::parse(&line).unwrap()
    }

    #[test]
    fn a_metric_is_taken_apart() {
        let found = agreed(&metrics("[100,100,100,100,100,100,0,5]"), &parse(COUNTS).unwrap()).unwrap();
        let [metric] = &found[..] else { panic!("{found:?}") };
        assert_eq!((metric.event(Event::Syscall), metric.event(Event::Cr3Write)), (1.0, 1.0));
        assert_eq!((metric.event(Event::Delivery), metric.event(Event::Exit)), (0.2, 0.4));
        assert_eq!(metric.event(Event::Iret), 0.0);
        assert!((metric.instructions() - 100.2).abs() < 1e-9, "{}", metric.instructions());
    }

    #[test]
    fn without_agreement_there_are_no_figures() {
        let taken = parse(COUNTS).unwrap();
        for wrong in
            ["[98,100,100,100,100,100,0,5]", "[100,100,100,100,100,102,0,5]", "[100,100,100,100,100,100,0,6]"]
        {
            assert!(agreed(&metrics(wrong), &taken).is_err(), "{wrong}");
        }
        assert!(agreed(&metrics("[100,100,100,100,100,101,0,5]"), &taken).is_ok(), "within what may be");
        let unknown = parse(&COUNTS.replace("90 500", "90 499")).unwrap();
        assert!(agreed(&metrics("[100,100,100,100,100,100,0,5]"), &unknown).is_err());
        assert!(agreed(&vec![], &taken).is_err());
    }

    #[test]
    fn what_the_plugin_does_not_write_is_refused() {
        for wrong in ["metric 1 0 0 0\n", "90 1 1\n", "\n", "round x 0\n", "round 1\n"] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(parse("metric 0 0 0 0\n9 1 1\n").is_err() && parse("metric 0 0 0 0\nxy 1 1\n").is_err());
    }
}
