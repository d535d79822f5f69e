//! Where the sockets of machines are: in a folder of the user's, under the number of the process.

use rustix::process::getuid;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What a socket is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// To watch a machine: `--live`.
    Live,
    /// To control it: `--control`.
    Control,
}

impl Kind {
    fn extension(self) -> &'static str {
        match self {
            Self::Live => "sock",
            Self::Control => "control",
        }
    }

    /// The option without which a machine has no such socket.
    pub fn option(self) -> &'static str {
        match self {
            Self::Live => "--live",
            Self::Control => "--control",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error("no folder for the socket can be made at {}: {source}", .folder.display())]
    Make { folder: PathBuf, source: io::Error },
    #[error("{} is no folder of this user alone, so no socket is made there; name another place", .0.display())]
    NotOurs(PathBuf),
}

/// The folders in which a socket may be, the one where it should be first.
pub fn folders() -> Vec<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let own = std::env::temp_dir().join(format!("ukvmm-{}", getuid().as_raw()));
    runtime.map(|path| path.join("ukvmm")).into_iter().chain([own]).collect()
}

/// The path of a socket of the process `pid`, in a folder that nobody else can get at, which is made if need be.
pub fn make(kind: Kind, pid: u32) -> Result<PathBuf, PlaceError> {
    make_in(&folders(), kind, pid)
}

fn make_in(folders: &[PathBuf], kind: Kind, pid: u32) -> Result<PathBuf, PlaceError> {
    // Where there is a variable, the folder that it names need not exist.
    let there = |folder: &&PathBuf| folder.parent().is_some_and(Path::is_dir);
    let folder = folders.iter().find(there).or(folders.last()).cloned().unwrap_or_default();
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(source) if source.kind() != ErrorKind::AlreadyExists => Err(PlaceError::Make { folder, source }),
        _ if !is_ours(&folder) => Err(PlaceError::NotOurs(folder)),
        _ => Ok(socket(&folder, kind, pid)),
    }
}

/// Whether it is a folder that nobody else can get at.
fn is_ours(folder: &Path) -> bool {
    folder
        .symlink_metadata()
        .is_ok_and(|file| file.is_dir() && file.uid() == getuid().as_raw() && file.mode() & 0o077 == 0)
}

/// A socket of a process in a folder.
pub fn socket(folder: &Path, kind: Kind, pid: u32) -> PathBuf {
    folder.join(pid.to_string()).with_extension(kind.extension())
}

/// The sockets of a kind in the folders, with their processes.
pub fn sockets(folders: &[PathBuf], kind: Kind) -> Vec<(u32, PathBuf)> {
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let socket = |path: PathBuf| {
        let is_one = path.extension().is_some_and(|extension| extension == kind.extension());
        let pid = path.file_stem()?.to_str()?.parse().ok()?;
        is_one.then_some((pid, path))
    };
    let mut sockets: Vec<_> = entries.filter_map(|entry| socket(entry.path())).collect();
    sockets.sort();
    sockets
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn the_first_folder_that_can_be_is_taken() {
        let there = tempfile::tempdir().unwrap();
        let folders = [PathBuf::from("/nonexistent/ukvmm"), there.path().join("ukvmm")];
        let path = make_in(&folders, Kind::Live, 7).unwrap();
        assert_eq!(path, there.path().join("ukvmm/7.sock"));
        assert_eq!(folders[1].metadata().unwrap().mode() & 0o777, 0o700);
        make_in(&folders, Kind::Control, 8).unwrap();
        fs::write(&path, "").unwrap();
        fs::write(folders[1].join("x.sock"), "").unwrap();
        fs::write(folders[1].join("9.txt"), "").unwrap();
        fs::write(folders[1].join("8.control"), "").unwrap();
        assert_eq!(sockets(&folders, Kind::Live), [(7, path)]);
        assert_eq!(sockets(&folders, Kind::Control), [(8, folders[1].join("8.control"))]);
    }

    #[test]
    fn a_folder_that_others_can_get_at_is_not() {
        let there = tempfile::tempdir().unwrap();
        let folder = there.path().join("ukvmm");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        let error = make_in(std::slice::from_ref(&folder), Kind::Live, 7).unwrap_err();
        assert!(matches!(error, PlaceError::NotOurs(_)), "{error}");
        let (real, link) = (there.path().join("real"), there.path().join("link"));
        DirBuilder::new().mode(0o700).create(&real).unwrap();
        symlink(&real, &link).unwrap();
        assert!(matches!(make_in(&[link], Kind::Live, 7), Err(PlaceError::NotOurs(_))));
        assert!(matches!(make_in(&["/nonexistent/a".into()], Kind::Live, 7), Err(PlaceError::Make { .. })));
    }
}
