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
    #[command(flatten)]
    build: build::BuildArgs,
}

pub fn devices(args: &Args) -> Result<ExitCode> {
    args.build.make()?;
    let starts = start::measure()?;
    let linux = linux::measure()?;
    let text = part::render(starts.as_ref(), &linux)?;
    println!("{text}");
    document::write(Part::Devices, &text)?;
    Ok(ExitCode::SUCCESS)
}
