//! The sample project: a workspace of its own, as somebody has it who builds servers elsewhere. It is tested as they would test it.

use crate::cargo::cargo;
use crate::paths;
use anyhow::{Context, Result, ensure};
use lab::process;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Its test that is there to fail, and what that one's machine says.
const FAILING: &str = "fails";
const LAST_WORDS: &str = "attempt to divide by zero";
/// Exit status of `cargo test` when a test has failed.
const TESTS_FAILED: i32 = 101;
/// As this workspace has it, so that crates that both use are compiled once.
const PROFILE: [&str; 4] =
    ["--config", "profile.dev.opt-level=1", "--config", "profile.dev.debug='line-tables-only'"];

/// `cargo test` in the project.
pub fn tests() -> Command {
    let mut command = command("test");
    command.args(PROFILE);
    if std::env::var_os("CARGO_TARGET_DIR").is_none() {
        command.env("CARGO_TARGET_DIR", paths::root().join("target"));
    }
    command
}

/// Whether it is formatted.
pub fn formatted() -> Result<()> {
    process::run(command("fmt").arg("--check"))
}

/// A test that fails must fail, say why, and leave its bundle.
pub fn failing() -> Result<()> {
    let build = paths::absolute(&paths::build())?;
    let bundles = build.join("sample-bundles");
    drop(fs::remove_dir_all(&bundles));
    let mut command = tests();
    command.args(["--test", "guest", "--", "--ignored", "--exact", FAILING]);
    command.env("UKVMM_BUNDLES", &bundles).env("UKVMM_BUILD", build);
    let said = String::from_utf8(process::status_is(&mut command, TESTS_FAILED)?)?;
    let bundle = bundles.join(FAILING);
    ensure!(said.contains(LAST_WORDS), "the failure does not say why:\n{said}");
    ensure!(
        said.contains(&bundle.display().to_string()),
        "the failure does not say where its bundle is:\n{said}"
    );
    let read = |name| fs::read(bundle.join(name)).with_context(|| format!("the bundle has no {name}"));
    ensure!(
        String::from_utf8(read("console.log")?)?.contains(LAST_WORDS),
        "console.log is not the machine's"
    );
    let manifest: serde_json::Value = serde_json::from_slice(&read("manifest.json")?)?;
    ensure!(manifest["exit"]["kind"] == "panic", "the manifest does not tell the end: {}", manifest["exit"]);
    let death = folder_in(&bundle)?.context("the bundle has nothing of the guest's death")?;
    ensure!(fs::read(death.join("core.elf"))?.starts_with(b"\x7fELF"), "the core is none");
    Ok(())
}

/// The folder in this one, if there is one.
fn folder_in(folder: &Path) -> Result<Option<PathBuf>> {
    let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    Ok(entries.into_iter().map(|entry| entry.path()).find(|path| path.is_dir()))
}

fn command(subcommand: &str) -> Command {
    let mut command = cargo(subcommand);
    command.current_dir(folder());
    command
}

fn folder() -> PathBuf {
    paths::root().join("tests/sample-project")
}
