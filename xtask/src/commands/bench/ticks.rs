//! Figures from the lab.
//!
//! There the guest's time stamp counter counts instructions, of the guest and of all that works for it: KVM, and
//! `ukvmm`. With `-v`, `ukvmm` says what the guest's counter reads when the vCPU is first run, when the guest first
//! prints something, and at the end: fields `moment` and `guest_tsc` of its JSON log.

use crate::setup::BUSYBOX;
use crate::{lab, paths};
use anyhow::{Context, Result, ensure};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Ticks since the first KVM_RUN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticks {
    /// The first instruction of the first Linux program.
    pub first_instruction: u64,
    /// The first byte that the program printed has reached `ukvmm`.
    pub first_byte: u64,
    /// The machine's end.
    pub end: u64,
}

/// Boots the system in the lab, with `/bench/first` as its program.
pub fn measure(initrd: &Path) -> Result<Ticks> {
    let mut args: Vec<OsString> = ["-v", "--log-format", "json", "--servers", "linux"].map(Into::into).into();
    args.extend(["--initrd".into(), initrd.into(), "--".into(), "/bench/first".into()]);
    let (stdout, stderr) = run_in_lab(&args, &[initrd.to_owned()])?;
    ticks(&stdout, &stderr)
}

/// Runs `ukvmm` in the lab with our kernel and these further arguments and files. It has to succeed. What it writes to its two
/// streams.
pub fn run_in_lab(args: &[OsString], further: &[PathBuf]) -> Result<(String, String)> {
    let kernel = ["--kernel".into(), paths::absolute(&paths::build())?.join("guest.elf").into()];
    let args: Vec<_> = kernel.into_iter().chain(args.iter().cloned()).collect();
    let said = ukvmm_in_lab(&args, further, None, Duration::from_secs(120))?;
    ensure!(said.status == 0, "ukvmm in the lab ended with status {}\n{}", said.status, said.stderr);
    Ok((said.stdout, said.stderr))
}

/// How `ukvmm` ended, and what it wrote.
pub struct Said {
    pub status: u8,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `ukvmm` in the lab with these arguments, and these files besides those of `build/`; QEMU perhaps with a plugin.
pub fn ukvmm_in_lab(
    args: &[OsString],
    further: &[PathBuf],
    plugin: Option<&OsStr>,
    timeout: Duration,
) -> Result<Said> {
    let job = lab::Job {
        program: paths::absolute(&paths::build())?.join("ukvmm"),
        args: args.to_vec(),
        files: [&crate::commands::lab::build_files()?, further].concat(),
        stdin: vec![],
        timeout,
        memory_mib: crate::commands::lab::MEMORY_MIB,
        sockets: vec![],
        plugin: plugin.map(Into::into),
    };
    let mut output = Collected::default();
    let status = lab::run(&job, &mut output)?.status;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Said { status, stdout: text(&output.stdout), stderr: text(&output.stderr) })
}

/// Runs a shell script in the lab, which is to have these files, so much memory and so much time. It has to succeed. What it prints.
pub fn script_in_lab(
    script: &str,
    files: Vec<PathBuf>,
    memory_mib: u32,
    timeout: Duration,
) -> Result<String> {
    let job = lab::Job {
        program: BUSYBOX.into(),
        args: ["sh", "-c", script].map(Into::into).into(),
        files,
        stdin: vec![],
        timeout,
        memory_mib,
        sockets: vec![],
        plugin: None,
    };
    let mut output = Collected::default();
    let status = lab::run(&job, &mut output)?.status;
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(status == 0, "the script in the lab ended with status {status}\n{text}\n{errors}");
    Ok(text.into_owned())
}

/// Both streams of a job, kept.
#[derive(Default)]
pub struct Collected {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl lab::Sink for Collected {
    fn stdout(&mut self, bytes: &[u8]) -> Result<()> {
        self.stdout.extend_from_slice(bytes);
        Ok(())
    }
    fn stderr(&mut self, bytes: &[u8]) -> Result<()> {
        self.stderr.extend_from_slice(bytes);
        Ok(())
    }
}

/// `stdout` is the program's reading, `log` that of `ukvmm`.
fn ticks(stdout: &str, log: &str) -> Result<Ticks> {
    let first: u64 = stdout.trim().parse().with_context(|| format!("the program printed {stdout:?}"))?;
    Ok(Ticks {
        first_instruction: since_first_run(first, log)?,
        first_byte: since_first_run(moment(log, "first output")?, log)?,
        end: since_first_run(moment(log, "end")?, log)?,
    })
}

/// From the first run that `log` tells of until a reading of the guest's.
pub fn since_first_run(tsc: u64, log: &str) -> Result<u64> {
    let start = moment(log, "first run")?;
    tsc.checked_sub(start).with_context(|| format!("{tsc} is before the first run, {start}"))
}

/// The reading at a moment.
fn moment(log: &str, name: &str) -> Result<u64> {
    let entries = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut readings =
        entries.filter(|entry| entry["moment"] == name).map(|entry| entry["guest_tsc"].as_u64());
    readings.next().flatten().with_context(|| format!("ukvmm -v does not tell the moment {name:?}:\n{log}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"{"level":"INFO","message":"m","moment":"first run","guest_tsc":1000}
not JSON
{"level":"INFO","message":"m","moment":"first output","guest_tsc":1900}
{"level":"INFO","message":"m","moment":"end","guest_tsc":2500}
"#;

    #[test]
    fn readings_become_ticks_since_the_first_run() {
        let expected = Ticks { first_instruction: 500, first_byte: 900, end: 1500 };
        assert_eq!(ticks("1500\n", LOG).unwrap(), expected);
    }

    #[test]
    fn readings_that_make_no_sense_are_refused() {
        assert!(ticks("", LOG).is_err());
        assert!(ticks("999\n", LOG).is_err(), "before the first run");
        assert!(ticks("1500\n", &LOG.replace("first output", "x")).is_err());
    }
}
