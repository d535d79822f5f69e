//! Files that a run writes.

use crate::cli::Run;
use rustix::fs::{Access, access};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// What becomes of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Files {
    /// They are made, and what is there is written over.
    Made,
    /// It is looked whether they could be, and nothing is changed.
    Looked,
}

impl Files {
    pub fn of(run: &Run) -> Self {
        if run.dry_run.is_some() { Self::Looked } else { Self::Made }
    }

    /// A file to be written at `path`, or what takes everything in its place. Does not wait for somebody to read it.
    pub fn create(self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
        match self {
            Self::Made => options.create(true).truncate(true).open(path),
            Self::Looked if path.symlink_metadata().is_ok() => options.open(path),
            Self::Looked => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                access(folder.unwrap_or(Path::new(".")), Access::WRITE_OK)?;
                options.open("/dev/null")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_looked_at_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        Files::Looked.create(&path).unwrap();
        assert!(!path.exists());
        fs::write(&path, "kept").unwrap();
        Files::Looked.create(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"kept");
        assert!(Files::Looked.create(folder.path()).is_err(), "a folder");
        assert!(Files::Looked.create(&folder.path().join("no/f")).is_err());
        Files::Made.create(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
    }
}
