//! IPC, page faults and interrupts: ours beside those of other µ-kernels, in instructions of the same meter and in cycles as they were published.
//!
//! - [`others`]: what others take, and where that is from

mod others;

use super::cells::{figure, head, row};
use super::run::Run;
use super::system::SYSTEMS;
use super::tables45::stats_cells;
use crate::commands::bench::committed::Table;
use crate::commands::bench::page::grouped;
use crate::commands::bench::results::{Metrics, find, measured};
use others::{CYCLES, FAULTS, Published, ROUND_TRIPS, SEMANTICS};

/// Metrics of the native programs.
pub const APART: &str = "call and reply, 7 words";
pub const TOGETHER: &str = "call and reply, 7 words, same address space";
const FAULT: &str = "fault";

const TEXT: &str = "## IPC

A call and its reply, there and back. *Kernel*: its instructions alone, with those that enter and leave it, counted one by one ([performance.md](performance.md), `cargo xtask bench ipc`). *All*: what a program sees,
between two readings of the counter; so also what the two programs and their libraries do. Others' kernels were built with their own minimal programs and counted in the same way, in QEMU with `-icount` on one CPU.

";

const TEXT_FAULTS: &str = "### Page faults and interrupts

To a handler in user mode, unless it is said otherwise; *kernel* and *all* as above.

";

const TEXT_CYCLES: &str = "### In cycles, as published

Of one IPC, one way, between address spaces, on real hardware; nothing of this was measured here, and none of it is of ours, since an emulated CPU has no cycles. *Full* is what IPC is here: any two threads, by
the kernel; what is *restricted* is less than that.

";

/// A call and its reply with the least message: who, and the kernel's instructions between two address spaces and within one.
pub fn round_trips() -> impl Iterator<Item = (&'static str, u64, Option<u64>)> {
    ROUND_TRIPS.iter().map(|other| (other.who, other.apart, other.together))
}

/// All that this section is made of.
pub struct Ours<'a> {
    /// Counts of the kernel's paths, those that are promised.
    pub paths: &'a Table,
    pub native: Option<&'a Metrics>,
    pub runs: &'a [Run],
}

/// The section; nothing if nothing native was measured.
pub fn render(ours: &Ours<'_>) -> String {
    if ours.native.is_none() {
        return String::new();
    }
    [
        TEXT,
        &ours.round_trips(),
        "\n",
        &ours.measured(),
        "\n",
        TEXT_FAULTS,
        &ours.faults(),
        "\n",
        TEXT_CYCLES,
        &cycles(),
    ]
    .concat()
}

impl Ours<'_> {
    fn path(&self, key: &str) -> String {
        self.paths.get(key).map(|counts| grouped(counts.instructions)).unwrap_or_default()
    }

    fn native(&self, metric: &str) -> String {
        median(self.native, metric)
    }

    fn linux(&self, metric: &str) -> String {
        let run = self.runs.iter().find(|run| run.system.key == SYSTEMS[0].key);
        median(run.map(|run| &run.metrics), metric)
    }

    fn round_trips(&self) -> String {
        let mut out = head(&["who", "message", "counted", "two address spaces", "one address space"], 3);
        let ours = |counted: &str, apart, together| {
            row(&["**ukvmm's kernel**".to_owned(), "7 words".to_owned(), counted.to_owned(), apart, together])
        };
        out += &ours("kernel", self.path("call"), self.path("call-within"));
        out += &ours("all", self.native(APART), self.native(TOGETHER));
        for other in ROUND_TRIPS {
            let together = other.together.map(grouped).unwrap_or_default();
            out += &row(&[other.who, other.message, "kernel", &grouped(other.apart), &together]);
        }
        let linux = SYSTEMS[0].title;
        for (what, message, metric) in
            [("futex", "none", "futex round trip"), ("pipe", "1 byte", "pipe round trip")]
        {
            out += &row(&[
                format!("{linux}: {what}"),
                message.to_owned(),
                "all".to_owned(),
                self.linux(metric),
                String::new(),
            ]);
        }
        out
    }

    /// Ours with what it takes to judge it.
    fn measured(&self) -> String {
        let mut out = head(&["all, of ours", "min", "median", "q1–q3", "max", "n", "subtracted"], 1);
        for (title, metric) in
            [("two address spaces", APART), ("one address space", TOGETHER), ("page fault", FAULT)]
        {
            let found = self.native.and_then(|native| find(native, metric));
            let mut cells = stats_cells(title, found, None);
            cells.pop();
            out += &row(&cells);
        }
        out
    }

    fn faults(&self) -> String {
        let mut out = head(&["who", "what", "counted", "instructions"], 3);
        let fault = "page fault to a pager, a page mapped, and on";
        let ours = |what: &str, counted: &str, ticks| {
            row(&["**ukvmm's kernel**".to_owned(), what.to_owned(), counted.to_owned(), ticks])
        };
        out += &ours(fault, "kernel", self.path("page-fault"));
        out += &ours(fault, "all", self.native(FAULT));
        for (who, what, counted, ticks) in FAULTS {
            out += &row(&[*who, *what, *counted, &grouped(*ticks)]);
        }
        let touch = ["the kernel itself resolves it, and clears a page", "all"].map(str::to_owned);
        let [what, counted] = touch;
        out += &row(&[SYSTEMS[0].title.to_owned(), what, counted, self.linux("first touch, a page")]);
        out + &ours("interrupt to a waiting driver thread", "kernel", self.path("interrupt"))
    }
}

fn median(metrics: Option<&Metrics>, metric: &str) -> String {
    let found = metrics.and_then(|metrics| measured(metrics, metric));
    found.map_or_else(|| "not measured".to_owned(), |found| figure(found.stats.median))
}

fn cycles() -> String {
    let mut out = head(&["who", "CPU", "cycles", "semantics", "published"], 2);
    for Published { who, cpu, cycles, full, source } in CYCLES {
        out += &row(&[who, cpu, cycles, SEMANTICS[usize::from(!full)], source]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::committed::Counts;
    use crate::commands::bench::results;

    #[test]
    fn ours_stand_beside_the_others() {
        let line = |name| {
            format!(
                "{{\"name\":\"{name}\",\"unit\":\"ticks\",\"per\":1,\"subtracted\":7,\"stats\":[190,191,192,193,194,200,1,500]}}\n"
            )
        };
        let native = results::parse(&[APART, TOGETHER].map(line).concat()).unwrap();
        let paths = ["call", "call-within", "page-fault", "interrupt"];
        let paths = (100..).zip(paths).map(|(n, key)| (key.to_owned(), Counts::instructions(n))).collect();
        let ours = Ours { paths: &paths, native: Some(&native), runs: &[] };
        let text = render(&ours);
        for line in [
            "| **ukvmm's kernel** | 7 words | kernel | 100 | 101 |\n",
            "| **ukvmm's kernel** | 7 words | all | 192 | 192 |\n",
            "| two address spaces | 190 | 192 | 191–194 | 200 | 500 | 7 |\n",
            "| **ukvmm's kernel** | page fault to a pager, a page mapped, and on | kernel | 102 |\n",
            "| **ukvmm's kernel** | page fault to a pager, a page mapped, and on | all | not measured |\n",
            "| **ukvmm's kernel** | interrupt to a waiting driver thread | kernel | 103 |\n",
            "| L4 | Pentium, 166 MHz | 121 | full |",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert_eq!(render(&Ours { native: None, ..ours }), "");
    }
}
