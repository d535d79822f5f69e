//! `cargo xtask lab -- ARGUMENTS OF ukvmm` and `cargo xtask lab --exec PROGRAM ARGUMENTS`

use super::build;
use crate::{lab, paths};
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

#[derive(clap::Args)]
pub struct Args {
    /// Say how long the lab took to start, and in all
    #[arg(short, long)]
    pub verbose: bool,
    /// Limit in seconds of real time, all included
    #[arg(long, default_value_t = 120, env = "UKVMM_LAB_TIMEOUT")]
    timeout: u64,
    /// Memory of the lab in MiB
    #[arg(long, default_value_t = MEMORY_MIB)]
    memory: u32,
    /// Make a Unix socket on this machine; what connects to it reaches /dev/vport0p4 of the lab, to the next one vport0p5, and so on
    #[arg(long = "socket", value_name = "PATH")]
    sockets: Vec<PathBuf>,
    #[command(flatten)]
    build: build::BuildArgs,
    /// Run a static Linux program of this machine on the lab's Linux in place of ukvmm
    #[arg(long, num_args = 1.., allow_hyphen_values = true, value_name = "PROGRAM")]
    pub exec: Vec<OsString>,
}

/// Memory of the lab, unless something else is asked for.
pub const MEMORY_MIB: u32 = 1024;
/// Most that the program may get on its standard input.
const MAX_STDIN: u64 = 64 << 20;

/// `rest`: `--` and what follows.
pub fn lab(args: Args, rest: Option<&[OsString]>) -> Result<ExitCode> {
    let (program, words) = match args.exec.split_first() {
        Some((program, words)) => (find(program)?, [words, rest.unwrap_or_default()].concat()),
        None => (ukvmm(&args.build)?, rest.and_then(|rest| rest.get(1..)).unwrap_or_default().to_vec()),
    };
    let mut files = named_files(&words)?;
    if args.exec.is_empty() {
        files.extend(build_files()?);
    }
    let job = lab::Job {
        program,
        args: words,
        files,
        stdin: stdin()?,
        timeout: Duration::from_secs(args.timeout),
        memory_mib: args.memory,
        sockets: args.sockets,
        plugin: None,
    };
    let outcome = lab::run(&job, &mut PassOn)?;
    if args.verbose {
        let (started, total) = (outcome.started.as_secs_f64(), outcome.total.as_secs_f64());
        eprintln!("xtask: lab: the program started after {started:.1} s and all was over after {total:.1} s");
    }
    Ok(ExitCode::from(outcome.status))
}

/// Output goes where ours goes, as it comes.
pub struct PassOn;

impl lab::Sink for PassOn {
    fn stdout(&mut self, bytes: &[u8]) -> Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(bytes)?;
        Ok(out.flush()?)
    }
    fn stderr(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(std::io::stderr().lock().write_all(bytes)?)
    }
}

/// Where `ukvmm` is, built if it is out of date.
fn ukvmm(build: &build::BuildArgs) -> Result<PathBuf> {
    let ukvmm = paths::absolute(&paths::build())?.join("ukvmm");
    build.make()?;
    ensure!(ukvmm.exists(), "{} is missing; `cargo xtask build` makes it", ukvmm.display());
    Ok(ukvmm)
}

/// The program as it stands, or as PATH has it.
fn find(program: &OsString) -> Result<PathBuf> {
    let path = Path::new(program);
    if path.components().count() > 1 || path.is_file() {
        return Ok(paths::absolute(path)?);
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join(path)).find(|path| path.is_file());
    found.with_context(|| format!("no program {} in PATH", path.display()))
}

/// The files that arguments name: as the whole word, or behind the `=` of an option. Arguments behind `--` are the
/// guest's.
fn named_files(words: &[OsString]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for word in words.iter().take_while(|word| *word != "--") {
        let text = word.to_string_lossy();
        let value = text.split_once('=').map(|(_, value)| value);
        for candidate in [Some(&*text), value].into_iter().flatten() {
            if Path::new(candidate).is_file() {
                files.push(paths::absolute(Path::new(candidate))?);
            }
        }
    }
    Ok(files)
}

/// What `ukvmm` finds beside itself: the kernel, servers and images.
pub fn build_files() -> Result<Vec<PathBuf>> {
    let build = paths::absolute(&paths::build())?;
    let mut files = vec![build.join("guest.elf"), build.join("images/initrd.cpio")];
    for folder in ["servers", "images/servers"] {
        let folder = build.join(folder);
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    files.retain(|path| path.is_file() && !path.extension().is_some_and(|e| e == "debug" || e == "py"));
    Ok(files)
}

/// Standard input, unless somebody is typing it.
fn stdin() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        stdin.lock().take(MAX_STDIN + 1).read_to_end(&mut bytes).context("cannot read standard input")?;
    }
    ensure!(bytes.len() as u64 <= MAX_STDIN, "standard input is longer than {} MiB", MAX_STDIN >> 20);
    Ok(bytes)
}
