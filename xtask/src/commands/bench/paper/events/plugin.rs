//! The plugin of QEMU's, which gcc makes of `xtask/plugin`.

use crate::commands::bench::image;
use crate::paths;
use anyhow::{Context, Result};
use lab::process;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Plugin(PathBuf);

impl Plugin {
    pub fn compile() -> Result<Self> {
        let folder = paths::root().join("xtask/plugin");
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        let mut sources = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        sources.retain(|path| path.extension().is_some_and(|e| e == "c"));
        sources.sort();
        let library = image::folder("paper")?.join("events.so");
        let mut gcc = Command::new("gcc");
        gcc.args([
            "-std=gnu17",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-shared",
            "-fPIC",
            "-fvisibility=hidden",
        ]);
        process::run(gcc.arg("-o").arg(&library).args(sources))?;
        Ok(Self(library))
    }

    /// QEMU's option: what rounds are made of goes into this file.
    pub fn counting_into(&self, counts: &Path) -> OsString {
        format!("{},counts={}", option(&self.0), option(counts)).into()
    }

    /// The same, and where their instructions and data are goes into `trace`, up to so many bytes.
    pub fn tracing_into(&self, counts: &Path, trace: &Path, limit: u64) -> OsString {
        let mut options = self.counting_into(counts);
        options.push(format!(",trace={},limit={limit}", option(trace)));
        options
    }
}

/// A path as a part of QEMU's options.
fn option(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}
