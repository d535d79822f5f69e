//! A file that is written at the end of a run, and prepared at its start: so it is known before the guest runs whether it can be written, and a reader never sees half of it.
//!
//! Until it is complete it has another name in the same folder; then it replaces what had its name, if that was a file. What is something else, a device or a pipe, is left alone.

use rustix::fs::{Access, access};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use vmm_abi::exit;

#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error("{option} -: standard output is the guest's; name a file")]
    StandardOutput { option: &'static str },
    #[error("{option} {}: there is no folder {}", .path.display(), .folder.display())]
    NoFolder { option: &'static str, path: PathBuf, folder: PathBuf },
    #[error("{option} {}: there is something of this name that is no file", .0.display(), option = .1)]
    NoFile(PathBuf, &'static str),
    #[error("{option} {}: cannot be written: {source}", .path.display())]
    Write { option: &'static str, path: PathBuf, source: io::Error },
}

impl PrepareError {
    /// The exit status that it ends `ukvmm` with.
    pub fn status(&self) -> u8 {
        match self {
            Self::NoFolder { .. } => exit::NOT_FOUND,
            _ => exit::VMM,
        }
    }
}

/// A file that will be.
#[derive(Debug)]
pub struct Prepared {
    option: &'static str,
    path: PathBuf,
    temporary: PathBuf,
    file: File,
    complete: bool,
}

impl Prepared {
    /// Prepares the file at `path`, which was given to `option` and has been [looked at](look).
    pub fn new(option: &'static str, path: PathBuf) -> Result<Self, PrepareError> {
        let folder = folder_of(&path);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = folder.join(format!(".{name}.{}", std::process::id()));
        let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&temporary);
        match open {
            Ok(file) => Ok(Self { option, path, temporary, file, complete: false }),
            Err(source) => Err(PrepareError::Write { option, path, source }),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is made.
    pub fn folder(&self) -> &Path {
        folder_of(&self.path)
    }

    /// Writes it. If that fails, it is said, and whatever had its name stays.
    pub fn write(mut self, content: &[u8]) -> bool {
        let written = self.file.write_all(content).and_then(|()| fs::rename(&self.temporary, &self.path));
        self.complete = written.is_ok();
        if let Err(error) = written {
            tracing::error!("{} {}: it cannot be written: {error}", self.option, self.path.display());
        }
        self.complete
    }
}

/// Sees whether a file could be written at `path`, without making any. Returns where that would be: a link stays, and what it leads to is written.
pub fn look(option: &'static str, path: &Path) -> Result<PathBuf, PrepareError> {
    if path.as_os_str() == "-" {
        return Err(PrepareError::StandardOutput { option });
    }
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return Err(PrepareError::NoFile(path, option));
    }
    let folder = folder_of(&path);
    if !folder.is_dir() {
        let folder = folder.to_path_buf();
        return Err(PrepareError::NoFolder { option, path, folder });
    }
    match access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Ok(path),
        Err(error) => Err(PrepareError::Write { option, path, source: error.into() }),
    }
}

/// The folder that `path` is in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if !self.complete {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn nobody_sees_half_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.json");
        fs::write(&path, "of another run").unwrap();
        let prepared = Prepared::new("--manifest", path.clone()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"of another run");
        assert!(prepared.write(b"this one's"));
        assert_eq!(fs::read(&path).unwrap(), b"this one's");
        assert_eq!(names(dir.path()), ["m.json"]);
        drop(Prepared::new("--manifest", path).unwrap());
        assert_eq!(names(dir.path()), ["m.json"], "nothing stays of one that is not written");
    }

    #[test]
    fn what_cannot_be_written_is_said_before() {
        let dir = tempfile::tempdir().unwrap();
        let error = |path: PathBuf| look("--junit", &path).unwrap_err();
        assert_eq!(error(dir.path().join("no/x")).status(), 127);
        assert!(error("/dev/null".into()).to_string().contains("no file"));
        assert!(error(dir.path().into()).to_string().contains("no file"));
        assert!(error("-".into()).to_string().contains("standard output is the guest's"));
        assert_eq!(look("--junit", &dir.path().join("x")).unwrap(), dir.path().join("x"));
        assert_eq!(names(dir.path()), [""; 0], "nothing is made by looking");
    }

    #[test]
    fn a_link_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let (link, real) = (dir.path().join("link"), dir.path().join("real"));
        fs::write(&real, "").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        Prepared::new("--junit", look("--junit", &link).unwrap()).unwrap().write(b"x").then_some(()).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(real).unwrap(), b"x");
    }
}
