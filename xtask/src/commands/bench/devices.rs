//! `cargo xtask bench devices`
//!
//! - [`start`]: starting a machine, on this machine's KVM
//! - [`linux`]: disk and network of a stock Linux guest, in the lab
//! - [`part`]: the page's part

mod linux;
mod part;
mod start;

use super::document::{self, Part};
use crate::commands::build;
use anyhow::Result;
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Args {
    /// Use what is in build/ as it is
    #[arg(long, env = "UKVMM_NO_BUILD", value_parser = clap::builder::FalseyValueParser::new())]
    no_build: bool,
}

pub fn devices(args: &Args) -> Result<ExitCode> {
    if !args.no_build {
        build::build()?;
    }
    let starts = start::measure()?;
    let linux = linux::measure()?;
    let text = part::render(starts.as_ref(), &linux)?;
    println!("{text}");
    document::write(Part::Devices, &text)?;
    Ok(ExitCode::SUCCESS)
}
