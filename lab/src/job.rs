//! What is to be run in the lab, and how that ends.

use crate::profile::Profile;
use anyhow::Result;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What is to be run.
#[derive(Default)]
pub struct Job {
    /// Absolute path of a program, and its arguments. One that is not static needs its libraries among the `files`.
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// Files to have in the lab, at the same paths: absolute.
    pub files: Vec<PathBuf>,
    /// Folders to have there, empty but for `files`: absolute.
    pub folders: Vec<PathBuf>,
    /// Files of this machine that are disks there. What is written to them is written here.
    pub disks: Vec<Disk>,
    pub stdin: Vec<u8>,
    /// Variables of the program's environment, besides the few that are passed on always.
    pub environment: Vec<(String, OsString)>,
    /// Limit of real time, all included.
    pub limit: Option<Duration>,
    /// Memory of the lab.
    pub memory_mib: u32,
    /// CPUs of the lab; see [`Job::cpus`].
    pub cpus: u32,
    /// Waiting takes time, as for somebody who types, and the clock is right. Otherwise the lab's time begins in 2020, and goes on at once where nothing is to be done; with several CPUs it always takes time.
    pub waits: bool,
    /// Unix sockets of this machine, to be made: what connects to one reaches a port of the lab, `/dev/vport0p4` and so on.
    pub sockets: Vec<PathBuf>,
    /// A plugin for QEMU, with its arguments: `FILE,NAME=VALUE…`.
    pub plugin: Option<OsString>,
    /// The profile that the arguments ask for, to be made here of what comes back.
    pub profile: Option<Profile>,
}

/// A disk of the lab: `/dev/vda` and so on. In place of the file that it is made of there is a link to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disk {
    /// Absolute.
    pub path: PathBuf,
    pub read_only: bool,
}

/// Most CPUs that the lab gets: more are hardly faster anywhere.
const MAX_CPUS: u32 = 8;

impl Job {
    /// CPUs of the lab: as many as are asked for, if that makes sense.
    pub fn cpus(&self) -> u32 {
        self.cpus.clamp(1, MAX_CPUS)
    }
}

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

    /// The program has been started.
    fn started(&mut self) {}

    /// Whether the lab is to be ended at once.
    fn is_over(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_has_a_number_of_cpus_that_makes_sense() {
        let cpus = |cpus| Job { cpus, ..Job::default() }.cpus();
        assert_eq!((cpus(0), cpus(1), cpus(3), cpus(64)), (1, 1, 3, 8));
    }
}
