//! Programs that measure, and root file systems with them: made anew from the repository's sources for every run.

use crate::{paths, rootfs};
use anyhow::{Context, Result};
use lab::archive::Archive;
use lab::process;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder of `build/`, which is made if it is not there.
pub fn folder(name: &str) -> Result<PathBuf> {
    let folder = paths::absolute(&paths::build())?.join(name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// A source of the commands of `bench`.
pub fn source(name: &str) -> PathBuf {
    paths::root().join("xtask/src/commands/bench").join(name)
}

/// Compiles a static program of C or assembly, and returns where it is.
pub fn compile(program: PathBuf, sources: &[PathBuf], flags: &[&str]) -> Result<PathBuf> {
    let mut gcc = Command::new("gcc");
    gcc.args(["-static", "-Wall", "-Werror"]).args(flags).arg("-o").arg(&program).args(sources);
    // Behind the sources: a library is searched for what is missing so far.
    process::run(gcc.arg("-lm"))?;
    Ok(program)
}

/// The root file system of Linux programs, with these files besides: path there, and path here. All may be executed.
pub fn with(files: &[(&str, &Path)]) -> Result<Archive> {
    let mut archive = rootfs::archive(&paths::root().join("images/rootfs/linux.toml"))?;
    for (there, here) in files {
        archive.file(there, 0o755, read(here)?)?;
    }
    Ok(archive)
}

/// Reads a file, and says which if it cannot.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a root file system, and returns where it is.
pub fn write(archive: &Archive, path: PathBuf) -> Result<PathBuf> {
    fs::write(&path, archive.to_bytes()?).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
