//! The paper's Figure 5: where the instructions of a getpid go.

use super::cells::{head, row};
use super::rounds::{Breakdown, Profiles, is_call};
use super::run::Run;
use crate::commands::bench::page::grouped;
use crate::commands::bench::results::measured;
use anyhow::{Context, Result, ensure};
use profile::phase::Phase;

const CALL: &str = "getpid";
/// Most that a profile's sum may be off what was measured without: a record's cost is known to the instruction, but not to whom a part of it would have belonged.
const ERROR: f64 = 0.05;

/// The paper's parts, in cycles; and those of ours that do the same.
pub const PAPER: [(&str, u64, &[Part]); 5] = [
    (
        "enter emulation library",
        20,
        &[Part::Program, Part::Phase(Phase::Kernel), Part::Phase(Phase::Library)],
    ),
    ("send system-call message", 168, &[Part::Phase(Phase::Entry), Part::Phase(Phase::IpcOut)]),
    ("Linux", 131, &[Part::Phase(Phase::Dispatch), Part::Phase(Phase::Server)]),
    ("send reply", 188, &[Part::Phase(Phase::Exit), Part::Phase(Phase::Reply)]),
    ("leave emulation library", 19, &[]),
];

/// A part of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// In user mode of the program; behind the call its trampoline, too.
    Program,
    Phase(Phase),
}

/// All parts, in the order in which they come.
pub const PARTS: [Part; 9] = [
    Part::Program,
    Part::Phase(Phase::Kernel),
    Part::Phase(Phase::Library),
    Part::Phase(Phase::Entry),
    Part::Phase(Phase::IpcOut),
    Part::Phase(Phase::Dispatch),
    Part::Phase(Phase::Server),
    Part::Phase(Phase::Reply),
    Part::Phase(Phase::Exit),
];

impl Part {
    /// As it is called where there is little room.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Phase(Phase::Kernel) => "reflection",
            Self::Phase(phase) => phase.name(),
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Program => "program: the loop, SYSCALL; a trampoline's way back",
            Self::Phase(Phase::Kernel) => "reflection: the kernel sends the program to its trampoline",
            Self::Phase(Phase::Library) => "library: the trampoline makes a message of the call",
            Self::Phase(Phase::Entry) => "entry: the kernel is entered, the message checked",
            Self::Phase(Phase::IpcOut) => "IPC out: to the Linux server, in user mode",
            Self::Phase(Phase::Dispatch) => "dispatch: which process, which call",
            Self::Phase(Phase::Server) => "server: the call's own work",
            Self::Phase(Phase::Reply) => "reply: the server goes for the kernel, the answer is checked",
            Self::Phase(Phase::Exit) => "exit: back to the program, in user mode",
            Self::Phase(phase) => phase.name(),
        }
    }
}

/// What a call consists of.
pub struct Figure5 {
    pub title: &'static str,
    /// Instructions; parts that are none of this system's are 0.
    pub parts: Vec<(Part, u64)>,
    /// All of it, by what the CPU did.
    by_cpu: u64,
    /// What was measured without a profile.
    pub measured: u64,
}

impl Figure5 {
    pub fn total(&self) -> u64 {
        self.parts.iter().map(|(_, ticks)| ticks).sum()
    }

    pub fn of(&self, part: Part) -> u64 {
        self.parts.iter().find(|(of, _)| *of == part).map_or(0, |(_, ticks)| *ticks)
    }

    /// Takes a getpid apart.
    fn new(run: &Run, breakdown: &Breakdown) -> Result<Self> {
        let calls: Vec<_> = breakdown.requests.iter().filter(|(kind, _)| is_call(*kind)).collect();
        let [(_, call)] = calls[..] else {
            anyhow::bail!("a round of {CALL} has not one call: {breakdown:?}")
        };
        ensure!(call.count == 1, "a round of {CALL} has {} calls", call.count);
        let library = call.phases.get(Phase::Library);
        let program = breakdown.ticks.program.saturating_sub(library);
        let ticks = |part| match part {
            Part::Program => program,
            Part::Phase(phase) => call.phases.get(phase),
        };
        let found = measured(&run.metrics, CALL).with_context(|| format!("{CALL} was not measured"))?;
        let this = Self {
            title: run.system.title,
            parts: PARTS.map(|part| (part, ticks(part))).into(),
            by_cpu: breakdown.ticks.total(),
            measured: found.stats.median.round() as u64,
        };
        let all = call.phases.total() + program;
        ensure!(all == this.total(), "{}: {CALL} has other phases than those shown", this.title);
        Ok(this)
    }

