//! Parts of the Rust toolchain.

use anyhow::{Context, Result};
use lab::process;
use std::path::Path;
use std::process::Command;

const NIGHTLY: &str = "nightly";

/// Installs the standard library for `target`.
pub fn target(target: &str) -> Result<()> {
    let sysroot = process::text(Command::new("rustc").args(["--print", "sysroot"]))?;
    if Path::new(sysroot.trim()).join("lib/rustlib").join(target).join("lib").is_dir() {
        return Ok(());
    }
    rustup(&["target", "add", target])
}

/// Installs a component that is called as `cargo NAME` (`cargo fmt` for rustfmt).
pub fn component(component: &str) -> Result<()> {
    let subcommand = if component == "rustfmt" { "fmt" } else { component };
    if process::succeeds(Command::new("cargo").args([subcommand, "--version"])) {
        return Ok(());
    }
    rustup(&["component", "add", component])
}

/// Installs nightly Rust with Miri, beside the Rust that is used.
pub fn miri() -> Result<()> {
    if process::succeeds(nightly_cargo().args(["miri", "--version"])) {
        return Ok(());
    }
    rustup(&["toolchain", "install", NIGHTLY, "--profile", "minimal", "--component", "miri,rust-src"])
}

/// `cargo` of nightly Rust, whatever toolchain runs this.
pub fn nightly_cargo() -> Command {
    let mut command = Command::new("rustup");
    command
        .args(["run", NIGHTLY, "cargo"])
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .env_remove("RUSTUP_TOOLCHAIN");
    command
}

fn rustup(args: &[&str]) -> Result<()> {
    let mut command = Command::new("rustup");
    command.args(args);
    let line = process::show(&command);
    eprintln!("==> installing: {line}");
    process::run(&mut command).with_context(|| format!("this is needed; by hand: {line}"))
}
