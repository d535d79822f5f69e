//! `cargo xtask bench boot`

use super::document::{self, Part};
use super::{host, page, ticks};
use crate::commands::{build, loc};
use crate::{elf, paths, process, rootfs};
use anyhow::Result;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Source of the program that prints its first reading of the time stamp counter.
const FIRST: &str = include_str!("first.S");

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
    let folder = paths::build().join("bench");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("first.S"), FIRST)?;
    let mut gcc = Command::new("gcc");
    gcc.args(["-nostdlib", "-static", "-o", "first", "first.S"]).current_dir(&folder);
    process::run(&mut gcc)?;
    let mut archive = rootfs::archive(&paths::root().join("images/rootfs/linux.toml"))?;
    archive.file("/bench/first", 0o755, fs::read(folder.join("first"))?)?;
    archive.file("/bench/script.sh", 0o755, fs::read(host::script())?)?;
    let path = paths::absolute(&folder.join("initrd.cpio"))?;
    fs::write(&path, archive.to_bytes()?)?;
    Ok(path)
}
