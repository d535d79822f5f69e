//! A system's run in the lab.

use super::Selection;
use super::place::Place;
use super::programs::FIRST;
use super::system::{Boot, System};
use crate::commands::bench::checksums::{self, Checksums};
use crate::commands::bench::results::{self, Header, Metrics};
use crate::commands::bench::ticks::{self, Said};
use crate::setup::Kernel;
use crate::{paths, setup};
use anyhow::{Context, Result, bail, ensure};
use lab::process;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Limit of real time for a boot: some times what it takes on a machine that has other things to do.
const TIMEOUT: Duration = Duration::from_secs(900);
/// How often a stock kernel is booted before it is given up. QEMU's CPU lets a guest have an interrupt a second time now and then, which Linux does
/// not survive (docs/lab.md). What is wrong with `ukvmm` is wrong every time.
const ATTEMPTS: u32 = 3;
/// What is behind a command line, with the suite's arguments.
const SUITE: &str = "# paper";
/// What ends the output of a run.
const END: &str = "measured 0";

/// What is needed to run systems.
pub struct Bench {
    pub place: Place,
    pub stock: Kernel,
    pub initrd: PathBuf,
}

/// What a system came to.
pub struct Run {
    pub system: &'static System,
    pub metrics: Metrics,
}

impl Run {
    /// What a system came to when it was last measured, if it was, and whether the whole suite was run.
    pub fn read(system: &'static System) -> Result<Option<(Self, bool)>> {
        let found = Place::Lab.read(system.key)?;
        Ok(found.map(|(header, metrics)| (Self { system, metrics }, header.command.ends_with(SUITE))))
    }
}

impl Bench {
    pub fn new(place: Place, initrd: PathBuf) -> Result<Self> {
        Ok(Self { place, stock: setup::for_lab()?, initrd })
    }

    /// Runs the suite on a system and writes its file of results, which is called `key`.
    pub fn run(&self, system: &'static System, selection: &Selection, key: &str) -> Result<Run> {
        let (lines, command) = self.lines(system)?;
        let header = Header {
            system: system.title.to_owned(),
            ukvmm: env!("CARGO_PKG_VERSION").to_owned(),
            kernel: system.kernel_name(&self.stock),
            command: format!("{command} {SUITE} {}", selection.arguments().join(" ")).trim_end().to_owned(),
            clock: self.place.clock().to_owned(),
            build: self.checksums(system)?,
        };
        let metrics = results::parse(&lines)?;
        results::write(&self.place.results(key)?, &header, &lines)?;
        Ok(Run { system, metrics })
    }

    /// Runs the suite on a system. Returns what it said, and the command line.
    pub fn lines(&self, system: &System) -> Result<(String, String)> {
        self.boot(system, None, &[], |output| {
            ensure!(output.status == 0, "it ended with status {}", output.status);
            measured(&output.stdout)
        })
    }

    /// Of what the system is made of, and of the root file system with the suite.
    fn checksums(&self, system: &System) -> Result<Checksums> {
        let mut parts = system.parts(&self.stock)?;
        parts.push(("initrd".to_owned(), self.initrd.clone()));
        checksums::of(&parts)
    }

    /// Ticks from a machine's first to its first program's first instruction.
    pub fn first_instruction(&self, system: &System) -> Result<u64> {
        let log = ["-v", "--log-format", "json"];
        // The first program of a stock kernel must not end; that it does is a panic.
        let (ticks, _) = self.boot(system, Some(FIRST), &log, |output| {
            let reading = output.stdout.lines().find_map(|line| line.trim().parse().ok());
            ticks::since_first_run(reading.context("it printed no reading")?, &output.stderr)
        })?;
        Ok(ticks)
    }

    /// Boots a system until `judge` finds what it wants, a stock kernel some times. Returns that, and the command line.
    pub fn boot<T>(
        &self,
        system: &System,
        program: Option<&str>,
        options: &[&str],
        judge: impl Fn(&Said) -> Result<T>,
    ) -> Result<(T, String)> {
        let attempts = if system.is_linux() { ATTEMPTS } else { 1 };
        let mut attempt = 1;
        loop {
            let boot = Boot { initrd: &self.initrd, program, attempt };
            let mut words: Vec<OsString> = options.iter().map(Into::into).collect();
            words.extend(system.arguments(&self.stock, &boot)?);
            let output = self.place.ukvmm(&words, &system.files(&self.stock, &boot)?, TIMEOUT)?;
            match judge(&output) {
                Ok(found) => return Ok((found, shown(&words)?)),
                Err(error) if attempt < attempts => {
                    eprintln!("    {}: {error}; the lab's CPU may have upset it: again", system.title);
                    attempt += 1;
                }
                Err(error) => bail!(
                    "{}: {error}\n{}\n{}",
                    system.title,
                    output.stdout.trim_end(),
                    output.stderr.trim_end()
                ),
            }
        }
    }
}

/// The suite's lines among all that a guest has said, if it came to its end.
fn measured(stdout: &str) -> Result<String> {
    ensure!(stdout.lines().any(|line| line.trim_end() == END), "it did not come to its end");
    let lines = stdout.lines().map(str::trim_end).filter(|line| line.starts_with('{'));
    Ok(lines.map(|line| format!("{line}\n")).collect())
}

/// A command line of `ukvmm` with the repository's paths.
fn shown(words: &[OsString]) -> Result<String> {
    let build = paths::absolute(&paths::build())?;
    let mut line = "ukvmm".to_owned();
    for word in words {
        let short = match Path::new(word).strip_prefix(&build) {
            Ok(rest) => Path::new("build").join(rest).into_os_string(),
            Err(_) => word.clone(),
        };
        line += &format!(" {}", process::quote(&short.to_string_lossy()));
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_among_a_guests_words() {
        let stdout = "[ 0.1] boot\r\n{\"name\":\"a\"}\r\n{\"name\":\"b\"}\r\nmeasured 0\r\n";
        assert_eq!(measured(stdout).unwrap(), "{\"name\":\"a\"}\n{\"name\":\"b\"}\n");
        assert!(measured("{\"name\":\"a\"}\n").is_err(), "without an end");
        assert!(measured("{\"name\":\"a\"}\nmeasured 139\n").is_err());
    }

    #[test]
    fn command_lines_do_not_name_this_machines_folders() {
        let build = paths::absolute(&paths::build()).unwrap();
        let words = ["--initrd".into(), build.join("paper/x.cpio").into(), "--cmdline".into(), "a b".into()];
        assert_eq!(shown(&words).unwrap(), "ukvmm --initrd build/paper/x.cpio --cmdline 'a b'");
    }
}
