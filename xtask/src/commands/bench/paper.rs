//! `cargo xtask bench paper`: the measurements of "The Performance of µ-Kernel-Based Systems" (SOSP '97), with a stock Linux kernel beside; writes docs/paper.md.
//!
//! The same static programs (`tests/programs/paper`), in the same root file system, on every system, in the lab.
//!
//! - [`system`]: what is measured; [`programs`]: with what; [`run`]: a run in the lab; [`native`]: the µ-kernel without Linux; [`rounds`]: a run taken apart
//! - [`events`]: what the rounds are made of, and modelled cycles; [`cache`]: what memory they touch
//! - [`place`]: where; [`here`]: on this machine
//! - [`lmbench`]: lmbench's own programs, if somebody provides them
//! - [`table2`], [`figure5`], [`figure6`], [`breakdown`], [`ipc`], [`tables45`], [`anchors`], [`boots`]: sections of the page; [`cells`]: figures in tables; [`part`]: all of them together; [`report`]: the same with charts, for a browser

mod anchors;
mod boots;
mod breakdown;
pub mod cache;
pub mod cells;
mod events;
mod figure5;
mod figure6;
mod here;
mod ipc;
mod lmbench;
mod native;
mod part;
mod place;
mod programs;
mod report;
mod rounds;
mod run;
mod system;
mod table2;
mod tables45;

use super::document::{self, Part};
use super::results::Metrics;
use crate::commands::build;
use anyhow::{Result, ensure};
use boots::Boots;
use figure5::Figure5;
use ipc::Ours;
use lab::process;
use part::All;
use place::Place;
use rounds::Profiles;
use run::{Bench, Run};
use std::path::PathBuf;
use std::process::ExitCode;
use system::{Kind, SYSTEMS, System};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    build: build::BuildArgs,
    /// A tenth of the rounds; writes no page
    #[arg(long)]
    quick: bool,
    /// Only this group of measurements; writes no page
    #[arg(long, value_name = "GROUP")]
    only: Vec<Group>,
    /// Only this system; writes no page
    #[arg(long, value_name = "NAME", value_parser = system, conflicts_with = "native")]
    system: Vec<&'static System>,
    /// Only what programs of L4 do, without Linux; writes no page, but what a test holds them to
    #[arg(long, conflicts_with_all = ["quick", "only"])]
    native: bool,
    /// Only the expensive events of each metric, and modelled cycles
    #[arg(long, conflicts_with_all = ["quick", "native"])]
    events: bool,
    /// Measure nothing: make the page and the report of the results that are in build/paper
    #[arg(long, conflicts_with_all = ["quick", "only", "system", "native", "events"])]
    again: bool,
    /// Only the programs of lmbench that are in this folder; writes their part of the page
    #[arg(long, value_name = "DIR", conflicts_with_all = ["quick", "only", "native", "events"])]
    lmbench: Option<PathBuf>,
    /// Measure on this machine's KVM, where ticks are cycles, and not in the lab; writes no page
    #[arg(long, conflicts_with_all = ["lmbench", "events"])]
    here: bool,
}

impl Args {
    /// The systems to be measured.
    fn systems(&self) -> impl Iterator<Item = &'static System> {
        let is_wanted = |key| self.system.is_empty() || self.system.iter().any(|system| system.key == key);
        SYSTEMS.iter().filter(move |system| is_wanted(system.key))
    }

    fn rounds(&self) -> Rounds {
        if self.quick { Rounds::Quick } else { Rounds::All }
    }

    fn selection(&self) -> Selection {
        Selection { rounds: self.rounds(), groups: self.only.clone() }
    }

    /// Whether that is all of them, and the whole suite.
    fn is_everything(&self) -> bool {
        self.only.is_empty() && self.system.is_empty()
    }

    /// Whether everything is to be measured.
    fn is_whole(&self) -> bool {
        !self.quick && self.is_everything()
    }
}

/// The groups of the suite.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Group {
    Calls,
    Processes,
    Switches,
    Memory,
    Bandwidth,
    /// What others measure in other ways, in theirs; only if it is named
    Alike,
}

impl Group {
    fn name(self) -> String {
        use clap::ValueEnum;
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

fn system(key: &str) -> Result<&'static System> {
    let keys = SYSTEMS.map(|system| system.key).join(", ");
    let found = SYSTEMS.iter().find(|system| system.key == key);
    found.ok_or_else(|| anyhow::anyhow!("there is no system {key}, but {keys}"))
}

/// How many rounds of each metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rounds {
    All,
    /// A tenth.
    Quick,
    /// As many as it takes to see what a round does.
    Few,
}

/// What of the suite is run.
pub struct Selection {
    rounds: Rounds,
    groups: Vec<Group>,
}

impl Selection {
    /// The suite's arguments.
    pub fn arguments(&self) -> Vec<String> {
        let rounds = match self.rounds {
            Rounds::All => None,
            Rounds::Quick => Some("--quick".to_owned()),
            Rounds::Few => Some("--few".to_owned()),
        };
        rounds.into_iter().chain(self.names()).collect()
    }

    /// The groups' names; none if it is all of them.
    fn names(&self) -> Vec<String> {
        self.groups.iter().map(|group| group.name()).collect()
    }

    fn has(&self, group: Group) -> bool {
        self.groups.is_empty() || self.groups.contains(&group)
    }
}

