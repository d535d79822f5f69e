//! `cargo xtask bench`

use anyhow::{Result, bail};
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Args {}

pub fn bench(_: &Args) -> Result<ExitCode> {
    bail!("not yet")
}
