//! `cargo xtask bench boot`

use super::document::{self, Part};
use super::{host, image, page, ticks};
use crate::commands::{build, loc};
use crate::{elf, paths};
use anyhow::Result;
use lab::process;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Everything that the page shows.
pub struct Figures {
    pub ticks: ticks::Ticks,
    /// `None` where there is no KVM.
    pub host: Option<host::Figures>,
    /// Bytes of the kernel's executable segments.
    pub kernel_text: u64,
    pub lines: Vec<(&'static str, loc::Lines)>,
}

pub fn boot() -> Result<ExitCode> {
    build::build()?;
    let initrd = initrd()?;
    let figures = Figures {
        ticks: process::step("the lab: ticks from the first KVM_RUN on", || ticks::measure(&initrd))?,
        host: host::measure(&initrd)?,
        kernel_text: elf::text_size(&fs::read(paths::build().join("guest.elf"))?)?,
        lines: loc::count()?,
    };
    let text = page::render(&figures);
    println!("{text}");
    document::write(Part::Boot, &text)?;
    Ok(ExitCode::SUCCESS)
}

/// The root file system with the bench's own programs in `/bench`.
fn initrd() -> Result<PathBuf> {
    let folder = image::folder("bench")?;
    let first = first(&folder)?;
    let archive = image::with(&[("/bench/first", &first), ("/bench/script.sh", &host::script())])?;
    image::write(&archive, folder.join("initrd.cpio"))
}

/// Compiles the program that prints its first reading of the time stamp counter.
pub fn first(folder: &Path) -> Result<PathBuf> {
    image::compile(folder.join("first"), &[image::source("first.S")], &["-nostdlib"])
}
