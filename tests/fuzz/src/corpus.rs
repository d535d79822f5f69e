//! The inputs in the repository: `corpus/TARGET/NAME`.
//!
//! Those that a target makes itself ([`Target::seeds`]) are written by `cargo run -p fuzz -- corpus`. Those that a fuzzer has found to break
//! something are called `found-…` and stay.

use crate::targets::Target;
use std::path::PathBuf;
use std::{fs, io};

/// The folder of `target`.
pub fn folder(target: &Target) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// All inputs of `target` in the repository, by name, in the order of their names.
pub fn read(target: &Target) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder(target))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        all.push((name, fs::read(&path)?));
    }
    all.sort();
    Ok(all)
}

/// Writes the seeds of `target`, and removes what were its seeds once.
pub fn write(target: &Target) -> io::Result<()> {
    let folder = folder(target);
    fs::create_dir_all(&folder)?;
    for (name, _) in read(target)?.iter().filter(|(name, _)| !name.starts_with("found-")) {
        fs::remove_file(folder.join(name))?;
    }
    for (name, bytes) in (target.seeds)() {
        fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}
