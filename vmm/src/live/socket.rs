//! The socket that clients connect to. It goes away with its machine; one that a killed machine has left behind is replaced.

use crate::socket::{Access, Socket};
use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use top::place::{self, Kind, PlaceError};

#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("--live: {0}")]
    Place(#[from] PlaceError),
    #[error("--live={}: it cannot be listened there: {source}", .path.display())]
    Listen { path: PathBuf, source: io::Error },
}

/// Listens at the path that was given to `--live`, or, if that is empty, where `ukvmm top` looks for this process.
pub fn open(given: &OsStr) -> Result<Socket, SocketError> {
    let path = if given.is_empty() { place::make(Kind::Live, std::process::id())? } else { given.into() };
    Socket::open(path.clone(), Access::Umask).map_err(|source| SocketError::Listen { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_already_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let _socket = open(path.as_os_str()).unwrap();
        assert!(open(path.as_os_str()).unwrap_err().to_string().contains("cannot be listened there"));
    }
}
