//! The paper's Tables 4 and 5: what is native L4 beside what Linux has for the same purpose.

use super::cells::{figure, head, ratio, row, spread};
use super::run::Run;
use super::system::SYSTEMS;
use crate::commands::bench::results::{Figure, Measured, Metrics, find, measured};

/// A row: a metric, which comes from the server `paper` or from one of the systems that run Linux programs.
struct Row {
    title: &'static str,
    from: Source,
    metric: &'static str,
    /// What the paper has.
    paper: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Native,
    /// The system of this name.
    System(&'static str),
}

const LINUX: Source = Source::System(SYSTEMS[0].key);
const FORWARDED: Source = Source::System("l4-forwarded");
const TRAMPOLINE: Source = Source::System("l4-trampoline");

/// The first is what the others are compared with.
struct Table {
    title: &'static str,
    rows: &'static [Row],
}

const fn line(title: &'static str, from: Source, metric: &'static str, paper: &'static str) -> Row {
    Row { title, from, metric, paper }
}

use Source::Native;

const LATENCY: Table = Table {
    title: "Latency: there and back",
    rows: &[
        line("Linux: pipe", LINUX, "pipe round trip", "29 µs"),
        line("L4, forwarded: Linux' pipe", FORWARDED, "pipe round trip", "46 µs"),
        line("L4, trampoline: Linux' pipe", TRAMPOLINE, "pipe round trip", "56 µs"),
        line("L4 pipe", Native, "L4 pipe round trip", "22 µs"),
        line("synchronous RPC, registers", Native, "call and reply, 7 words", "5 µs"),
        line("synchronous RPC, 4 KiB copied there", Native, "RPC with 4 KiB", ""),
        line("synchronous mapping RPC, 4 KiB", Native, "mapping RPC with 4 KiB", "12 µs"),
    ],
};

const BANDWIDTH: Table = Table {
    title: "Bandwidth: a byte",
    rows: &[
        line("Linux: pipe, 64 KiB at a time", LINUX, "pipe, 64 KiB at a time", "41 MB/s"),
        line("L4, forwarded: Linux' pipe", FORWARDED, "pipe, 64 KiB at a time", "40 MB/s"),
        line("L4, trampoline: Linux' pipe", TRAMPOLINE, "pipe, 64 KiB at a time", "38 MB/s"),
        line("L4 pipe, 64 KiB at a time", Native, "L4 pipe, 64 KiB at a time", "48–70 MB/s"),
        line("synchronous RPC, 4 KiB copied", Native, "RPC, 4 KiB at a time", "65–105 MB/s"),
        line("synchronous RPC, 64 KiB copied", Native, "RPC, 64 KiB at a time", "65–105 MB/s"),
        line("mapping RPC, 4 KiB", Native, "mapping RPC, 4 KiB at a time", "2470–2900 MB/s"),
        line("mapping RPC, 64 KiB", Native, "mapping RPC, 64 KiB at a time", "2470–2900 MB/s"),
    ],
};

const TEXT_4: &str = "## Table 4: pipes and RPC

What programs of L4 have in place of Linux' pipes. Servers that use no Linux at all, in tasks of their own (`guest-servers/paper`), beside the suite's Linux programs; readings are taken in the
same way, and instructions of both sides and of the kernel counted. Ratios are of the medians, those of the minima in brackets. The paper's figures are times of a Pentium at 133 MHz, and so
not comparable but among themselves.

- **L4 pipe** (`guest-servers/pipe`): a ring of 64 KiB in memory that two tasks share, with the semantics of a POSIX pipe; a message only when one has to wait for the other. A byte is copied
  twice. There and back are two pipes.
- **Synchronous RPC**: a call and its reply. What is more than seven words is a string, which the kernel copies once, from the one task's memory to the other's.
- **Mapping RPC**: the call maps pages, the partner reads a word of each and replies, the caller takes them back. No byte is copied, so bytes cost what pages do.
";

const TABLE_5: &[(&str, &str, &str)] = &[
    ("Fault", "fault", "first touch, a page"),
    ("Trap", "trap", "trap"),
    ("Appel1: prot1 + trap + unprot", "Appel1", "Appel1"),
    ("Appel2: protN + trap + unprot, a page", "Appel2", "Appel2"),
];

const TEXT_5: &str = "## Table 5: memory and its protection

L4: a task and its pager, a user-level server in another task. To protect, the task takes the right to write from its own pages (`fpage_unmap`, one call for a page or for all 128); a write is
then a message to the pager, whose reply maps the page with all rights. Linux: a program with `mprotect` and a handler of SIGSEGV, in the same process.

- **Fault**: a write to a page that is not there; the pager maps it. Linux: first touch of anonymous memory, which the kernel resolves itself and for which it clears a page; of 128 pages the mean. (L4's maximum is that of pages that have never been mapped to the task before.)
- **Trap**: from the write to a protected page to the pager's, or the handler's, first instruction.
- **Appel1**: protect a page, write to it, lift the protection. **Appel2**: protect 128 pages at once, write to each, lift the protection of each; for a page.
";

/// The sections; nothing if nothing native was measured.
pub fn render(native: Option<&Metrics>, runs: &[Run]) -> String {
    let Some(native) = native else { return String::new() };
    let figures = Figures { native, runs };
    let tables = [LATENCY, BANDWIDTH].map(|table| figures.table(&table)).join("\n");
    format!("{TEXT_4}\n{tables}\n{TEXT_5}\n{}", figures.table_5())
}

/// A row as it is shown in a chart.
pub struct Shown {
    pub name: &'static str,
    /// `None`: L4 without Linux.
    pub system: Option<&'static str>,
    pub value: f64,
}

/// What charts are made of: the tables' titles, and of each row that was measured the median.
pub fn shown(native: &Metrics, runs: &[Run]) -> Vec<(&'static str, Vec<Shown>)> {
    let figures = Figures { native, runs };
    let shown = |name, from: Source, metric| {
        let value = measured(figures.metrics(from)?, metric)?.stats.median;
        let system = match from {
            Source::Native => None,
            Source::System(key) => Some(key),
        };
        Some(Shown { name, system, value })
    };
    let of = |table: &Table| {
        let rows = table.rows.iter().filter_map(|row| shown(row.title, row.from, row.metric));
        (table.title, rows.collect())
    };
    let mut all = vec![of(&LATENCY), of(&BANDWIDTH)];
    all.extend(TABLE_5.iter().map(|(title, native, linux)| {
        let pair = [shown("Linux", LINUX, linux), shown("L4", Native, native)];
        (*title, pair.into_iter().flatten().collect())
    }));
    all
}

/// All that was measured.
struct Figures<'a> {
    native: &'a Metrics,
    runs: &'a [Run],
}

impl Figures<'_> {
    fn metrics(&self, from: Source) -> Option<&Metrics> {
        match from {
            Source::Native => Some(self.native),
            Source::System(key) => self.runs.iter().find(|run| run.system.key == key).map(|run| &run.metrics),
        }
    }

