//! What the rounds of the suite are made of: expensive events, and what they may cost on a real processor.
//!
//! An instruction count says nothing of a CR3 write's price. So the suite is run once more, a few rounds of each metric, in a lab whose QEMU has a plugin
//! (`xtask/plugin`) that counts the instructions of a round by their bytes. They have to be as many as the time stamp counter says, or there are no figures.
//!
//! - [`plugin`]: the plugin; [`counts`]: what it counts, held against what the suite says
//! - [`event`]: which instructions are expensive; [`cost`]: what they cost, and who says so; [`cycles`]: modelled cycles, and who wins by them
//! - [`metric`]: a metric taken apart; [`section`]: the page

mod cost;
pub mod counts;
mod cycles;
mod event;
mod metric;
pub mod plugin;
mod section;

use super::place::Place;
use super::programs;
use super::run::Bench;
use super::system::System;
use super::{Rounds, Selection};
use crate::commands::bench::results;
use anyhow::{Context, Result};
use lab::process;
use metric::Metric;
use std::fs;

/// A system and what its metrics are made of.
pub struct Events {
    system: &'static System,
    metrics: Vec<Metric>,
}

/// Where the results go.
const FILE: &str = "events.jsonl";

/// Takes metrics apart and returns the section.
pub fn section(selection: &Selection, systems: &[&'static System]) -> Result<String> {
    Ok(section::render(&measure(selection, systems)?))
}

/// Takes the metrics of these groups apart, on each system.
fn measure(selection: &Selection, systems: &[&'static System]) -> Result<Vec<Events>> {
    let selection = Selection { rounds: Rounds::Few, groups: selection.groups.clone() };
    let folder = programs::folder()?;
    let counts = folder.join("counts");
    let place = Place::Traced(plugin::Plugin::compile()?.counting_into(&counts));
    let bench = Bench::new(place, programs::initrd(&selection)?)?;
    let one = |system: &&'static System| {
        process::step(&format!("the lab, taken apart: {}", system.title), || {
            let (lines, _) = bench.lines(system)?;
            let text = fs::read_to_string(&counts).context("the plugin has written nothing")?;
            let metrics = counts::agreed(&results::parse(&lines)?, &counts::parse(&text)?);
            Ok(Events { system, metrics: metrics.with_context(|| system.title)? })
        })
    };
    let all = systems.iter().map(one).collect::<Result<Vec<_>>>()?;
    let lines: Result<Vec<_>> = all.iter().map(metric::lines).collect();
    fs::write(folder.join(FILE), lines?.concat())?;
    Ok(all)
}
