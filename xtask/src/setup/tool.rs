//! Programs that cargo builds from source, into `build/tools`: those that Debian 12 has no package of.
//!
//! They are built without optimisation, in half the time, and without features that are of no use here.

use crate::paths;
use anyhow::{Context, Result};
use lab::process;
use std::path::PathBuf;
use std::process::Command;

/// A program of crates.io.
pub struct Tool {
    /// The package, which its program is called like.
    pub name: &'static str,
    pub version: &'static str,
    /// What it is for, for the message before it is built.
    pub purpose: &'static str,
}

/// Without what serves and searches. The last version before 0.5, since that needs half as many crates again and nothing that it has besides is used here.
pub const MDBOOK: Tool = Tool { name: "mdbook", version: "0.4.52", purpose: "the book" };

/// Without its own xz: Debian has one.
pub const CARGO_DEB: Tool = Tool { name: "cargo-deb", version: "3.8.0", purpose: "the Debian package" };

impl Tool {
    /// Where it is; built if it is not there or is of another version.
    pub fn path(&self) -> Result<PathBuf> {
        let Self { name, version, purpose } = self;
        let tools = paths::absolute(&paths::build())?.join("tools");
        let program = tools.join("bin").join(name);
        let said = process::text(Command::new(&program).arg("--version"));
        if said.is_ok_and(|said| said.contains(version)) {
            return Ok(program);
        }
        let target = tools.join("target");
        let mut command = crate::cargo::cargo("install");
        command
            .args([name, "--version", version, "--locked", "--debug", "--no-default-features", "--force"])
            .arg("--root")
            .arg(&tools)
            .arg("--target-dir")
            .arg(&target)
            // Flags for programs of ours would be for it, too.
            .env_remove("RUSTFLAGS")
            .env("CARGO_PROFILE_DEV_DEBUG", "false")
            .env("CARGO_INCREMENTAL", "0");
        eprintln!("==> building {name}, for {purpose}: {}", process::show(&command));
        process::run(&mut command).with_context(|| format!("{name} cannot be built"))?;
        std::fs::remove_dir_all(&target).with_context(|| format!("cannot remove {}", target.display()))?;
        Ok(program)
    }
}
