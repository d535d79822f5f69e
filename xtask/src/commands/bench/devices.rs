//! `cargo xtask bench devices`
//!
//! - [`linux`]: disk and network of a stock Linux guest, in the lab
//! - [`part`]: the page's part

mod linux;
mod part;

pub use linux::qemu_files;

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
    let linux = linux::measure()?;
    let text = part::render(&linux)?;
    println!("{text}");
    document::write(Part::Devices, &text)?;
    Ok(ExitCode::SUCCESS)
}
