//! The folder of a death: `FOLDER/TIME-PID-KIND/`, with all that helps to find out why.
//!
//! What cannot be written is said, and the rest is written all the same: a disk that is full after the console log has room for a smaller file. Nothing that is there is written over.

use super::options::CrashOptions;
use crate::ending::Kind;
use crate::manifest::date::Date;
use crate::options::SubOptionError;
use rustix::fs::{Access, access};
use rustix::io::Errno;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use vmm_sys_util::signal::block_signal;

/// Folders of the same second, process and kind. There is one.
const TRIES: u32 = 9;

#[derive(Debug, thiserror::Error)]
pub enum CrashError {
    #[error(transparent)]
    Options(#[from] SubOptionError),
    #[error("--crash-dir {}: this folder cannot be made: {source}", .path.display())]
    Make { path: PathBuf, source: io::Error },
    #[error("--crash-dir {}: nothing can be written to this folder: {source}", .path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Where folders are made.
#[derive(Debug)]
pub struct CrashDir {
    pub options: CrashOptions,
}

impl CrashDir {
    /// Makes the folder, if it is not there, and sees that something can be made in it.
    pub fn new(options: CrashOptions) -> Result<Self, CrashError> {
        let path = &options.folder;
        fs::create_dir_all(path).map_err(|source| CrashError::Make { path: path.clone(), source })?;
        let folder = path.canonicalize().map_err(|source| CrashError::Make { path: path.clone(), source })?;
        let trial = folder.join(format!(".ukvmm-{}", std::process::id()));
        let tried = fs::create_dir(&trial).and_then(|()| fs::remove_dir(&trial));
        tried.map_err(|source| CrashError::Write { path: folder.clone(), source })?;
        Ok(Self { options: CrashOptions { folder, ..options } })
    }

    /// Sees whether [`Self::new`] could do that, as far as it can be seen without making anything.
    pub fn look(options: &CrashOptions) -> Result<(), CrashError> {
        let path = &options.folder;
        // The folder or, if it is not there, the innermost one in which it would be made.
        let there = path.ancestors().find(|folder| folder.symlink_metadata().is_ok());
        let there = there.unwrap_or(Path::new("."));
        let make = |errno: Errno| CrashError::Make { path: path.clone(), source: errno.into() };
        if !there.is_dir() {
            return Err(make(if there == path { Errno::EXIST } else { Errno::NOTDIR }));
        }
        access(there, Access::WRITE_OK | Access::EXEC_OK).map_err(|errno| match there == path {
            true => CrashError::Write { path: path.clone(), source: errno.into() },
            false => make(errno),
        })
    }

    /// A new folder, which only its owner may look into: guests have secrets.
    pub fn make(&self, date: Date, kind: Kind) -> io::Result<Folder> {
        let name = format!("{}-{}-{}", date.compact(), std::process::id(), kind.name());
        let path = self.options.folder.join(name);
        let others = (2..=TRIES).map(|n| PathBuf::from(format!("{}-{n}", path.display())));
        let mut result = Err(io::ErrorKind::AlreadyExists.into());
        for path in [path.clone()].into_iter().chain(others) {
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Folder { path, files: Vec::new() }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        result
    }
}

/// A folder with the evidence of one death.
#[derive(Debug)]
pub struct Folder {
    pub path: PathBuf,
    /// What has been written, in this order.
    pub files: Vec<PathBuf>,
}

impl Folder {
    /// Where the file `name` is to be.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file. If that fails, it is said, and there is as much of it as there was room for.
    pub fn put(&mut self, name: &str, content: &[u8]) {
        // A file larger than the user's limit (setrlimit(2), RLIMIT_FSIZE) is to be an error, and no death of ours. If it cannot be had, so be it.
        let _ = block_signal(libc::SIGXFSZ);
        let path = self.file(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(content));
        match written {
            Ok(()) => self.files.push(path),
            Err(error) => complain(&path, &error),
        }
    }
}

/// Says that a file could not be written.
pub fn complain(path: &Path, error: &io::Error) {
    tracing::error!("--crash-dir: {} is not complete: {error}", path.display());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use std::time::SystemTime;

    fn crash_dir(folder: PathBuf) -> Result<CrashDir, CrashError> {
        CrashDir::new(CrashOptions { folder, core: true, console: 1 })
    }

    #[test]
    fn a_folder_is_its_owner_s_alone_and_new() {
        let dir = tempfile::tempdir().unwrap();
        let crashes = crash_dir(dir.path().join("a/b")).unwrap();
        assert_eq!(fs::read_dir(dir.path().join("a/b")).unwrap().count(), 0, "nothing but itself is made");
        let date = Date::of(SystemTime::UNIX_EPOCH);
        let mut first = crashes.make(date, Kind::Panic).unwrap();
        let name = format!("19700101-000000-{}-panic", std::process::id());
        assert_eq!(first.path.file_name().unwrap().to_str(), Some(name.as_str()));
        assert_eq!(first.path.metadata().unwrap().mode() & 0o777, 0o700);
        assert_ne!(crashes.make(date, Kind::Panic).unwrap().path, first.path);
        first.put("x", b"content");
        first.put("x", b"other content");
        assert_eq!(fs::read(first.file("x")).unwrap(), b"content");
        assert_eq!(first.files, [first.file("x")], "what could not be written does not count");
    }

    #[test]
    fn a_folder_that_cannot_be_had_is_an_error_before_the_guest_runs() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let error = crash_dir(dir.path().join("file")).unwrap_err().to_string();
        assert!(error.contains("cannot be made"), "{error}");
        assert!(crash_dir("/proc".into()).unwrap_err().to_string().contains("nothing can be written"));
    }
    #[test]
    fn looking_says_the_same_and_makes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let options = |folder: PathBuf| CrashOptions { folder, core: true, console: 1 };
        CrashDir::look(&options(dir.path().join("a/b"))).unwrap();
        CrashDir::look(&options("not/there".into())).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        fs::write(dir.path().join("file"), "").unwrap();
        for name in ["file", "file/below", "file/far/below"] {
            let path = dir.path().join(name);
            let said = CrashDir::look(&options(path.clone())).unwrap_err().to_string();
            assert_eq!(said, crash_dir(path).unwrap_err().to_string());
        }
    }
}
