//! `cargo xtask lint`

use crate::cargo::{KERNEL, cargo, for_guest, servers};
use crate::setup;
use anyhow::Result;
use lab::process;
use std::process::{Command, ExitCode};

pub fn lint() -> Result<ExitCode> {
    setup::for_build()?;
    setup::for_lint()?;
    host()?;
    guest()?;
    Ok(ExitCode::SUCCESS)
}

/// Everything that builds for the host, tests included. The guest's programs do not: without the feature `guest`
/// they are not built, and the kernel is left out.
pub fn host() -> Result<()> {
    let mut command = cargo("clippy");
    command.args(["--workspace", "--exclude", KERNEL, "--all-targets"]);
    process::run(deny_warnings(&mut command))
}

/// The kernel and the servers, for the guest.
pub fn guest() -> Result<()> {
    process::run(deny_warnings(for_guest(&mut cargo("clippy"), &servers()?)))
}

fn deny_warnings(command: &mut Command) -> &mut Command {
    command.args(["--", "-D", "warnings"])
}
