//! `cargo xtask fmt`

use crate::{cargo::cargo, setup};
use anyhow::Result;
use lab::process;
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Args {
    /// Only say what is not formatted
    #[arg(long)]
    pub check: bool,
}

pub fn fmt(check: bool) -> Result<ExitCode> {
    setup::for_lint()?;
    let mut command = cargo("fmt");
    command.arg("--all");
    if check {
        command.arg("--check");
    }
    process::run(&mut command)?;
    Ok(ExitCode::SUCCESS)
}
