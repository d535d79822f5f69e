//! mdBook, in `build/tools`: built from source with cargo, as Debian 12 has no package of it.
//!
//! It is built without optimisation and without what serves and searches, in half the time: a book of these pages takes it
//! a second all the same. The last version before 0.5, since that needs half as many crates again and nothing that it
//! has besides is used here.

use crate::paths;
use anyhow::{Context, Result};
use lab::process;
use std::path::PathBuf;
use std::process::Command;

const VERSION: &str = "0.4.52";

/// Where it is; built if it is not there or is of another version.
pub fn path() -> Result<PathBuf> {
    let tools = paths::absolute(&paths::build())?.join("tools");
    let program = tools.join("bin/mdbook");
    let version = process::text(Command::new(&program).arg("--version"));
    if version.is_ok_and(|version| version.trim() == format!("mdbook v{VERSION}")) {
        return Ok(program);
    }
    let target = tools.join("target");
    let mut command = crate::cargo::cargo("install");
    command
        .args(["mdbook", "--version", VERSION, "--locked", "--debug", "--no-default-features", "--force"])
        .arg("--root")
        .arg(&tools)
        .arg("--target-dir")
        .arg(&target)
        // Flags for programs of ours would be for it, too.
        .env_remove("RUSTFLAGS")
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .env("CARGO_INCREMENTAL", "0");
    eprintln!("==> building mdBook, for the book: {}", process::show(&command));
    process::run(&mut command).context("mdBook cannot be built")?;
    std::fs::remove_dir_all(&target).with_context(|| format!("cannot remove {}", target.display()))?;
    Ok(program)
}
