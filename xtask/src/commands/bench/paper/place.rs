//! Where the measurements are made: in the lab, where a tick is an instruction, or on this machine's KVM (`--here`), where it is a cycle of the time stamp counter.
//!
//! What is found here stands in files of its own: it is another thing, and no page's.

use super::programs;
use crate::commands::bench::results::{self, Header, Metrics};
use crate::commands::bench::ticks::{Said, ukvmm_in_lab};
use crate::paths;
use anyhow::{Context, Result, bail, ensure};
use lab::process;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    Lab,
    /// The lab, with a plugin for its QEMU.
    Traced(OsString),
    Here(Machine),
}

/// What `ukvmm doctor` says of this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Machine {
    /// Guest kernel mode is emulated instruction by instruction.
    pub is_emulated: bool,
    /// The whole of what it says of that.
    pub kind: String,
    /// Frequency and quality of the time stamp counter.
    pub clock: String,
}

impl Place {
    /// This machine.
    pub fn here() -> Result<Self> {
        let doctor = Command::new(paths::build().join("ukvmm")).arg("doctor").stdin(Stdio::null()).output();
        let doctor = doctor.context("cannot start ukvmm doctor")?;
        let report = String::from_utf8_lossy(&doctor.stdout);
        ensure!(doctor.status.success(), "--here: guests cannot run on this machine\n{}", report.trim_end());
        Ok(Self::Here(Machine::of(&report)?))
    }

    /// Said of a step.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Lab | Self::Traced(_) => "the lab",
            Self::Here(_) => "this machine",
        }
    }

    /// What a tick is.
    pub fn clock(&self) -> &str {
        match self {
            Self::Lab | Self::Traced(_) => "a tick is an instruction",
            Self::Here(machine) => &machine.clock,
        }
    }

    /// The file of a system's results.
    pub fn results(&self, key: &str) -> Result<PathBuf> {
        let prefix = if matches!(self, Self::Here(_)) { "here-" } else { "" };
        Ok(programs::folder()?.join(format!("{prefix}{key}.jsonl")))
    }

    /// What a system came to when it was last measured, if it was.
    pub fn read(&self, key: &str) -> Result<Option<(Header, Metrics)>> {
        let path = self.results(key)?;
        if path.exists() { results::read(&path).map(Some) } else { Ok(None) }
    }

    /// Runs `ukvmm`. `files` are what it reads besides those of `build/`.
    pub fn ukvmm(&self, args: &[OsString], files: &[PathBuf], timeout: Duration) -> Result<Said> {
        match self {
            Self::Lab => ukvmm_in_lab(args, files, None, timeout),
            Self::Traced(plugin) => ukvmm_in_lab(args, files, Some(plugin), timeout),
            Self::Here(_) => ukvmm_here(args, timeout),
        }
    }
}

fn ukvmm_here(args: &[OsString], timeout: Duration) -> Result<Said> {
    let mut command = Command::new("timeout");
    command.args(["--kill-after", "5", &timeout.as_secs().to_string()]);
    command.arg(paths::build().join("ukvmm")).args(args).stdin(Stdio::null());
    let output = command.output().with_context(|| format!("cannot start {}", process::show(&command)))?;
    let status = output.status.code().and_then(|code| u8::try_from(code).ok());
    let Some(status) = status else { bail!("ukvmm ended with {}", output.status) };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Said { status, stdout: text(&output.stdout), stderr: text(&output.stderr) })
}

impl Machine {
    /// Reads lines `VERDICT  ABOUT  TEXT`.
    fn of(report: &str) -> Result<Self> {
        let about = |what: &str| {
            let mut texts = report.lines().filter_map(|line| {
                let rest = line.split_once(char::is_whitespace)?.1.trim_start();
                // Two blanks at least: "tsc" is not "tsc frequency".
                Some(rest.strip_prefix(what)?.strip_prefix("  ")?.trim().to_owned())
            });
            texts.next().with_context(|| format!("ukvmm doctor says nothing of {what:?}:\n{report}"))
        };
        let kind = about("kind")?;
        let clock = format!("{}, {}", about("tsc frequency")?, about("tsc")?);
        Ok(Self { is_emulated: kind.starts_with("no hardware virtualisation"), kind, clock })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "ok    device         /dev/kvm, KVM API version 12
ok    kind           hardware virtualisation (VMX, SVM): guest kernel mode is native, SYSCALL enters it
ok    tsc frequency  2596122 kHz
note  tsc            not known to be invariant: the guest's clock may drift

guests can run here
";

    #[test]
    fn a_machine_is_told_by_its_doctor() {
        let machine = Machine::of(REPORT).unwrap();
        assert!(!machine.is_emulated && machine.kind.starts_with("hardware"));
        assert_eq!(machine.clock, "2596122 kHz, not known to be invariant: the guest's clock may drift");
        let emulated =
            REPORT.replace("hardware virtualisation (VMX, SVM): guest", "no hardware virtualisation: guest");
        assert!(Machine::of(&emulated).unwrap().is_emulated);
        assert!(Machine::of("ok  kind\n").is_err() && Machine::of("").is_err());
    }

    #[test]
    fn what_is_found_here_overwrites_nothing() {
        let here = Place::Here(Machine::of(REPORT).unwrap());
        assert_ne!(here.results("l4-native").unwrap(), Place::Lab.results("l4-native").unwrap());
        assert!(here.results("x").unwrap().ends_with("paper/here-x.jsonl"));
    }
}
