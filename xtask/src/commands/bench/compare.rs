//! `cargo xtask bench compare OLD NEW`: what has changed between two files of results.

use super::checksums;
use super::paper::cells::{figure, head, row};
use super::results::{self, Figure, Header, Metrics, Stats, find};
use anyhow::{Result, ensure};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Args {
    /// Results from before
    old: PathBuf,
    /// Results from now
    new: PathBuf,
    /// Most that the median of a metric may grow, in percent
    #[arg(long, default_value_t = 2.0, value_name = "PERCENT")]
    tolerance: f64,
}

pub fn compare(args: &Args) -> Result<ExitCode> {
    ensure!(args.tolerance >= 0.0, "--tolerance has to be at least 0");
    let (old, new) = (results::read(&args.old)?, results::read(&args.new)?);
    for line in headers(&old.0, &new.0) {
        println!("{line}");
    }
    println!("{}", checksums::compare(&old.0.build, &new.0.build));
    let changes = changes(&old.1, &new.1, args.tolerance);
    print!("{}", table(&changes));
    let worse = changes.iter().filter(|change| change.verdict.is_worse()).count();
    println!("{} metrics, {worse} worse (tolerance {} %)", changes.len(), args.tolerance);
    Ok(ExitCode::from(u8::from(worse > 0)))
}

/// What of the headers is not the same.
fn headers(old: &Header, new: &Header) -> Vec<String> {
    let fields = |header: &Header| {
        [
            ("system", header.system.clone()),
            ("ukvmm", header.ukvmm.clone()),
            ("kernel", header.kernel.clone()),
            ("command", header.command.clone()),
            ("clock", header.clock.clone()),
        ]
    };
    let pairs = fields(old).into_iter().zip(fields(new)).filter(|((_, old), (_, new))| old != new);
    pairs.map(|((name, old), (_, new))| format!("{name}: {old} → {new}")).collect()
}

/// What has become of a metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Same,
    /// A change of the median that is within the tolerance, or less.
    Changed,
    /// Grown beyond the tolerance.
    Grown,
    /// Measured before, and now not.
    Lost,
    /// Not measured before.
    New,
}

impl Verdict {
    fn is_worse(self) -> bool {
        matches!(self, Self::Grown | Self::Lost)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Same => "",
            Self::Changed => "changed",
            Self::Grown => "GROWN",
            Self::Lost => "LOST",
            Self::New => "new",
        }
    }
}

struct Change {
    name: String,
    old: Option<Stats>,
    new: Option<Stats>,
    verdict: Verdict,
}

fn changes(old: &Metrics, new: &Metrics, tolerance: f64) -> Vec<Change> {
    let only_new = new.iter().filter(|(name, _)| find(old, name).is_none());
    let names = old.iter().chain(only_new).map(|(name, _)| name);
    let stats = |metrics, name: &str| match find(metrics, name)? {
        Figure::Measured(found) => Some(found.stats),
        Figure::Unavailable(_) => None,
    };
    let changes = names.map(|name| {
        let (old, new) = (stats(old, name), stats(new, name));
        Change { name: name.clone(), old, new, verdict: verdict(old, new, tolerance) }
    });
    changes.collect()
}

fn verdict(old: Option<Stats>, new: Option<Stats>, tolerance: f64) -> Verdict {
    match (old, new) {
        (None, None) => Verdict::Same,
        (Some(_), None) => Verdict::Lost,
        (None, Some(_)) => Verdict::New,
        (Some(old), Some(new)) if new.median > old.median * (1.0 + tolerance / 100.0) => Verdict::Grown,
        (Some(old), Some(new)) if new.median == old.median => Verdict::Same,
        _ => Verdict::Changed,
    }
}

/// Whether a median has left the half in the middle of the rounds before.
fn is_beyond_spread(old: &Stats, new: &Stats) -> bool {
    new.median < old.q1 || new.median > old.q3
}

fn table(changes: &[Change]) -> String {
    let mut out = head(&["what", "old", "new", "change", "beyond the spread", ""], 1);
    for change in changes {
        let value = |stats: Option<Stats>| stats.map_or("none".to_owned(), |stats| figure(stats.median));
        let (percent, beyond) = match (&change.old, &change.new) {
            (Some(old), Some(new)) => {
                let percent = (new.median - old.median) / old.median * 100.0;
                let beyond = if is_beyond_spread(old, new) { "*" } else { "" };
                (if percent == 0.0 { String::new() } else { format!("{percent:+.1} %") }, beyond)
            }
            _ => (String::new(), ""),
        };
        out += &row(&[
            &change.name,
            &value(change.old),
            &value(change.new),
            &percent,
            beyond,
            change.verdict.word(),
        ]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::results::parse;

    fn metrics(lines: &[(&str, f64)]) -> Metrics {
        let line = |(name, median): &(&str, f64)| {
            format!(
                "{{\"name\":\"{name}\",\"unit\":\"ticks\",\"per\":1,\"subtracted\":3,\"stats\":[90,95,{median},100,105,120,1,50]}}\n"
            )
        };
        parse(&lines.iter().map(line).collect::<String>()).unwrap()
    }

    fn verdicts(old: &Metrics, new: &Metrics) -> Vec<Verdict> {
        changes(old, new, 2.0).iter().map(|change| change.verdict).collect()
    }

    #[test]
    fn what_grows_beyond_the_tolerance_is_worse() {
        let old = metrics(&[("a", 100.0), ("b", 100.0), ("c", 100.0), ("d", 100.0)]);
        let new = metrics(&[("a", 102.0), ("b", 102.1), ("c", 50.0), ("d", 100.0)]);
        let expected = [Verdict::Changed, Verdict::Grown, Verdict::Changed, Verdict::Same];
        assert_eq!(verdicts(&old, &new), expected);
        assert_eq!(expected.map(Verdict::is_worse), [false, true, false, false]);
    }

    #[test]
    fn what_cannot_be_measured_any_more_is_worse() {
        let broken = parse("{\"name\":\"a\",\"error\":\"x\"}\n").unwrap();
        let good = metrics(&[("a", 100.0)]);
        assert_eq!(verdicts(&good, &broken), [Verdict::Lost]);
        assert_eq!(verdicts(&good, &vec![]), [Verdict::Lost]);
        assert_eq!(verdicts(&broken, &broken), [Verdict::Same]);
        assert_eq!(verdicts(&broken, &good), [Verdict::New]);
        assert!(Verdict::Lost.is_worse() && !Verdict::New.is_worse());
    }

    #[test]
    fn changes_beyond_the_spread_are_marked() {
        let old = metrics(&[("a", 100.0), ("b", 100.0)]);
        let new = metrics(&[("a", 104.0), ("b", 106.0)]);
        let table = table(&changes(&old, &new, 10.0));
        assert!(table.contains("| a | 100 | 104 | +4.0 % |  | changed |"), "{table}");
        assert!(table.contains("| b | 100 | 106 | +6.0 % | * | changed |"), "{table}");
    }
}
