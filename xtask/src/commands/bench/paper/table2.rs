//! The paper's Table 2: getpid, the cheapest system call; and getppid, which no library can know the answer of.

use super::cells::{figure, head, ratio, row, spread};
use super::run::Run;
use super::system::SYSTEMS;
use crate::commands::bench::results::{Measured, measured};
use std::fmt::Write;

pub const CALLS: [&str; 2] = ["getpid", "getppid"];

/// What the paper has for each of our systems, in cycles of a Pentium at 133 MHz.
const PAPER: [(&str, f64); 3] = [("linux-off", LINUX), ("l4-forwarded", 526.0), ("l4-trampoline", 753.0)];
pub const LINUX: f64 = 223.0;
/// What the paper calls them.
const NAMES: [&str; 3] = ["Linux", "L4Linux", "L4Linux (trampoline)"];
/// What it has besides.
const PAPER_OTHERS: [(&str, f64); 2] =
    [("MkLinux, in the kernel", 2050.0), ("MkLinux, user level", 14_710.0)];

/// Instructions that a getpid takes of the other "Linux as a server" of today, User-Mode Linux 6.1, in an emulated CPU of the same model; measured
/// elsewhere, as the anchors.
const USER_MODE_LINUX: f64 = 21_421.0;

/// Most that a way in may take, in Linux' instructions.
const AIMS: [(&str, f64); 2] = [("l4-forwarded", 1.0), ("l4-trampoline", 1.5)];

/// All that the paper has: name, the system of ours that is like it ("" if none is), cycles.
pub fn papers() -> impl Iterator<Item = (&'static str, &'static str, f64)> {
    let ours = NAMES.into_iter().zip(PAPER).map(|(name, (key, cycles))| (name, key, cycles));
    ours.chain(PAPER_OTHERS.into_iter().map(|(name, cycles)| (name, "", cycles)))
}

/// The section; `None` if the calls were not measured.
pub fn render(runs: &[Run]) -> Option<String> {
    let linux = of(runs, SYSTEMS[0].key, CALLS[0])?;
    let mut out = format!(
        "## Table 2: getpid\n\nOne call, user and kernel together: the `syscall` instruction stands in the loop. `to Linux` is to {}, of the medians, that of the \
         minima in brackets.\n",
        SYSTEMS[0].title
    );
    for call in CALLS {
        let base = of(runs, SYSTEMS[0].key, call)?;
        let _ = writeln!(out, "\n### {call}\n");
        out += &head(
            &[
                "system",
                "min",
                "median",
                "q1–q3",
                "n",
                "subtracted",
                "to Linux",
                "aim",
                "paper, cycles",
                "paper, to Linux",
            ],
            1,
        );
        for run in runs {
            let Some(found) = measured(&run.metrics, call) else { continue };
            out += &line(run, found, base);
        }
    }
    out += "\nThe paper has also ";
    let others = PAPER_OTHERS
        .iter()
        .map(|(name, cycles)| format!("{name}: {} cycles, {:.1}", figure(*cycles), cycles / LINUX));
    out += &others.collect::<Vec<_>>().join("; ");
    let _ = write!(
        out,
        ". Its figures are of getpid. User-Mode Linux, today's other Linux as a server, takes {} instructions ({:.1}; measured elsewhere, as the anchors below).\n\n{}",
        figure(USER_MODE_LINUX),
        USER_MODE_LINUX / linux.stats.median,
        verdicts(runs, linux)
    );
    Some(out)
}

fn of<'a>(runs: &'a [Run], key: &str, call: &str) -> Option<&'a Measured> {
    measured(&runs.iter().find(|run| run.system.key == key)?.metrics, call)
}

fn line(run: &Run, found: &Measured, linux: &Measured) -> String {
    let stats = &found.stats;
    let key = run.system.key;
    let aim = AIMS.iter().find(|(of, _)| *of == key).map(|(_, aim)| format!("{aim:.1}"));
    let paper = PAPER.iter().find(|(of, _)| *of == key).map(|(_, cycles)| *cycles);
    row(&[
        run.system.title.to_owned(),
        figure(stats.min),
        figure(stats.median),
        spread(stats),
        format!("{}", stats.n),
        format!("{}", found.subtracted),
        ratio(stats, &linux.stats),
        aim.unwrap_or_default(),
        paper.map(figure).unwrap_or_default(),
        paper.map(|cycles| format!("{:.1}", cycles / LINUX)).unwrap_or_default(),
    ])
}

/// Whether the aims are reached.
fn verdicts(runs: &[Run], linux: &Measured) -> String {
    let mut out = String::new();
    for (key, aim) in AIMS {
        let Some(run) = runs.iter().find(|run| run.system.key == key) else { continue };
        let Some(found) = measured(&run.metrics, CALLS[0]) else { continue };
        let times = found.stats.median / linux.stats.median;
        let verdict = if times <= aim { "reached" } else { "**missed**" };
        let _ = writeln!(
            out,
            "- {}: {times:.2} of Linux' instructions for getpid; the aim, {aim:.1}, is {verdict}.",
            run.system.title
        );
    }
    out += "\nThat is of instructions, as the aims are. Who wins by instructions and loses by what these cost loses: *Expensive events, and modelled cycles* in \
            `docs/paper.md` says who does.\n";
    out
}
