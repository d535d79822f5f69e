//! What the suite's rounds consist of: a run of it with `--profile` and marks between the rounds.
//!
//! A run that is profiled takes other ways than one that is not only where the records are written, and what they cost is known and taken off. So what is found here
//! has to add up to what was measured without a profile; who shows it says where it does not.

use super::place::Place;
use super::programs;
use super::run::Run;
use crate::commands::bench::results::{Figure, Metrics};
use crate::paths;
use anyhow::{Context, Result, ensure};
use profile::kind::Kind;
use profile::names::NameBook;
use profile::rounds::{self, Marks, Requests, Round};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;
use ukernel_abi::ThreadId;

/// Of `tests/programs/paper/measure.h`.
const MARKS: Marks = Marks { begin: 1, end: 2 };
/// The metric whose rounds are empty.
const NOTHING: &str = "nothing";
/// Limit of real time: some times what it takes on a machine that has other things to do.
const TIMEOUT: Duration = Duration::from_secs(600);
/// Tasks that are in every system, and have no name in a profile.
const FIRST_TASKS: [u16; 2] = [ThreadId::SIGMA0.task(), ThreadId::ROOT.task()];

/// The round in the middle of a metric's.
#[derive(Clone, PartialEq, Debug)]
pub struct Breakdown {
    pub name: String,
    /// What a round does that many of. Everything else is of the whole round.
    pub per: f64,
    /// How many rounds it is in the middle of.
    pub rounds: usize,
    pub ticks: Ticks,
    pub switches: u64,
    pub requests: Vec<(Kind, Requests)>,
}

/// Who has executed how many instructions, without those that belong to the marks.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Ticks {
    pub program: u64,
    pub server: u64,
    pub others: u64,
    pub kernel: u64,
    pub idle: u64,
}

impl Ticks {
    pub fn total(&self) -> u64 {
        self.program + self.server + self.others + self.kernel + self.idle
    }
}

