//! Checksums of what was measured, so that two files of results tell whether they are of the same build.

use super::image::read;
use anyhow::Result;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// SHA-256 in hexadecimal, by names of files.
pub type Checksums = BTreeMap<String, String>;

/// Those of files, by these names.
pub fn of(files: &[(String, PathBuf)]) -> Result<Checksums> {
    files.iter().map(|(name, path)| Ok((name.clone(), sha256(path)?))).collect()
}

fn sha256(path: &Path) -> Result<String> {
    let mut hex = String::new();
    for byte in Sha256::digest(read(path)?) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}

/// Says of two builds whether they are the same, or what of them is not.
pub fn compare(old: &Checksums, new: &Checksums) -> String {
    if old.is_empty() || new.is_empty() {
        return "build: not known of both".to_owned();
    }
    let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let other: Vec<_> =
        names.into_iter().filter(|name| old.get(*name) != new.get(*name)).map(String::as_str).collect();
    if other.is_empty() {
        "build: the same".to_owned()
    } else {
        format!("build: not the same: {}", other.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(pairs: &[(&str, &str)]) -> Checksums {
        pairs.iter().map(|(name, sum)| ((*name).to_owned(), (*sum).to_owned())).collect()
    }

    #[test]
    fn a_file_has_its_checksum() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, "abc").unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of(&[("x".to_owned(), path)]).unwrap(), sums(&[("x", expected)]));
        assert!(of(&[("x".to_owned(), folder.path().join("none"))]).is_err());
    }

    #[test]
    fn builds_are_told_apart() {
        let old = sums(&[("guest.elf", "1"), ("servers/linux", "2")]);
        assert_eq!(compare(&old, &old), "build: the same");
        let new = sums(&[("guest.elf", "1"), ("servers/linux", "3"), ("servers/more", "4")]);
        assert_eq!(compare(&old, &new), "build: not the same: servers/linux, servers/more");
        assert_eq!(compare(&old, &Checksums::new()), "build: not known of both");
    }
}
