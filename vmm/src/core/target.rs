//! The file that a core is written to: `--core FILE`.
//!
//! It must not exist: a core that somebody has not looked at yet is not written over, and whatever else has that name is not ours. This is
//! checked when `ukvmm` starts, when something can still be done about it, and holds when the core is written: the file is made then, never opened, so
//! it cannot be a link to another one. Guests have secrets, so nobody but the owner may read it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use vmm_abi::exit;
use vmm_sys_util::signal::block_signal;

#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("--core {}: there is a file of this name already; remove it, or name another", .0.display())]
    Exists(PathBuf),
    #[error("--core {}: there is no folder {}", .path.display(), .folder.display())]
    NoFolder { path: PathBuf, folder: PathBuf },
}

impl TargetError {
    /// The exit status that it ends `ukvmm` with.
    pub fn status(&self) -> u8 {
        match self {
            Self::Exists(_) => exit::VMM,
            Self::NoFolder { .. } => exit::NOT_FOUND,
        }
    }
}

/// Where a core is to be written, if there will be one.
#[derive(Clone, Debug)]
pub struct Target(PathBuf);

impl Target {
    pub fn new(path: PathBuf) -> Result<Self, TargetError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if path.symlink_metadata().is_ok() {
            return Err(TargetError::Exists(path));
        }
        if !folder.is_dir() {
            let folder = folder.to_path_buf();
            return Err(TargetError::NoFolder { path, folder });
        }
        Ok(Self(path))
    }

    /// In a folder that is new.
    pub fn new_in(path: PathBuf) -> Self {
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the file and has `write` fill it. If that fails, there is no file.
    pub fn create<T>(&self, write: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
        // A file larger than the user's limit (setrlimit(2), RLIMIT_FSIZE) is to be an error, and no death of ours. If it cannot be had, so be it.
        let _ = block_signal(libc::SIGXFSZ);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.0)?;
        write(&file).inspect_err(|_| {
            let _ = std::fs::remove_file(&self.0);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn what_is_there_already_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("core");
        let target = Target::new(path.clone()).unwrap();
        symlink(dir.path().join("elsewhere"), &path).unwrap();
        assert!(matches!(Target::new(path.clone()), Err(TargetError::Exists(_))));
        assert_eq!(target.create(|_| Ok(())).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(!dir.path().join("elsewhere").exists() && path.is_symlink());
        let error = Target::new(dir.path().join("no/core")).unwrap_err();
        assert_eq!(error.status(), 127);
        assert!(Target::new("core-of-nothing".into()).is_ok(), "in the current folder");
    }

    #[test]
    fn a_core_is_its_owner_s_alone_and_gone_if_it_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::new(dir.path().join("core")).unwrap();
        target.create(|_| Err::<(), _>(io::ErrorKind::StorageFull.into())).unwrap_err();
        assert!(!target.path().exists());
        target.create(|_| Ok(())).unwrap();
        assert_eq!(target.path().metadata().unwrap().mode() & 0o777, 0o600);
    }
}
