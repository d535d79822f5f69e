//! Is the instrument right? Figures of nearly the same kernel, measured once with other programs, in an emulated machine without `ukvmm` and KVM between.

use super::cells::{figure, head, row};
use super::run::Run;
use crate::commands::bench::results::{Metrics, Stats, measured};

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
const ANCHORS: [Anchor; 22] = [
    median("getpid", 311.0),
    median("getppid", 327.0),
    median("unknown call", 213.0),
    median("write to /dev/null", 576.0),
    median("read from /dev/zero", 653.0),
    median("null process", 170_318.0),
    median("null process, 64 pages more", 170_318.0),
    median("simple process", 285_776.0),
    min("pipe round trip", 10_279.0),
    median("Unix socket round trip", 16_984.0),
    median("Unix socket round trip, nobody preempts", 16_984.0),
    min("futex round trip", 8_827.0),
    median("pipe to oneself", 2_298.0),
    median("2 processes, a hop", 5_138.0),
    median("8 processes, a hop", 6_348.0),
    median("first touch, a page", 2_792.0),
    median("first touch, a page alone", 2_792.0),
    median("trap", 2_713.0),
    median("pipe, 64 KiB at a time", 0.76),
    median("file re-read, 64 KiB at a time", 0.26),
    Anchor { system: "linux-default", metric: "getpid", which: Which::Median, value: 350.0 },
    Anchor { system: "linux-default", metric: "getppid", which: Which::Median, value: 372.0 },
];

const TEXT: &str = "## Is the instrument right?

Debian's kernel as it was some builds before (6.1.0-50), measured with other programs in an emulated machine of its own (no `ukvmm`, no KVM) before any of this was written. As a guest of KVM Linux asks how much time was stolen from it whenever
it schedules, and its build is another: that is a hundredth or two. Where a row differs by more, the programs do not measure the same; so it was measured again in the other program's way (`--only alike`), in a boot of its own:

- *The parent that forks.* What a fork takes depends on how many pages the parent has, which is not known of the anchor's. Ours is smaller: with 64 pages more it is beyond the anchor. `simple process` is a fork, too.
- *Who runs when.* What the partner reads from a Unix socket makes room in it, of which Linux tells the one who waits at the other end, though it is a byte that he waits for. If he then runs at once, he finds none, and a round has two more
  switches. Whether he does is decided by how much of their time both have used; the suite's do. If nobody preempts (`SCHED_BATCH`) they are as many as the anchor's.
- *A mean is no median.* A round of `first touch` is 128 pages, since who answers a fault on L4 gives several, so it has its share of what is rare: to fetch free pages for this CPU by the dozen. The anchor is the median of single faults.

";

/// The section.
pub fn render(runs: &[Run], alike: Option<&Metrics>) -> String {
    let mut rows = String::new();
    for anchor in &ANCHORS {
        let Some(run) = runs.iter().find(|run| run.system.key == anchor.system) else { continue };
        let again = || measured(alike?, anchor.metric);
        let Some(found) = measured(&run.metrics, anchor.metric).or_else(again) else { continue };
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
