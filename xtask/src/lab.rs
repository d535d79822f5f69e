//! The lab: a stock Debian kernel with `kvm_amd`, on a CPU that QEMU emulates.
//!
//! QEMU's TCG emulates AMD's SVM, so that a KVM of the ordinary kind is to be had on any machine. With `-icount
//! shift=0` its time stamp counter counts instructions, and everything that differs from run to run (clocks, random
//! numbers, address layout) is fixed: the same command line gives the same figures to the digit. That is so with one CPU; a guest with
//! more gets a lab with more, which run side by side and by the host's clock.
//!
//! - [`image`]: the lab's root file system, with the files that a command line names at the same paths as here
//! - [`qemu`]: the machine, and following its output
//! - [`profile`]: brings back what `--profile` asks for
//! - [`symbols`]: what has no place in the lab as it is, since it is large
//! - `init.sh`: the lab's first program; `hold.c`: keeps a virtual machine there

mod image;
mod profile;
mod qemu;
mod symbols;

use crate::{paths, process, setup};
use anyhow::{Context, Result, bail};
use profile::Profile;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is to be run in the lab.
pub struct Job {
    /// Absolute path of a static program, and its arguments.
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// Files to have in the lab, at the same paths: absolute.
    pub files: Vec<PathBuf>,
    pub stdin: Vec<u8>,
    /// Limit of real time, all included.
    pub timeout: Duration,
    /// Memory of the lab.
    pub memory_mib: u32,
    /// Unix sockets of this machine, to be made: what connects to one reaches a port of the lab, `/dev/vport0p4` and so on.
    pub sockets: Vec<PathBuf>,
    /// A plugin for QEMU, with its arguments: `FILE,NAME=VALUE…`.
    pub plugin: Option<OsString>,
}

impl Job {
    /// CPUs of the lab: as many as the command line asks of `ukvmm` by `--cpus`.
    fn cpus(&self) -> u32 {
        let mut words = self.args.iter().map(|word| word.to_string_lossy()).take_while(|word| word != "--");
        let mut cpus = None;
        while let Some(word) = words.next() {
            let value = match word.strip_prefix("--cpus") {
                Some("") => words.next(),
                Some(value) => value.strip_prefix('=').map(|value| value.to_owned().into()),
                None => None,
            };
            cpus = value.and_then(|value| value.parse().ok()).or(cpus);
        }
        // What makes no sense is for `ukvmm` to refuse.
        cpus.unwrap_or(1).clamp(1, MAX_CPUS)
    }

    /// The profile that the command line asks `ukvmm` for.
    fn profile(&self) -> Option<Profile> {
        if self.program.ends_with("ukvmm") { Profile::of(&self.args) } else { None }
    }
}

/// Most CPUs that the lab gets: more are hardly faster anywhere.
const MAX_CPUS: u32 = 8;

/// How a job ended.
pub struct Outcome {
    pub status: u8,
    /// Real time from QEMU's start until the program's.
    pub started: Duration,
    /// Real time in all.
    pub total: Duration,
}

/// Where a job's output goes while it runs.
pub trait Sink {
    fn stdout(&mut self, bytes: &[u8]) -> Result<()>;
    fn stderr(&mut self, bytes: &[u8]) -> Result<()>;
}

/// Runs a job. What remains of it is in `build/lab/last`.
pub fn run(job: &Job, sink: &mut dyn Sink) -> Result<Outcome> {
    let kernel = setup::for_lab()?;
    let folder = paths::lab().join(format!("run-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let profile = job.profile();
    let port = format!("/dev/vport0p{}", qemu::FIRST_SOCKET + job.sockets.len());
    let args =
        profile.as_ref().map_or_else(|| job.args.clone(), |profile| profile.redirected(&job.args, &port));
    profile.as_ref().map_or(Ok(()), Profile::check)?;
    let outcome = image::build(job, &args, &kernel, &folder)
        .and_then(|initrd| Ok(fs::write(folder.join("initrd"), initrd)?))
        .and_then(|()| qemu::run(&folder, &kernel, job, sink, profile.is_some()));
    drop(fs::remove_file(folder.join("initrd")));
    let made = profile.map_or(Ok(()), |profile| profile.make(&folder.join(qemu::RECORDS)));
    keep(&folder)?;
    let outcome = outcome?;
    made.map(|()| outcome)
}

/// Makes a run's folder the last run's. Another run may do the same at the same time; one of them stays.
fn keep(folder: &Path) -> Result<()> {
    let last = paths::lab().join("last");
    for _ in 0..10 {
        drop(fs::remove_dir_all(&last));
        if fs::rename(folder, &last).is_ok() {
            return Ok(());
        }
    }
    bail!("cannot rename {} to {}", folder.display(), last.display())
}

/// A word of the lab's shell.
fn quoted(word: &std::ffi::OsStr) -> Result<String> {
    Ok(process::quote(word.to_str().with_context(|| format!("{word:?} is no UTF-8"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lab_has_as_many_cpus_as_the_guest() {
        let cpus = |line: &str| {
            let args = line.split_whitespace().map(Into::into).collect();
            let (program, files, stdin) = (PathBuf::new(), vec![], vec![]);
            let (timeout, memory_mib, sockets, plugin) = (Duration::ZERO, 0, vec![], None);
            Job { program, args, files, stdin, timeout, memory_mib, sockets, plugin }.cpus()
        };
        assert_eq!(cpus("--kernel k"), 1);
        assert_eq!((cpus("--cpus 2 --kernel k"), cpus("--kernel k --cpus=3")), (2, 3));
        assert_eq!(cpus("--servers s -- prog --cpus 2"), 1, "the guest's own");
        assert_eq!((cpus("--cpus 64"), cpus("--cpus 0"), cpus("--cpus x"), cpus("--cpus")), (8, 1, 1, 1));
    }
}
