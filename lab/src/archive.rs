//! cpio archives (newc), as Linux and the Linux server unpack them into their root file system.
//!
//! The same content gives the same bytes: entries are sorted, times are zero, everything is root's.

use anyhow::{Result, bail};
use cpio::newc::{self, ModeFileType};
use std::collections::BTreeMap;
use std::io::Write;

/// A file system in the making. Paths are absolute.
#[derive(Default)]
pub struct Archive {
    entries: BTreeMap<String, Entry>,
}

struct Entry {
    mode: u32,
    content: Content,
}

#[derive(PartialEq, Eq)]
enum Content {
    Directory,
    File(Vec<u8>),
    Symlink(String),
}

/// Mode of directories that nothing was said about.
const DIRECTORY_MODE: u32 = 0o755;

impl Archive {
    /// Adds a directory, or sets the mode of one that is there.
    pub fn directory(&mut self, path: &str, mode: u32) -> Result<()> {
        let path = relative(path)?;
        if self.entries.get(path).is_some_and(|entry| entry.content == Content::Directory) {
            self.entries.remove(path);
        }
        self.insert(path, mode, Content::Directory)
    }

    pub fn file(&mut self, path: &str, mode: u32, bytes: Vec<u8>) -> Result<()> {
        self.insert(relative(path)?, mode, Content::File(bytes))
    }

    pub fn symlink(&mut self, path: &str, target: &str) -> Result<()> {
        self.insert(relative(path)?, 0o777, Content::Symlink(target.to_owned()))
    }

    pub fn contains(&self, path: &str) -> bool {
        relative(path).is_ok_and(|path| self.entries.contains_key(path))
    }

    /// Adds an entry and the directories that lead to it.
    fn insert(&mut self, path: &str, mode: u32, content: Content) -> Result<()> {
        for (at, _) in path.match_indices('/') {
            let parent = self
                .entries
                .entry(path[..at].to_owned())
                .or_insert(Entry { mode: DIRECTORY_MODE, content: Content::Directory });
            if parent.content != Content::Directory {
                bail!("/{path}: /{} is not a directory", &path[..at]);
            }
        }
        if self.entries.contains_key(path) {
            bail!("/{path} is given twice");
        }
        self.entries.insert(path.to_owned(), Entry { mode, content });
        Ok(())
    }

    /// The archive's bytes. Directories come before what is in them, as an unpacker needs.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        for (ino, (path, entry)) in (1..).zip(&self.entries) {
            let (kind, nlink, bytes): (_, _, &[u8]) = match &entry.content {
                Content::Directory => (ModeFileType::Directory, 2, &[]),
                Content::File(bytes) => (ModeFileType::Regular, 1, bytes),
                Content::Symlink(target) => (ModeFileType::Symlink, 1, target.as_bytes()),
            };
            let header =
                newc::Builder::new(path).ino(ino).nlink(nlink).mode(entry.mode).set_mode_file_type(kind);
            let mut writer = header.write(&mut out, u32::try_from(bytes.len())?);
            writer.write_all(bytes)?;
            writer.finish()?;
        }
        newc::trailer(&mut out)?;
        Ok(out)
    }
}

/// A path as it stands in the archive.
fn relative(path: &str) -> Result<&str> {
    match path.strip_prefix('/') {
        Some(rest) if rest.split('/').all(|name| !matches!(name, "" | "." | "..")) => Ok(rest),
        _ => bail!("{path:?} is not an absolute path without '.', '..' and empty names"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Archive {
        let mut archive = Archive::default();
        archive.file("/z/y", 0o644, b"content".to_vec()).unwrap();
        archive.symlink("/a", "z/y").unwrap();
        archive.directory("/z", 0o1777).unwrap();
        archive
    }

    #[test]
    fn what_goes_in_comes_out_sorted() {
        let bytes = sample().to_bytes().unwrap();
        let mut found = Vec::new();
        let mut rest = &bytes[..];
        loop {
            let reader = newc::Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let (name, mode, mtime) =
                (reader.entry().name().to_owned(), reader.entry().mode(), reader.entry().mtime());
            let mut content = Vec::new();
            rest = reader.to_writer(&mut content).unwrap();
            found.push((name, mode, mtime, String::from_utf8(content).unwrap()));
        }
        let expected = [
            ("a", 0o120777, 0, "z/y"), //
            ("z", 0o041777, 0, ""),
            ("z/y", 0o100644, 0, "content"),
        ];
        let found: Vec<_> = found.iter().map(|(n, m, t, c)| (n.as_str(), *m, *t, c.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        assert_eq!(sample().to_bytes().unwrap(), sample().to_bytes().unwrap());
    }

    #[test]
    fn contradictions_are_refused() {
        let mut archive = sample();
        assert!(archive.file("/a", 0o644, vec![]).is_err(), "given twice");
        assert!(archive.file("/a/b", 0o644, vec![]).is_err(), "below a symbolic link");
        assert!(archive.directory("/a", 0o755).is_err(), "not a directory");
        for path in ["", "/", "x", "/x/../y", "/x//y", "/x/"] {
            assert!(archive.file(path, 0o644, vec![]).is_err(), "{path}");
        }
    }
}
