//! `cargo xtask bench paper`: the measurements of "The Performance of µ-Kernel-Based Systems" (SOSP '97), with a stock Linux kernel beside; writes docs/paper.md.
//!
//! The same static programs (`tests/programs/paper`), in the same root file system, on every system, in the lab.
//!
//! - [`system`]: what is measured; [`programs`]: with what; [`run`]: a run in the lab; [`native`]: the µ-kernel without Linux
//! - [`events`]: what the rounds are made of, and modelled cycles; [`cache`]: what memory they touch
//! - [`place`]: where; [`here`]: on this machine
//! - [`lmbench`]: lmbench's own programs, if somebody provides them
//! - [`table2`], [`figure6`], [`tables45`], [`anchors`], [`boots`]: sections of the page; [`cells`]: figures in tables; [`part`]: all of them together

mod anchors;
mod boots;
pub mod cache;
pub mod cells;
mod events;
mod figure6;
mod here;
mod lmbench;
mod native;
mod part;
mod place;
mod programs;
mod run;
mod system;
mod table2;
mod tables45;

use super::document::{self, Part};
use super::results::Metrics;
use crate::commands::build;
use crate::process;
use anyhow::{Result, ensure};
use place::Place;
use run::{Bench, Run};
use std::path::PathBuf;
use std::process::ExitCode;
use system::{SYSTEMS, System};

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

    /// Whether everything is to be measured.
    fn is_whole(&self) -> bool {
        !self.quick && self.only.is_empty() && self.system.is_empty()
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
        use clap::ValueEnum;
        let groups =
            self.groups.iter().filter_map(|group| Some(group.to_possible_value()?.get_name().to_owned()));
        let rounds = match self.rounds {
            Rounds::All => None,
            Rounds::Quick => Some("--quick".to_owned()),
            Rounds::Few => Some("--few".to_owned()),
        };
        rounds.into_iter().chain(groups).collect()
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
        println!("{}", tables45::render(Some(&native), &[]));
        return Ok(ExitCode::SUCCESS);
    }
    let selection = Selection { rounds: args.rounds(), groups: args.only.clone() };
    let everything = args.only.is_empty() && args.system.is_empty();
    let systems: Vec<_> = args.systems().collect();
    if args.events {
        return shown(Part::Events, &events::section(&selection, &systems)?, everything);
    }
    let bench = Bench::new(Place::Lab, programs::initrd(&selection)?)?;
    let mut runs: Vec<Run> = Vec::new();
    for &system in &systems {
        let run = || bench.run(system, &selection, system.key);
        runs.push(process::step(&format!("the lab: {}", system.title), run)?);
    }
    ensure!(!runs.is_empty(), "nothing was measured");
    let is_whole = args.is_whole();
    let native = is_whole.then(|| native::measure(&Place::Lab)).transpose()?;
    let boots = if is_whole { process::step("the lab: booting", || boots::measure(&bench))? } else { vec![] };
    // Behind what needs the root file system: it makes another in its place.
    let alike = is_whole.then(alike).transpose()?;
    let text = part::render(&runs, native.as_ref(), &boots, alike.as_ref());
    shown(Part::Paper, &text, is_whole)?;
    if is_whole {
        shown(Part::Events, &events::section(&selection, &systems)?, true)
    } else {
        Ok(ExitCode::SUCCESS)
    }
}

/// What the anchors measure in another way than the suite, in theirs.
fn alike() -> Result<Metrics> {
    let selection = Selection { rounds: Rounds::All, groups: vec![Group::Alike] };
    let (bench, system) = (Bench::new(Place::Lab, programs::initrd(&selection)?)?, &SYSTEMS[0]);
    let what = format!("the lab: {}, as others measure it", system.title);
    let run = process::step(&what, || bench.run(system, &selection, &format!("{}-alike", system.key)))?;
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
