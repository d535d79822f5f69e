//! `cargo xtask bench cache [-- PROGRAM ARGUMENTS]`: what memory a program and the system below it touch, and what caches make of it, after Chen and Bershad (SOSP '93).
//!
//! The plugin of the lab's QEMU (`xtask/plugin`) writes a trace of each round, of the suite's calls and switches or of another program that says by marks what its rounds
//! are (docs/cache.md). The crate `cache` has the model. The traces stay in `build/paper`, for `ukvmm trace`.

mod section;

use super::events::{counts, plugin::Plugin};
use super::place::Place;
use super::run::Bench;
use super::system::{SYSTEMS, System};
use super::{Group, Rounds, Selection, programs};
use crate::commands::bench::document::{self, Part};
use crate::commands::bench::results;
use crate::commands::build;
use crate::paths;
use anyhow::{Context, Result};
use cache::hierarchy::Shapes;
use cache::view::{self, View};
use lab::process;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    build: build::BuildArgs,
}

/// Systems that are looked at.
const TRACED: [&str; 3] = ["linux-off", "l4-forwarded", "l4-trampoline"];
/// Most that a trace may have, in bytes.
const LIMIT: u64 = 256 << 20;
/// The processors whose caches are modelled.
const PROCESSORS: [(&str, Shapes); 2] =
    [("EPYC 7001, as the lab's CPU", Shapes::EPYC), ("Pentium, as the paper's", Shapes::PENTIUM)];

/// A system's trace.
struct Traced {
    system: &'static System,
    /// Names of the metrics, in their order.
    names: Vec<String>,
    file: PathBuf,
}

/// What a processor makes of a system's trace.
struct Modelled<'a> {
    system: &'static System,
    metrics: Vec<(&'a str, View)>,
}

/// `rest`: `--` and what follows.
pub fn cache(args: &Args, rest: Option<&[OsString]>) -> Result<ExitCode> {
    args.build.make()?;
    let other = rest.and_then(|rest| rest.get(1..)).and_then(<[_]>::split_first);
    let initrd = match other {
        Some((program, arguments)) => {
            let arguments = arguments.iter().map(|word| word.to_string_lossy().into_owned());
            programs::initrd_of(&paths::absolute(Path::new(program))?, &arguments.collect::<Vec<_>>())?
        }
        None => {
            let groups = vec![Group::Calls, Group::Switches];
            programs::initrd(&Selection { rounds: Rounds::Few, groups })?
        }
    };
    let traced = trace(&initrd, other.is_none())?;
    let models = PROCESSORS.iter().map(|(name, shapes)| {
        let systems = traced.iter().map(|traced| traced.model(shapes));
        Ok((*name, *shapes, systems.collect::<Result<Vec<_>>>()?))
    });
    let text = section::render(&models.collect::<Result<Vec<_>>>()?);
    println!("{text}");
    if other.is_none() {
        document::write(Part::Cache, &text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Traces the program on each system. The suite's metrics have names, and have to be what the plugin has counted.
fn trace(initrd: &Path, is_suite: bool) -> Result<Vec<Traced>> {
    let (folder, plugin) = (programs::folder()?, Plugin::compile()?);
    let counts = folder.join("counts");
    let mut all = Vec::new();
    for system in SYSTEMS.iter().filter(|system| TRACED.contains(&system.key)) {
        let file = folder.join(format!("{}.trace", system.key));
        let place = Place::Traced(plugin.tracing_into(&counts, &file, LIMIT));
        let bench = Bench::new(place, initrd.to_owned())?;
        let (lines, _) =
            process::step(&format!("the lab, traced: {}", system.title), || bench.lines(system))?;
        let mut names = Vec::new();
        if is_suite {
            let metrics = results::parse(&lines)?;
            counts::agreed(&metrics, &counts::parse(&fs::read_to_string(&counts)?)?)?;
            names.extend(metrics.into_iter().map(|(name, _)| name));
        }
        all.push(Traced { system, names, file });
    }
    Ok(all)
}

impl Traced {
    fn model(&self, shapes: &Shapes) -> Result<Modelled<'_>> {
        let file = File::open(&self.file).with_context(|| format!("cannot read {}", self.file.display()))?;
        let views = view::views(BufReader::new(file), shapes)
            .with_context(|| format!("{}: the trace", self.system.title))?;
        let names = self.names.iter().map(String::as_str).chain(std::iter::repeat("the program's rounds"));
        let metrics = names.zip(views).filter(|(_, view)| view.cold.count > 0).collect();
        Ok(Modelled { system: self.system, metrics })
    }
}
