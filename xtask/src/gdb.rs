//! What gdb gets to know: the commands and printers of `gdb/`, installed with the programs that are debugged.
//!
//! gdb loads `PROGRAM-gdb.py` by itself when it opens `PROGRAM`, if its safe path allows that (the GDB manual, "Auto-loading
//! extensions"). All these loaders are one file, which looks for the package in the folders above it.

use crate::{cargo, paths};
use anyhow::Result;
use lab::process;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Of the build: gdb's commands and printers, and in it those of the Rust toolchain, if it has any.
const FOLDER: &str = "gdb";
const PACKAGE: &str = "ukvmm_gdb";
/// The file to be loaded by hand; beside the VMM like those that gdb finds by itself.
const LOADER: &str = "ukvmm-gdb.py";

/// The file that gets a debugger everything: `gdb -x FILE`.
pub fn loader() -> PathBuf {
    paths::build().join(LOADER)
}

/// The files to install: from where, and to where in the build's folder.
pub fn files(servers: &[cargo::Server]) -> Result<Vec<(PathBuf, PathBuf)>> {
    let source = paths::root().join("gdb");
    let folder = paths::build().join(FOLDER);
    let mut files = Vec::new();
    for (from, to) in [(source.join(PACKAGE), PACKAGE), (toolchain()?, "rust")] {
        for name in modules(&from)? {
            files.push((from.join(&name), folder.join(to).join(&name)));
        }
    }
    let debugged = servers.iter().map(|server| format!("servers/{}.debug-gdb.py", server.program));
    for name in debugged.chain(["guest.elf-gdb.py".to_owned(), LOADER.to_owned()]) {
        files.push((source.join(LOADER), paths::build().join(name)));
    }
    Ok(files)
}

/// Where the toolchain has its printers for Rust's own types.
fn toolchain() -> Result<PathBuf> {
    let sysroot = process::text(Command::new("rustc").args(["--print", "sysroot"]))?;
    Ok(Path::new(sysroot.trim()).join("lib/rustlib/etc"))
}

/// Python modules for gdb in a folder; none if there is no such folder.
fn modules(folder: &Path) -> Result<Vec<String>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names = names.collect::<Result<Vec<_>>>()?;
    Ok(names.into_iter().filter(|name| name.ends_with(".py") && !name.starts_with("lldb")).collect())
}
