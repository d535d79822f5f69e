//! `cargo xtask bench debugger`: what a debugger costs the guest, and what its commands take; and what the monitor says, for docs/debugging.md.
//!
//! - [`figures`]: the same measurements in the lab and on this machine's KVM
//! - [`part`]: the part of docs/performance.md
//! - [`monitor`]: the part of docs/debugging.md
//! - `load.c`: the guest's program; `debugger.c`: its debugger

mod figures;
mod monitor;
mod part;

use super::document::{self, Part};
use super::image;
use crate::commands::build;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    build: build::BuildArgs,
}

pub fn debugger(args: &Args) -> Result<ExitCode> {
    args.build.make()?;
    let folder = image::folder("bench")?;
    let programs = figures::Programs::compile(&folder)?;
    let initrd = initrd(&folder, &programs)?;
    let text =
        part::render(&figures::in_lab(&programs, &initrd)?, figures::here(&programs, &initrd)?.as_ref())?;
    println!("{text}");
    document::write(Part::Debugger, &text)?;
    if let Some(text) = monitor::transcripts(&folder, &initrd)? {
        println!("{text}");
        monitor::write(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The root file system with the guest's program.
fn initrd(folder: &Path, programs: &figures::Programs) -> Result<PathBuf> {
    image::write(&image::with(&[("/bench/load", &programs.load)])?, folder.join("debugger.cpio"))
}