/// A system's, in the order of the suite.
pub type Breakdowns = Vec<Breakdown>;
/// By the systems' names.
pub type Profiles = Vec<(&'static str, Breakdowns)>;

/// Where a system's profile is, beside its results.
fn path(key: &str) -> Result<PathBuf> {
    Ok(programs::folder()?.join(format!("{key}.profile")))
}

/// Runs these groups of the suite (none: all) on the L4 system with this server set, with a profile.
pub fn measure(key: &str, servers: &str, initrd: &Path, groups: &[String]) -> Result<()> {
    let kernel = paths::absolute(&paths::build().join("guest.elf"))?;
    let mut words: Vec<OsString> = vec!["--kernel".into(), kernel.into(), "--initrd".into(), initrd.into()];
    words.extend(["--memory", "256M", "--timeout", "60", "--servers", servers, "--profile"].map(Into::into));
    words.push(format!("{},format=raw", path(key)?.display()).into());
    words.extend(["--", "/bench/paper", "--quick", "--marks"].map(Into::into));
    words.extend(groups.iter().map(Into::into));
    let said = Place::Lab.ukvmm(&words, &[initrd.to_owned()], TIMEOUT)?;
    ensure!(said.status == 0, "the suite ended with status {}\n{}", said.status, said.stderr.trim_end());
    Ok(())
}

/// Takes the rounds of a system's profile apart, those of metrics that were measured without a profile, too. `None` if there is no profile.
pub fn read(run: &Run) -> Result<Option<Breakdowns>> {
    let path = path(run.system.key)?;
    if !path.exists() {
        return Ok(None);
    }
    let shown = || path.display().to_string();
    let file = BufReader::new(File::open(&path).with_context(shown)?);
    let (rounds, names) = rounds::read(file, MARKS).with_context(shown)?;
    take_apart(&run.metrics, &rounds, &names).with_context(shown).map(Some)
}

/// Finds each metric's rounds.
fn take_apart(metrics: &Metrics, rounds: &[Round], names: &NameBook) -> Result<Breakdowns> {
    let mut by_metric = BTreeMap::<u64, Vec<&Round>>::new();
    for round in rounds.iter().filter(|round| !round.disturbed) {
        by_metric.entry(round.argument).or_default().push(round);
    }
    let measured = metrics.iter().filter_map(|(name, figure)| match figure {
        Figure::Measured(measured) => Some((name.as_str(), measured.per)),
        Figure::Unavailable(_) => None,
    });
    let mut breakdowns = Vec::new();
    for (name, per) in measured.chain([(NOTHING, 1.0)]) {
        let Some(rounds) = by_metric.get_mut(&number(name)) else { continue };
        rounds.sort_by_key(|round| round.ticks());
        let round = rounds[rounds.len() / 2];
        breakdowns.push(Breakdown {
            name: name.to_owned(),
            per,
            rounds: rounds.len(),
            ticks: ticks(round, names),
            switches: round.switches,
            requests: round.requests.iter().map(|(kind, requests)| (*kind, *requests)).collect(),
        });
    }
    ensure!(breakdowns.len() > 1, "the profile has no rounds of what was measured");
    without_marks(breakdowns)
}

/// Whether a request is a system call of Linux'.
pub fn is_call(kind: Kind) -> bool {
    matches!(kind, Kind::Linux(_) | Kind::Trampoline(_) | Kind::InPlace(_))
}

/// Takes off what an empty round consists of, which the program alone has executed.
fn without_marks(mut breakdowns: Breakdowns) -> Result<Breakdowns> {
    let at = breakdowns.iter().position(|breakdown| breakdown.name == NOTHING);
    let nothing = breakdowns.remove(at.context("the suite has measured no empty rounds")?).ticks;
    ensure!(nothing.total() == nothing.program, "an empty round is not empty: {nothing:?}");
    for breakdown in &mut breakdowns {
        breakdown.ticks.program = breakdown.ticks.program.saturating_sub(nothing.program);
    }
    Ok(breakdowns)
}

fn ticks(round: &Round, names: &NameBook) -> Ticks {
    let mut ticks = Ticks { kernel: round.kernel, idle: round.idle, ..Ticks::default() };
    for (thread, more) in &round.user {
        let task = ThreadId(*thread).task();
        *match names.task(task, u64::MAX) {
            Some("linux") => &mut ticks.server,
            // A process that lived but shortly has no name.
            Some(name) if name.starts_with("linux: ") => &mut ticks.program,
            None if !FIRST_TASKS.contains(&task) => &mut ticks.program,
            _ => &mut ticks.others,
        } += more;
    }
    ticks
}

/// A metric's name as the argument of its marks: FNV-1a, as in `measure.c`.
fn number(name: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::results;
    use profile::file::Names;

    fn round(name: &str, user: &[(u16, u64)], kernel: u64) -> Round {
        let user = user.iter().map(|(task, ticks)| (ThreadId::new(*task, 0, 1).0, *ticks)).collect();
        Round { argument: number(name), user, kernel, ..Round::default() }
    }

    fn metrics(name: &str) -> Metrics {
        results::parse(&format!(
            "{{\"name\":\"{name}\",\"unit\":\"ticks\",\"per\":2,\"subtracted\":5,\"stats\":[1,1,1,1,1,1,1,1]}}"
        ))
        .unwrap()
    }

    #[test]
    fn names_are_numbers_as_the_suite_has_them() {
        // Of the algorithm's authors.
        assert_eq!((number(""), number("foobar")), (0xcbf2_9ce4_8422_2325, 0x8594_4171_f739_67e8));
    }

    #[test]
    fn the_round_in_the_middle_is_shared_out() {
        let mut names = NameBook::default();
        let tasks = [(3, "linux"), (4, "block"), (9, "linux: paper[2]")];
        names.add(Names { tsc: 0, tasks: tasks.map(|(task, name)| (task, name.to_owned())).into() });
        let rounds = [
            round(NOTHING, &[(9, 30)], 0),
            round("a", &[(9, 40), (3, 100), (4, 7), (2, 3), (12, 5)], 60),
            round("a", &[(9, 40)], 0),
            Round { disturbed: true, ..round("a", &[(9, 40), (3, 5000)], 60) },
            round("a", &[(9, 41), (3, 1000)], 60),
        ];
        let found = take_apart(&metrics("a"), &rounds, &names).unwrap();
        let expected = Ticks { program: 15, server: 100, others: 10, kernel: 60, idle: 0 };
        assert_eq!((found.len(), found[0].ticks, found[0].rounds, found[0].per), (1, expected, 3, 2.0));
        assert!(take_apart(&metrics("b"), &rounds, &names).is_err(), "without a round");
        assert!(take_apart(&metrics("a"), &rounds[1..], &names).is_err(), "without empty rounds");
    }
}