    /// Whether the parts are all of the call, by what the CPU did, and what it takes without a profile.
    pub fn is_whole(&self) -> bool {
        [self.by_cpu, self.measured].iter().all(|other| off(self.total(), *other).abs() <= ERROR)
    }

    fn verdict(&self) -> String {
        let off = off(self.total(), self.measured) * 100.0;
        let verdict = if self.is_whole() { "within" } else { "**beyond**" };
        format!("- {}: the sum is {off:+.1} % off, {verdict} the instrument's error.\n", self.title)
    }
}

/// As a part of what it should be.
fn off(sum: u64, other: u64) -> f64 {
    (sum as f64 - other as f64) / other as f64
}

/// Of all systems of which there are a run and a profile.
pub fn take_apart(runs: &[Run], profiles: &Profiles) -> Result<Vec<Figure5>> {
    let mut figures = Vec::new();
    for (key, breakdowns) in profiles {
        let run = runs.iter().find(|run| run.system.key == *key && measured(&run.metrics, CALL).is_some());
        let breakdown = breakdowns.iter().find(|breakdown| breakdown.name == CALL);
        if let (Some(run), Some(breakdown)) = (run, breakdown) {
            figures.push(Figure5::new(run, breakdown)?);
        }
    }
    Ok(figures)
}

const TEXT: &str = "## Figure 5: where a getpid goes

Instructions of one call, by a profile ([profile.md](profile.md)) of the same loop in the lab: the round in the middle, what measuring costs taken off. Instructions in front of the kernel's first record and
behind its last one (a handful each) are in the part before and behind.
";

/// The section.
pub fn render(figures: &[Figure5]) -> String {
    if figures.is_empty() {
        return String::new();
    }
    let titles: Vec<_> = std::iter::once("part").chain(figures.iter().map(|figure| figure.title)).collect();
    let mut out = format!("{TEXT}\n{}", head(&titles, 1));
    let line = |what: &str, of: &dyn Fn(&Figure5) -> u64| {
        let cells = figures.iter().map(|figure| match of(figure) {
            0 => String::new(),
            ticks => grouped(ticks),
        });
        row(&std::iter::once(what.to_owned()).chain(cells).collect::<Vec<_>>())
    };
    for part in PARTS {
        out += &line(part.what(), &|figure| figure.of(part));
    }
    out += &line("sum", &Figure5::total);
    out += &line("measured without a profile (Table 2)", &|figure| figure.measured);
    out += &format!(
        "\nWhat a record costs is known to some instructions, of the server's; a sum may be off by {:.0} %.\n\n",
        ERROR * 100.0
    );
    out += &figures.iter().map(Figure5::verdict).collect::<String>();
    out += "\nBeside the paper's, whose cycles are of a Pentium at 133 MHz (its hardware's own cost to enter and to leave the kernel is 82 of them):\n\n";
    let titles: Vec<_> = ["the paper's part", "cycles", "share"]
        .into_iter()
        .chain(figures.iter().flat_map(|figure| [figure.title, "share"]))
        .collect();
    out += &head(&titles, 1);
    let all: u64 = PAPER.iter().map(|(_, cycles, _)| cycles).sum();
    for (what, cycles, parts) in PAPER {
        let mut cells = vec![what.to_owned(), grouped(cycles), share(cycles, all)];
        for figure in figures {
            let ticks = parts.iter().map(|part| figure.of(*part)).sum();
            cells.extend([grouped(ticks), share(ticks, figure.total())]);
        }
        out += &row(&cells);
    }
    out
}

fn share(part: u64, whole: u64) -> String {
    format!("{:.0} %", part as f64 / whole as f64 * 100.0)
}
