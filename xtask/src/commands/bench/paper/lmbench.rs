//! lmbench's own figures: its programs, as somebody provides them, on the L4 system and on stock Linux.
//!
//! They are not part of ukvmm and not changed: what they print is what is shown. A program that is missing, fails or prints something else says so in its
//! row, for each system, and is no obstacle to the others.
//!
//! - [`programs`]: finding them; [`rows`]: which are run, and what they print
//! - `each.c`, `measure.sh`: run them in the guest; [`report`]: what comes back
//! - [`table`]: the page's part

mod programs;
mod report;
mod rows;
mod table;

use super::place::Place;
use super::programs as suite;
use super::run::Bench;
use super::system::System;
use crate::commands::bench::image;
use anyhow::{Context, Result, ensure};
use lab::process;
pub use programs::Programs;
use report::Outcome;
use rows::ROWS;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

const EACH: &str = "/bench/each";
const COMMANDS: &str = "/bench/commands";
const SCRIPT: &str = include_str!("lmbench/measure.sh");
/// Longest that a program may take, in seconds of the guest's time: ten times what the longest takes.
const SECONDS: u32 = 20;

/// What each row came to on a system: a figure, or why there is none.
pub struct Run {
    pub system: &'static System,
    pub figures: Vec<Result<f64, String>>,
}

/// Runs the programs on systems, and returns the page's part.
pub fn measure(programs: &Programs, systems: impl Iterator<Item = &'static System>) -> Result<String> {
    let bench = Bench::new(Place::Lab, initrd(programs)?)?;
    let mut runs = Vec::new();
    for system in systems {
        let what = format!("the lab: lmbench, {}", system.title);
        runs.push(process::step(&what, || run(&bench, programs, system))?);
    }
    Ok(table::render(programs, &runs))
}

/// Runs them on a system. That it cannot be run is what all rows say then.
fn run(bench: &Bench, programs: &Programs, system: &'static System) -> Result<Run> {
    let booted = bench.boot(system, None, &[], |said| {
        let outcomes = report::parse(&said.stdout, ROWS.len());
        let is_whole = said.stdout.lines().any(|line| line.trim_end() == "measured 0");
        // Of ours, what has been measured before it ended counts.
        ensure!(
            is_whole || !system.is_linux() && outcomes.iter().any(Option::is_some),
            "it did not come to its end (status {})",
            said.status
        );
        Ok((outcomes, said.stdout.clone()))
    });
    let (outcomes, output) = match booted {
        Ok(((outcomes, output), _)) => {
            (outcomes.into_iter().map(|o| o.ok_or("not reached".to_owned())).collect(), output)
        }
        Err(error) => {
            eprintln!("    {error:#}");
            (vec![Err::<Outcome, _>(report::plain(&error.to_string())); ROWS.len()], String::new())
        }
    };
    let path = suite::folder()?.join(format!("lmbench-{}.txt", system.key));
    fs::write(&path, output).with_context(|| format!("cannot write {}", path.display()))?;
    let figure = |(row, outcome): (&rows::Row, Result<Outcome, String>)| {
        programs.found[row.program].as_ref().map_err(|why| report::plain(why))?;
        outcome?.figure(row)
    };
    Ok(Run { system, figures: ROWS.iter().zip(outcomes).map(figure).collect() })
}

/// The root file system: that of the suite, but for what measures.
fn initrd(programs: &Programs) -> Result<PathBuf> {
    let folder = suite::folder()?;
    let flags = ["-std=gnu17", "-Wextra", "-O2"];
    let each = image::compile(folder.join("each"), &[image::source("paper/lmbench/each.c")], &flags)?;
    let mut archive = image::with(&[(EACH, &each)])?;
    archive.file("/init", 0o755, suite::INIT.into())?;
    archive.file(suite::MEASURE, 0o755, SCRIPT.replace("{seconds}", &SECONDS.to_string()).into())?;
    archive.file(COMMANDS, 0o644, commands().into())?;
    for (path, bytes) in &programs.files {
        archive
            .file(path, 0o755, bytes.clone())
            .context("what --lmbench needs is in the way of the file system's own files")?;
    }
    image::write(&archive, folder.join("lmbench.cpio"))
}

/// The command lines, row by row.
fn commands() -> String {
    let mut lines = String::new();
    for row in &ROWS {
        let _ = writeln!(lines, "{} {}", programs::path(row.program), row.arguments);
    }
    lines
}
