//! The measuring programs, and the root file system with them: one for all systems.

use super::Selection;
use crate::commands::bench::{boot, image};
use crate::paths;
use anyhow::{Context, Result};
use lab::process;
use std::fs;
use std::path::{Path, PathBuf};

/// First program on a stock kernel. The L4 system is told to run [`MEASURE`].
pub const INIT: &str = include_str!("init.sh");
const SCRIPT: &str = include_str!("measure.sh");
/// Where the script that measures is in the guest.
pub const MEASURE: &str = "/bench/measure.sh";
/// Where the program is that prints its first reading of the time stamp counter.
pub const FIRST: &str = "/bench/first";

/// Folder of the results, and of all that is needed for them.
pub fn folder() -> Result<PathBuf> {
    image::folder("paper")
}

/// Compiles the programs and writes the root file system.
pub fn initrd(selection: &Selection) -> Result<PathBuf> {
    let folder = folder()?;
    let suite = paths::root().join("tests/programs/paper");
    let flags = ["-std=gnu17", "-Wextra", "-O2", "-no-pie"];
    let paper = image::compile(folder.join("paper"), &sources(&suite)?, &flags)?;
    let hello = [&flags[..], &["-nostdlib"]].concat();
    let hello = image::compile(folder.join("hello"), &[suite.join("hello.c")], &hello)?;
    let first = boot::first(&folder)?;
    let files = [("/bench/paper", &*paper), ("/bench/hello", &hello), (FIRST, &first)];
    with(&files, &selection.arguments())
}

/// The same with another program in the suite's place.
pub fn initrd_of(program: &Path, arguments: &[String]) -> Result<PathBuf> {
    with(&[("/bench/paper", program)], arguments)
}

fn with(files: &[(&str, &Path)], arguments: &[String]) -> Result<PathBuf> {
    let mut archive = image::with(files)?;
    archive.file("/init", 0o755, INIT.into())?;
    let arguments: Vec<_> = arguments.iter().map(|word| process::quote(word)).collect();
    archive.file(MEASURE, 0o755, SCRIPT.replace("{arguments}", &arguments.join(" ")).into())?;
    image::write(&archive, folder()?.join("paper.cpio"))
}

/// The suite's sources. `hello.c` is a program of its own.
fn sources(suite: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(suite).with_context(|| format!("cannot list {}", suite.display()))?;
    let mut sources = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    sources.retain(|path| path.extension().is_some_and(|e| e == "c") && !path.ends_with("hello.c"));
    sources.sort();
    Ok(sources)
}
