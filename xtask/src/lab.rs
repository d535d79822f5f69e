//! The lab, as xtask has it: installed where it is missing, kept in `build/lab`, and with jobs that say by their words what they need.

use crate::{paths, setup};
use anyhow::Result;
use lab::profile::Profile;
pub use lab::{Outcome, Sink};
use std::ffi::OsString;
use std::path::PathBuf;
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

/// Runs a job. What remains of it is in `build/lab/last`.
pub fn run(job: &Job, sink: &mut dyn Sink) -> Result<Outcome> {
    let lab = lab::Lab { kernel: setup::for_lab()?.lab, busybox: setup::BUSYBOX.into(), home: paths::lab() };
    lab.run(&job.of_the_lab(), sink)
}

impl Job {
    fn of_the_lab(&self) -> lab::Job {
        lab::Job {
            program: self.program.clone(),
            args: self.args.clone(),
            files: self.files.clone(),
            stdin: self.stdin.clone(),
            limit: Some(self.timeout),
            memory_mib: self.memory_mib,
            cpus: self.cpus(),
            sockets: self.sockets.clone(),
            plugin: self.plugin.clone(),
            profile: self.profile(),
            ..lab::Job::default()
        }
    }

    /// CPUs of the lab: as many as the command line asks of `ukvmm` by `--cpus`. What makes no sense is for `ukvmm` to refuse.
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
        cpus.unwrap_or(1)
    }

    /// The profile that the command line asks `ukvmm` for.
    fn profile(&self) -> Option<Profile> {
        if self.program.ends_with("ukvmm") { Profile::of(&self.args) } else { None }
    }
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
            Job { program, args, files, stdin, timeout, memory_mib, sockets, plugin }.of_the_lab().cpus()
        };
        assert_eq!(cpus("--kernel k"), 1);
        assert_eq!((cpus("--cpus 2 --kernel k"), cpus("--kernel k --cpus=3")), (2, 3));
        assert_eq!(cpus("--servers s -- prog --cpus 2"), 1, "the guest's own");
        assert_eq!((cpus("--cpus 64"), cpus("--cpus 0"), cpus("--cpus x"), cpus("--cpus")), (8, 1, 1, 1));
    }
}
