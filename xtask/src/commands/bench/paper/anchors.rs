//! Is the instrument right? Figures of nearly the same kernel, measured once with other programs, in an emulated machine without `ukvmm` and KVM between.

use super::cells::{figure, head, row};
use super::run::Run;
use crate::commands::bench::results::{Stats, measured};

/// A figure measured elsewhere.
struct Anchor {
    system: &'static str,
    metric: &'static str,
    which: Which,
    value: f64,
}

#[derive(Clone, Copy)]
enum Which {
    Min,
    Median,
}

const fn min(metric: &'static str, value: f64) -> Anchor {
    Anchor { system: "linux-off", metric, which: Which::Min, value }
}

const fn median(metric: &'static str, value: f64) -> Anchor {
    Anchor { system: "linux-off", metric, which: Which::Median, value }
}

/// Of Debian's 6.1.0-50-cloud under QEMU 7.2, one CPU, `-cpu EPYC -icount shift=0`; mitigations off, and default at the end.
const ANCHORS: [Anchor; 19] = [
    median("getpid", 311.0),
    median("getppid", 327.0),
    median("unknown call", 213.0),
    median("write to /dev/null", 576.0),
    median("read from /dev/zero", 653.0),
    median("null process", 170_318.0),
    median("simple process", 285_776.0),
    min("pipe round trip", 10_279.0),
    median("Unix socket round trip", 16_984.0),
    min("futex round trip", 8_827.0),
    median("pipe to oneself", 2_298.0),
    median("2 processes, a hop", 5_138.0),
    median("8 processes, a hop", 6_348.0),
    median("first touch, a page", 2_792.0),
    median("trap", 2_713.0),
    median("pipe, 64 KiB at a time", 0.76),
    median("file re-read, 64 KiB at a time", 0.26),
    Anchor { system: "linux-default", metric: "getpid", which: Which::Median, value: 350.0 },
    Anchor { system: "linux-default", metric: "getppid", which: Which::Median, value: 372.0 },
];

const TEXT: &str = "## Is the instrument right?

Debian's kernel as it was some builds before (6.1.0-50), measured with other programs in an emulated machine of its own (no `ukvmm`, no KVM) before any of this was written. A difference that a row has is a
difference of the programs (the parent that forks is another one, with another number of pages; who runs first is decided by other timers), of the kernel's builds and of what it does differently as a guest, or of the instrument.

";

/// The section.
pub fn render(runs: &[Run]) -> String {
    let mut rows = String::new();
    for anchor in &ANCHORS {
        let Some(run) = runs.iter().find(|run| run.system.key == anchor.system) else { continue };
        let Some(found) = measured(&run.metrics, anchor.metric) else { continue };
        let (word, value) = anchor.which.of(&found.stats);
        rows += &row(&[
            anchor.metric.to_owned(),
            run.system.title.to_owned(),
            word.to_owned(),
            figure(anchor.value),
            figure(value),
            difference(value, anchor.value),
        ]);
    }
    if rows.is_empty() {
        return String::new();
    }
    TEXT.to_owned() + &head(&["what", "system", "which", "anchor", "here", "difference"], 3) + &rows
}

/// In percent of what it should be.
fn difference(found: f64, expected: f64) -> String {
    format!("{:+.1} %", (found - expected) / expected * 100.0)
}

impl Which {
    fn of(self, stats: &Stats) -> (&'static str, f64) {
        match self {
            Self::Min => ("min", stats.min),
            Self::Median => ("median", stats.median),
        }
    }
}
