//! The lab's root file system.

use crate::archive::Archive;
use crate::job::Job;
use crate::profile::Profile;
use crate::run::{Lab, quoted};
use crate::{process, symbols};
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// The first program.
const INIT: &str = include_str!("init.sh");
/// Keeps a virtual machine.
const HOLD: &str = include_str!("hold.c");
/// Variables of the environment that are the job's too.
const PASSED_ON: [&str; 4] = ["NO_COLOR", "RUST_BACKTRACE", "RUST_LOG", "UKVMM_LOG"];

/// An archive for the lab's kernel to unpack. `args`: the job's, as they are in the lab. What it takes is made in `folder`.
pub fn build(lab: &Lab, job: &Job, args: &[OsString], folder: &Path) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for directory in ["/dev", "/proc", "/sys", "/tmp"] {
        archive.directory(directory, 0o755)?;
    }
    archive.file("/init", 0o755, INIT.into())?;
    archive.file("/lab/busybox", 0o755, read(&lab.busybox)?)?;
    archive.file("/lab/command", 0o644, command(job, args)?.into())?;
    archive.file("/lab/stdin", 0o644, job.stdin.clone())?;
    let mut names = String::new();
    let disk_module = (!job.disks.is_empty()).then(|| lab.kernel.disk_module()).transpose()?;
    for module in lab.kernel.modules.iter().chain(&disk_module) {
        let name = module.file_name().and_then(|name| name.to_str()).context("a module's name is no text")?;
        archive.file(&format!("/lab/{name}"), 0o644, read(module)?)?;
        names.push_str(name);
        names.push('\n');
    }
    archive.file("/lab/modules", 0o644, names.into())?;
    // Where there is one CPU, no other can execute what is being rewritten. Without a compiler a lab of several stands still now and then.
    if job.cpus() > 1 && process::succeeds(Command::new("gcc").arg("--version")) {
        archive.file("/lab/hold", 0o755, hold(folder)?)?;
    }
    for path in &job.folders {
        folder_at(&mut archive, path)?;
    }
    for (letter, disk) in ('a'..='z').zip(&job.disks) {
        archive.symlink(text(&disk.path)?, &format!("/dev/vd{letter}"))?;
    }
    for path in job.files.iter().chain([&job.program]) {
        let name = text(path)?;
        if !archive.contains(name) {
            archive.file(name, fs::metadata(path)?.permissions().mode() & 0o777, read(path)?)?;
        }
    }
    if job.profile.as_ref().is_some_and(Profile::has_samples) {
        for (path, bytes) in symbols::of(&job.files, folder)? {
            archive.file(text(&path)?, 0o644, bytes)?;
        }
    }
    archive.to_bytes()
}

/// The root is there already.
fn folder_at(archive: &mut Archive, path: &Path) -> Result<()> {
    let name = text(path)?;
    if name == "/" || archive.contains(name) { Ok(()) } else { archive.directory(name, 0o777) }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is no UTF-8", path.display()))
}

/// The shell script that becomes the job's program.
fn command(job: &Job, args: &[OsString]) -> Result<String> {
    let cwd = std::env::current_dir()?;
    let folder = quoted(cwd.as_os_str())?;
    let mut script = format!("/lab/busybox mkdir -p {folder}\ncd {folder}\nexport HOME=/ PATH=/lab\n");
    for name in PASSED_ON {
        if let Some(value) = std::env::var_os(name) {
            script += &format!("export {name}={}\n", quoted(&value)?);
        }
    }
    for (name, value) in &job.environment {
        script += &format!("export {name}={}\n", quoted(value)?);
    }
    script += "exec";
    for word in std::iter::once(job.program.as_os_str()).chain(args.iter().map(|arg| arg.as_os_str())) {
        script += " ";
        script += &quoted(word)?;
    }
    script += "\n";
    Ok(script)
}

fn hold(folder: &Path) -> Result<Vec<u8>> {
    let program = folder.join("hold");
    let mut gcc = Command::new("gcc");
    gcc.args(["-O2", "-Wall", "-Werror", "-static", "-x", "c", "-", "-o"]).arg(&program);
    process::filter(&mut gcc, HOLD.as_bytes())?;
    read(&program)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
