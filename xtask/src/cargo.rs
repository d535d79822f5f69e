//! Running cargo.

use crate::paths;
use anyhow::{Context, Result, bail};
use lab::process;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, IsTerminal};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Target of the kernel and the servers.
pub const GUEST_TARGET: &str = "x86_64-unknown-none";
/// Target of `ukvmm`: its programs are static, so they run on any Linux.
pub const HOST_TARGET: &str = "x86_64-unknown-linux-musl";

/// The package of the kernel.
pub const KERNEL: &str = "ukernel";
/// The feature of a server's package with which its program is built.
const SERVER_FEATURE: &str = "guest";

/// `cargo SUBCOMMAND` in the repository.
pub fn cargo(subcommand: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg(subcommand).current_dir(paths::root());
    if !std::io::stderr().is_terminal() {
        command.arg("--quiet");
    }
    command
}

/// A program of the guest beside the kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    pub package: String,
    pub program: String,
}

/// The workspace's servers: the packages with a program that requires the feature `guest`.
pub fn servers() -> Result<Vec<Server>> {
    let metadata = process::output(cargo("metadata").args(["--no-deps", "--format-version", "1"]))?;
    servers_in(&serde_json::from_slice(&metadata).context("cargo's metadata is no JSON")?)
}

fn servers_in(metadata: &Value) -> Result<Vec<Server>> {
    let mut servers = Vec::new();
    for package in metadata["packages"].as_array().context("cargo's metadata has no packages")? {
        for target in package["targets"].as_array().into_iter().flatten() {
            let (Some(package), Some(program)) = (package["name"].as_str(), target["name"].as_str()) else {
                continue;
            };
            if target["required-features"] == serde_json::json!([SERVER_FEATURE]) {
                servers.push(Server { package: package.to_owned(), program: program.to_owned() });
            }
        }
    }
    Ok(servers)
}

/// Limits a command to the kernel and the servers, and builds them for the guest.
///
/// The flags of the target are those of `.cargo/config.toml`; flags meant for the host's programs would replace
/// them.
pub fn for_guest<'a>(command: &'a mut Command, servers: &[Server]) -> &'a mut Command {
    command.args(["--package", KERNEL]);
    for server in servers {
        command.args([
            "--package",
            &server.package,
            "--features",
            &format!("{}/{SERVER_FEATURE}", server.package),
        ]);
    }
    command.args(["--target", GUEST_TARGET]).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS")
}

/// Makes a command build programs that need no shared library: they run on any Linux x86-64, the lab's too.
pub fn for_static_host(command: &mut Command) -> &mut Command {
    command.args(["--target", HOST_TARGET])
}

/// Runs a `cargo build` and returns the programs that it made (or found up to date), by name.
pub fn programs(command: &mut Command) -> Result<BTreeMap<String, PathBuf>> {
    command.args(["--message-format", "json-render-diagnostics"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().context("cannot start cargo")?;
    let stdout = child.stdout.take().expect("stdout is a pipe");
    let mut found = BTreeMap::new();
    for line in BufReader::new(stdout).lines() {
        let message: Value = serde_json::from_str(&line?).context("cargo's messages are no JSON")?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_found_by_their_feature() {
        let metadata = serde_json::json!({ "packages": [
            { "name": "root", "targets": [
                { "name": "root", "kind": ["lib"] },
                { "name": "root", "kind": ["bin"], "required-features": ["guest"] },
            ] },
            { "name": "ukvmm", "targets": [{ "name": "ukvmm", "kind": ["bin"] }] },
        ] });
        let root = Server { package: "root".to_owned(), program: "root".to_owned() };
        assert_eq!(servers_in(&metadata).unwrap(), [root]);
    }

    #[test]
    fn this_workspace_has_servers() {
        let servers = servers().unwrap();
        assert!(servers.iter().any(|server| server.program == "sigma0"), "{servers:?}");
    }
}
