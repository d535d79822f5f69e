//! `cargo xtask rootfs RECIPE OUT`

use crate::{rootfs, setup};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Args {
    /// The recipe, as those in images/rootfs
    recipe: PathBuf,
    /// The archive to write
    out: PathBuf,
}

pub fn rootfs(args: &Args) -> Result<ExitCode> {
    setup::for_build()?;
    let archive = rootfs::archive(&args.recipe)?.to_bytes()?;
    std::fs::write(&args.out, archive).with_context(|| format!("cannot write {}", args.out.display()))?;
    Ok(ExitCode::SUCCESS)
}
