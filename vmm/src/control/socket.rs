//! Where clients come. Only the machine's user may: whoever can type on its console is that user.

use crate::socket::{Access, Socket};
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use top::place::{self, Kind, PlaceError};

#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("--control: {0}")]
    Place(#[from] PlaceError),
    #[error("--control {}: it cannot be listened there: {source}{}", .path.display(), advice(source))]
    Listen { path: PathBuf, source: io::Error },
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => "; there is a file, or somebody listens. Name a path at which nothing is",
        ErrorKind::NotFound => "; its folder does not exist",
        _ => "",
    }
}

/// Listens at the path that was given to `--control`, or, if that is empty, where `ukvmm ctl` looks for this process.
pub fn open(given: &OsStr) -> Result<Socket, SocketError> {
    let path = if given.is_empty() { place::make(Kind::Control, std::process::id())? } else { given.into() };
    Socket::open(path.clone(), Access::Owner).map_err(|source| SocketError::Listen { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let error = |path: PathBuf| open(path.as_os_str()).unwrap_err().to_string();
        assert!(error(folder.path().join("no/s")).contains("its folder does not exist"));
        let path = folder.path().join("s");
        let socket = open(path.as_os_str()).unwrap();
        assert!(error(path).contains("Name a path at which nothing is"));
        drop(socket);
        assert!(error(folder.path().join("x".repeat(200))).contains("cannot be listened there"));
    }
}