    fn table(&self, table: &Table) -> String {
        let titles =
            [table.title, "min", "median", "q1–q3", "max", "n", "subtracted", "to the first row", "paper"];
        let mut out = head(&titles, 1);
        let base = table.rows.first();
        let base = base.and_then(|row| measured(self.metrics(row.from)?, row.metric));
        for Row { title, from, metric, paper } in table.rows {
            let found = self.metrics(*from).and_then(|metrics| find(metrics, metric));
            let mut cells = stats_cells(title, found, base);
            cells.push((*paper).to_owned());
            out += &row(&cells);
        }
        out
    }

    /// L4 and Linux in turns.
    fn table_5(&self) -> String {
        let mut out = head(&["what", "min", "median", "q1–q3", "max", "n", "subtracted", "to Linux"], 1);
        for (title, native, linux) in TABLE_5 {
            let linux_metric = self.metrics(LINUX).and_then(|metrics| find(metrics, linux));
            let base = self.metrics(LINUX).and_then(|metrics| measured(metrics, linux));
            out += &row(&stats_cells(&format!("{title}: Linux"), linux_metric, base));
            out += &row(&stats_cells(&format!("{title}: L4"), find(self.native, native), base));
        }
        out
    }
}

/// The cells of a row, up to the ratio to `base`.
pub fn stats_cells(title: &str, found: Option<&Figure>, base: Option<&Measured>) -> Vec<String> {
    let mut cells = vec![title.to_owned()];
    match found {
        Some(Figure::Measured(found)) => {
            let stats = &found.stats;
            cells.extend([figure(stats.min), figure(stats.median), spread(stats), figure(stats.max)]);
            cells.extend([format!("{}", stats.n), format!("{}", found.subtracted)]);
            cells.push(base.map(|base| ratio(stats, &base.stats)).unwrap_or_default());
        }
        Some(Figure::Unavailable(why)) => {
            cells.push(format!("cannot: {why}"));
            cells.extend([const { String::new() }; 6]);
        }
        None => {
            cells.push("not measured".to_owned());
            cells.extend([const { String::new() }; 6]);
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::results;

    fn metrics(lines: &[(&str, u32)]) -> Metrics {
        let line = |(name, ticks): &(&str, u32)| {
            format!(
                "{{\"name\":\"{name}\",\"unit\":\"ticks\",\"per\":1,\"subtracted\":7,\"stats\":[{ticks},{ticks},{ticks},1,{ticks},{ticks},0,5]}}\n"
            )
        };
        results::parse(&lines.iter().map(line).collect::<String>()).unwrap()
    }

    #[test]
    fn native_rows_stand_beside_linux() {
        let native = metrics(&[("L4 pipe round trip", 500), ("trap", 300)]);
        let runs =
            [Run { system: &SYSTEMS[0], metrics: metrics(&[("pipe round trip", 1000), ("trap", 3000)]) }];
        let text = render(Some(&native), &runs);
        assert!(
            text.contains(
                "| Linux: pipe | 1 000 | 1 000 | 1 000–1 000 | 1 000 | 5 | 7 | 1.00 (1.00) | 29 µs |\n"
            ),
            "{text}"
        );
        assert!(
            text.contains("| L4 pipe | 500 | 500 | 500–500 | 500 | 5 | 7 | 0.50 (0.50) | 22 µs |\n"),
            "{text}"
        );
        assert!(text.contains("| Trap: L4 | 300 | 300 | 300–300 | 300 | 5 | 7 | 0.10 (0.10) |\n"), "{text}");
        assert!(text.contains("| L4, forwarded: Linux' pipe | not measured |"), "{text}");
        assert_eq!(render(None, &runs), "");
    }

    #[test]
    fn what_cannot_be_measured_says_why() {
        let native = results::parse("{\"name\":\"Appel1\",\"error\":\"Denied\"}\n").unwrap();
        assert!(render(Some(&native), &[]).contains(": L4 | cannot: Denied |"));
    }
}
