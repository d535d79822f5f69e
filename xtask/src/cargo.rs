//! Running cargo.

use crate::paths;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, IsTerminal};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Target of the kernel and the servers.
pub const GUEST_TARGET: &str = "x86_64-unknown-none";
/// Target of `ukvmm`. Named even though it is the host's own, so that build scripts and procedural macros are not
/// built with its flags (a static libc would keep the macros from loading).
pub const HOST_TARGET: &str = "x86_64-unknown-linux-gnu";

/// The programs of the guest's servers, which are packages of the same names.
pub const SERVERS: [&str; 4] = ["sigma0", "root", "console", "linux"];

/// `cargo SUBCOMMAND` in the repository.
pub fn cargo(subcommand: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg(subcommand).current_dir(paths::root());
    if !std::io::stderr().is_terminal() {
        command.arg("--quiet");
    }
    command
}

/// Limits a command to the guest's packages and builds them for the guest.
///
/// The flags of the target are those of `.cargo/config.toml`; flags meant for the host's programs would replace
/// them.
pub fn for_guest(command: &mut Command) -> &mut Command {
    command.args(["--package", "ukernel"]);
    for server in SERVERS {
        command.args(["--package", server, "--features", &format!("{server}/guest")]);
    }
    command.args(["--target", GUEST_TARGET]).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS")
}

/// Makes a command build programs that need no shared library: they run on any Linux x86-64, the lab's too.
pub fn for_static_host(command: &mut Command) -> &mut Command {
    let mut flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    flags.push_str(" -C target-feature=+crt-static");
    command
        .args(["--target", HOST_TARGET])
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", flags.trim())
}

/// Runs a `cargo build` and returns the programs that it made (or found up to date), by name.
pub fn programs(command: &mut Command) -> Result<BTreeMap<String, PathBuf>> {
    command.args(["--message-format", "json-render-diagnostics"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().context("cannot start cargo")?;
    let stdout = child.stdout.take().expect("stdout is a pipe");
    let mut found = BTreeMap::new();
    for line in BufReader::new(stdout).lines() {
        let message: serde_json::Value =
            serde_json::from_str(&line?).context("cargo's messages are no JSON")?;
        if let (Some(path), Some(name)) = (message["executable"].as_str(), message["target"]["name"].as_str())
        {
            found.insert(name.to_owned(), path.into());
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("cargo build failed ({status})");
    }
    Ok(found)
}