pub fn paper(args: &Args) -> Result<ExitCode> {
    let lmbench = args.lmbench.as_deref().map(lmbench::Programs::find).transpose()?;
    args.build.make()?;
    if let Some(programs) = lmbench {
        let text = lmbench::measure(&programs, args.systems())?;
        return shown(Part::Lmbench, &text, args.system.is_empty());
    }
    if args.here {
        return here::here(args).map(|()| ExitCode::SUCCESS);
    }
    if args.native {
        let native = native::measure(&Place::Lab)?;
        native::promise(&native)?;
        let ours = Ours { paths: &super::ipc::promised()?, native: Some(&native), runs: &[] };
        let sections = [ipc::render(&ours), tables45::render(Some(&native), &[])];
        println!("{}", cells::aligned(&sections.join("\n")));
        return Ok(ExitCode::SUCCESS);
    }
    if args.events {
        let systems: Vec<_> = args.systems().collect();
        return shown(Part::Events, &events::section(&args.selection(), &systems)?, args.is_everything());
    }
    let (measured, is_whole) = if args.again { Measured::again()? } else { Measured::now(args)? };
    ensure!(!measured.runs.is_empty(), "nothing was measured");
    let figure5 = figure5::take_apart(&measured.runs, &measured.profiles)?;
    let paths = super::ipc::promised()?;
    let all = All { measured: &measured, paths: &paths, figure5: &figure5 };
    shown(Part::Paper, &part::render(&all), is_whole)?;
    if is_whole && !args.again {
        let systems: Vec<_> = args.systems().collect();
        shown(Part::Events, &events::section(&args.selection(), &systems)?, true)?;
    }
    eprintln!("==> the same with charts: {}", report::write(&all)?.display());
    // What does not add up is on the page, but no success.
    Ok(ExitCode::from(u8::from(!figure5.iter().all(Figure5::is_whole))))
}

/// The name of its results.
fn alike_key() -> String {
    format!("{}-alike", SYSTEMS[0].key)
}

/// What the anchors measure in another way than the suite, in theirs.
fn alike() -> Result<Metrics> {
    let selection = Selection { rounds: Rounds::All, groups: vec![Group::Alike] };
    let (bench, system) = (Bench::new(Place::Lab, programs::initrd(&selection)?)?, &SYSTEMS[0]);
    let what = format!("the lab: {}, as others measure it", system.title);
    let run = process::step(&what, || bench.run(system, &selection, &alike_key()))?;
    Ok(run.metrics)
}

/// Prints a part, and writes it into the page if all of it was measured.
fn shown(part: Part, text: &str, is_whole: bool) -> Result<ExitCode> {
    println!("{text}");
    if is_whole {
        document::write(part, text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// All that is measured.
pub struct Measured {
    pub runs: Vec<Run>,
    pub native: Option<Metrics>,
    pub boots: Boots,
    pub profiles: Profiles,
    /// What the anchors measure in another way than the suite, in theirs.
    pub alike: Option<Metrics>,
}

impl Measured {
    /// Measures. Also whether that was everything.
    fn now(args: &Args) -> Result<(Self, bool)> {
        let selection = args.selection();
        let bench = Bench::new(Place::Lab, programs::initrd(&selection)?)?;
        let run = |system: &'static System| {
            process::step(&format!("the lab: {}", system.title), || bench.run(system, &selection, system.key))
        };
        let runs = args.systems().map(run).collect::<Result<Vec<_>>>()?;
        let is_whole = args.is_whole();
        let native = is_whole.then(|| native::measure(&Place::Lab)).transpose()?;
        let boots = if is_whole {
            process::step("the lab: booting", || boots::measure(&bench))?
        } else {
            Boots::new()
        };
        profile(&runs, &bench, &selection)?;
        let profiles = profiles(&runs)?;
        // Behind what needs the root file system: it makes another in its place.
        let alike = is_whole.then(alike).transpose()?;
        Ok((Self { runs, native, boots, profiles, alike }, is_whole))
    }

    /// What was measured last.
    fn again() -> Result<(Self, bool)> {
        let runs = SYSTEMS.iter().filter_map(|system| Run::read(system).transpose());
        let (runs, whole): (Vec<_>, Vec<_>) = runs.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let (native, boots) = (native::read()?, boots::read()?);
        let is_whole =
            whole.len() == SYSTEMS.len() && !whole.contains(&false) && native.is_some() && !boots.is_empty();
        let profiles = profiles(&runs)?;
        let alike = Place::Lab.read(&alike_key())?.map(|(_, metrics)| metrics);
        Ok((Self { runs, native, boots, profiles, alike }, is_whole))
    }
}

/// Profiles our systems: all of the one that is like the paper's, and of the other what there is a figure of.
fn profile(runs: &[Run], bench: &Bench, selection: &Selection) -> Result<()> {
    for system in runs.iter().map(|run| run.system) {
        let Kind::L4 { servers } = system.kind else { continue };
        let groups = match system.key {
            breakdown::KEY => selection.names(),
            _ if selection.has(Group::Calls) => vec![Group::Calls.name()],
            _ => continue,
        };
        let what = format!("the lab: a profile of {}", system.title);
        process::step(&what, || rounds::measure(system.key, servers, &bench.initrd, &groups))?;
    }
    Ok(())
}

fn profiles(runs: &[Run]) -> Result<Profiles> {
    let ours = runs.iter().filter(|run| !run.system.is_linux());
    ours.filter_map(|run| Some(rounds::read(run).transpose()?.map(|found| (run.system.key, found)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_becomes_the_suites_arguments() {
        let selection =
            |rounds, groups: &[Group]| Selection { rounds, groups: groups.to_vec() }.arguments().join(" ");
        assert_eq!(selection(Rounds::All, &[]), "");
        assert_eq!(selection(Rounds::Quick, &[Group::Calls, Group::Memory]), "--quick calls memory");
        assert_eq!(selection(Rounds::Few, &[]), "--few");
    }

    #[test]
    fn systems_are_known_by_their_names() {
        assert_eq!(system("l4-forwarded").unwrap().title, "L4, forwarded");
        assert!(system("mach").unwrap_err().to_string().contains("linux-off, "));
    }
}
