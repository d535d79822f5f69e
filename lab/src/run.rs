//! A lab on this machine's disk, and running jobs in it.

use crate::job::{Job, Outcome, Sink};
use crate::kernel::Kernel;
use crate::{image, process, qemu};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// What a lab is made of, QEMU aside.
pub struct Lab {
    pub kernel: Kernel,
    /// busybox without shared libraries.
    pub busybox: PathBuf,
    /// Folder for what a run leaves behind, which is in `last` in it.
    pub home: PathBuf,
}

impl Lab {
    /// Runs a job. What remains of it is in `home/last`.
    pub fn run(&self, job: &Job, sink: &mut dyn Sink) -> Result<Outcome> {
        let folder = self.home.join(format!("run-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let port = format!("/dev/vport0p{}", qemu::FIRST_SOCKET + job.sockets.len());
        let profile = job.profile.as_ref();
        let args = profile.map_or_else(|| job.args.clone(), |profile| profile.redirected(&job.args, &port));
        profile.map_or(Ok(()), |profile| profile.check())?;
        let outcome = image::build(self, job, &args, &folder)
            .and_then(|initrd| Ok(fs::write(folder.join("initrd"), initrd)?))
            .and_then(|()| qemu::run(&folder, &self.kernel, job, sink));
        drop(fs::remove_file(folder.join("initrd")));
        let made = profile.map_or(Ok(()), |profile| profile.make(&folder.join(qemu::RECORDS)));
        keep(&folder, &self.home)?;
        let outcome = outcome?;
        made.map(|()| outcome)
    }
}

/// Makes a run's folder the last run's. Another run may do the same at the same time; one of them stays.
fn keep(folder: &Path, home: &Path) -> Result<()> {
    let last = home.join("last");
    for _ in 0..10 {
        drop(fs::remove_dir_all(&last));
        if fs::rename(folder, &last).is_ok() {
            return Ok(());
        }
    }
    bail!("cannot rename {} to {}", folder.display(), last.display())
}

/// A word of the lab's shell.
pub fn quoted(word: &std::ffi::OsStr) -> Result<String> {
    Ok(process::quote(word.to_str().with_context(|| format!("{word:?} is no UTF-8"))?))
}
