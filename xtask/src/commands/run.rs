//! `cargo xtask run [OPTIONS OF ukvmm] [-- CMD…]`

use super::build;
use crate::paths;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    build: build::BuildArgs,
    /// Options for ukvmm (see `build/ukvmm --help`); a program to run comes behind `--`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub ukvmm: Vec<OsString>,
}

/// `rest`: `--` and the program, or nothing for a shell. Returns only if something goes wrong: `ukvmm` takes this
/// process's place, so that the terminal, signals and the exit status are its own.
pub fn run(args: &Args, rest: Option<&[OsString]>) -> Result<ExitCode> {
    args.build.make()?;
    let ukvmm = paths::build().join("ukvmm");
    let mut command = Command::new(&ukvmm);
    command.arg("--kernel").arg(paths::build().join("guest.elf")).args(["--servers", "linux"]);
    command.args(&args.ukvmm).args(rest.unwrap_or_default());
    Err(command.exec()).with_context(|| format!("cannot start {}", ukvmm.display()))
}
