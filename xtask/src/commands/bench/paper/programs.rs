//! The measuring programs, and the root file system with them: one for all systems.

use super::Selection;
use crate::{paths, process, rootfs};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// First program on a stock kernel. The L4 system is told to run [`MEASURE`].
const INIT: &str = include_str!("init.sh");
const SCRIPT: &str = include_str!("measure.sh");
/// Where the script that measures is in the guest.
pub const MEASURE: &str = "/bench/measure.sh";
/// Where the program is that prints its first reading of the time stamp counter.
pub const FIRST: &str = "/bench/first";

/// Folder of the results, and of all that is needed for them.
pub fn folder() -> Result<PathBuf> {
    let folder = paths::absolute(&paths::build())?.join("paper");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Compiles the programs and writes the root file system.
pub fn initrd(selection: &Selection) -> Result<PathBuf> {
    let folder = folder()?;
    let suite = paths::root().join("tests/programs/paper");
    compile(&["-O2"], &sources(&suite)?, &folder.join("paper"))?;
    compile(&["-O2", "-nostdlib"], &[suite.join("hello.c")], &folder.join("hello"))?;
    let first = paths::root().join("xtask/src/commands/bench/first.S");
    compile(&["-nostdlib"], &[first], &folder.join("first"))?;

    let mut archive = rootfs::archive(&paths::root().join("images/rootfs/linux.toml"))?;
    for name in ["paper", "hello", "first"] {
        archive.file(&format!("/bench/{name}"), 0o755, fs::read(folder.join(name))?)?;
    }
    archive.file("/init", 0o755, INIT.into())?;
    let script = SCRIPT.replace("{arguments}", &selection.arguments().join(" "));
    archive.file(MEASURE, 0o755, script.into())?;
    let path = folder.join("paper.cpio");
    fs::write(&path, archive.to_bytes()?)?;
    Ok(path)
}

/// The suite's sources. `hello.c` is a program of its own.
fn sources(suite: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(suite).with_context(|| format!("cannot list {}", suite.display()))?;
    let mut sources = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    sources.retain(|path| path.extension().is_some_and(|e| e == "c") && !path.ends_with("hello.c"));
    sources.sort();
    Ok(sources)
}

fn compile(flags: &[&str], sources: &[PathBuf], program: &Path) -> Result<()> {
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=gnu17", "-Wall", "-Wextra", "-Werror", "-static", "-no-pie"]).args(flags);
    process::run(gcc.arg("-o").arg(program).args(sources).arg("-lm"))
}
