//! The symbols of servers, for the lab: their files without what only a debugger reads, which is most of them.

use crate::process;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Types, lines and variables.
const LEFT_OUT: [&str; 7] = [
    ".debug_abbrev",
    ".debug_aranges",
    ".debug_info",
    ".debug_line",
    ".debug_loc",
    ".debug_ranges",
    ".debug_str",
];

/// The files with symbols that are beside these, by their paths, and what of them goes to the lab. They are made in `folder`.
pub fn of(files: &[PathBuf], folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut all = Vec::new();
    for file in files {
        let mut with_symbols = file.clone().into_os_string();
        with_symbols.push(".debug");
        let with_symbols = PathBuf::from(with_symbols);
        if with_symbols.is_file() {
            let bytes = without_types(&with_symbols, &folder.join("symbols"))?;
            all.push((with_symbols, bytes));
        }
    }
    Ok(all)
}

fn without_types(file: &Path, fresh: &Path) -> Result<Vec<u8>> {
    let sections = LEFT_OUT.into_iter().flat_map(|section| ["--remove-section", section]);
    process::run(Command::new("objcopy").args(sections).arg(file).arg(fresh))?;
    let bytes = fs::read(fresh).with_context(|| format!("cannot read {}", fresh.display()))?;
    fs::remove_file(fresh)?;
    Ok(bytes)
}
