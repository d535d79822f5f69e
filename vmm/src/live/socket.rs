//! The socket that clients connect to. It goes away with its machine; one that a killed machine has left behind is replaced.

use crate::socket::bind;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use top::place::{self, PlaceError};

#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("--live: {0}")]
    Place(#[from] PlaceError),
    #[error("--live={}: it cannot be listened there: {source}", .path.display())]
    Listen { path: PathBuf, source: io::Error },
}

#[derive(Debug)]
pub struct Socket {
    pub listener: UnixListener,
    path: PathBuf,
    /// Device and inode, by which it is known that nobody has put another one there.
    file: Option<(u64, u64)>,
}

impl Socket {
    /// Listens at the path that was given to `--live`, or, if that is empty, where `ukvmm top` looks for this process.
    pub fn open(given: &OsStr) -> Result<Self, SocketError> {
        let path = if given.is_empty() { place::make(std::process::id())? } else { given.into() };
        match bind(&path) {
            Ok(listener) => Ok(Self { listener, file: file(&path), path }),
            Err(source) => Err(SocketError::Listen { path, source }),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.file.is_some() && file(&self.path) == self.file {
            // Somebody else may remove it as well.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn file(path: &Path) -> Option<(u64, u64)> {
    path.symlink_metadata().ok().map(|file| (file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_socket_goes_away_with_its_machine() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let socket = Socket::open(path.as_os_str()).unwrap();
        UnixStream::connect(socket.path()).unwrap();
        assert!(Socket::open(path.as_os_str()).unwrap_err().to_string().contains("cannot be listened there"));
        drop(socket);
        assert!(!path.exists());
        // Killed, it leaves the socket behind.
        std::mem::forget(UnixListener::bind(&path).map(drop));
        let socket = Socket::open(path.as_os_str()).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another's").unwrap();
        drop(socket);
        assert_eq!(fs::read(&path).unwrap(), b"another's");
    }
}
