//! The paper's Figure 6: what Linux programs take, beside Linux. All of the suite is shown, also what the paper does not have.

use super::cells::{figure, head, ratio, row, spread};
use super::run::Run;
use super::system::{SYSTEMS, System};
use crate::commands::bench::results::{Figure, Measured, find, measured};
use std::fmt::Write;

/// The metrics that are a row of the paper's figure.
const PAPER: [&str; 10] = [
    "write to /dev/null",
    "null process",
    "simple process",
    "/bin/sh process",
    "mmap of 512 KiB",
    "2 processes, a hop",
    "8 processes, a hop",
    "pipe round trip",
    "pipe, 64 KiB at a time",
    "file re-read, 64 KiB at a time",
];
const PAPER_TOO: &str = "mmap re-read";

const TEXT: &str = "## Figure 6: Linux programs

Instructions, the medians: of one operation, or of a byte where that is said. What is `to Linux` is to the first column, of the medians, that of the minima in brackets:
below 1 we need fewer instructions. Rows with a star are the paper's; it gives no figures for them but bars, of which it says that L4Linux' are mostly at 1.5 to 2.5. Its rows
for UDP, TCP and RPC are not here: the Linux server has no network yet.

";

/// The section.
pub fn render(runs: &[Run]) -> String {
    let (base, others) = match runs.split_first() {
        Some((base, others)) if base.system.key == SYSTEMS[0].key => (base, others),
        _ => return String::new(),
    };
    let mut titles = vec!["what".to_owned(), base.system.title.to_owned()];
    for run in others {
        titles.extend([run.system.title.to_owned(), "to Linux".to_owned()]);
    }
    let mut out = TEXT.to_owned() + &head(&titles, 1);
    for (name, _) in &base.metrics {
        let star = if PAPER.contains(&name.as_str()) || name == PAPER_TOO { " *" } else { "" };
        let mut cells = vec![format!("{name}{star}"), median(base, name)];
        for run in others {
            cells.extend([median(run, name), to_linux(run, base, name)]);
        }
        out += &row(&cells);
    }
    out + &shortfalls(base, others)
}

fn median(run: &Run, name: &str) -> String {
    match find(&run.metrics, name) {
        Some(Figure::Measured(found)) => {
            let unit = if found.unit == "ticks/byte" { " a byte" } else { "" };
            figure(found.stats.median) + unit
        }
        Some(Figure::Unavailable(why)) => format!("cannot: {why}"),
        None => String::new(),
    }
}

fn to_linux(run: &Run, base: &Run, name: &str) -> String {
    both(run, base, name).map(|(one, other)| ratio(&one.stats, &other.stats)).unwrap_or_default()
}

fn both<'a>(run: &'a Run, base: &'a Run, name: &str) -> Option<(&'a Measured, &'a Measured)> {
    Some((measured(&run.metrics, name)?, measured(&base.metrics, name)?))
}

/// What we need more instructions for than Linux, said in words.
fn shortfalls(base: &Run, others: &[Run]) -> String {
    let mut out = String::new();
    for run in others.iter().filter(|run| !run.system.is_linux()) {
        let times =
            |name: &str| both(run, base, name).map(|(one, other)| one.stats.median / other.stats.median);
        let mut slower: Vec<_> =
            base.metrics.iter().filter_map(|(name, _)| Some((times(name)?, name))).collect();
        let all = slower.len();
        slower.retain(|(times, _)| *times > 1.0);
        slower.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        let list: Vec<_> = slower.iter().map(|(times, name)| format!("{name} ({times:.2})")).collect();
        let list = if list.is_empty() { "nothing".to_owned() } else { list.join(", ") };
        let _ = write!(
            out,
            "\n**More instructions than {} – {}:** {} of {all}: {list}.\n",
            base.system.title,
            run.system.title,
            slower.len()
        );
    }
    out
}

/// Every figure of every system, with what it takes to judge it.
pub fn every_figure(runs: &[Run]) -> String {
    let mut out = "## Every figure\n\n".to_owned();
    out += &head(&["what", "system", "unit", "min", "q1–q3", "median", "n", "a round has", "subtracted"], 3);
    let Some(base) = runs.first() else { return String::new() };
    for (name, _) in &base.metrics {
        for run in runs {
            out += &one_figure(name, run.system, find(&run.metrics, name));
        }
    }
    out
}

fn one_figure(name: &str, system: &System, figure_found: Option<&Figure>) -> String {
    let title = system.title.to_owned();
    match figure_found {
        Some(Figure::Measured(found)) => row(&[
            name.to_owned(),
            title,
            if found.unit == "ticks/byte" { "a byte" } else { "an operation" }.to_owned(),
            figure(found.stats.min),
            spread(&found.stats),
            figure(found.stats.median),
            format!("{}", found.stats.n),
            format!("{}", found.per),
            format!("{}", found.subtracted),
        ]),
        Some(Figure::Unavailable(why)) => row(&[name, &title, why, "", "", "", "", "", ""]),
        None => String::new(),
    }
}
