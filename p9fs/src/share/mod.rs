//! The shared folder, and how to stay in it.
//!
//! A file is held by a descriptor that names it and does not open it (`O_PATH`): it stays the same file whoever renames what.
//! There are three ways from one file to another, and each is closed by itself:
//!
//! - **down, by a name.** A [`Name`] is one name, never `..` nor a path, and a symbolic link is a file like others and not
//!   followed: links are resolved by the client, among its own files. The kernel is told the same (`openat2` with
//!   `RESOLVE_BENEATH`, `RESOLVE_NO_SYMLINKS`), where it understands that.
//! - **up, by `..`**: ends at the folder shared.
//! - **with a folder that somebody on the host moves out.** Who holds it would look at a part of the host that was never
//!   shared. So the kernel is asked where a file is ([`Share::inside`]), after each walk and before each use of a folder. A move that happens
//!   between question and use is as good as one that happens after the use.
//!
//! Only regular files and folders are opened: to open a device may do something, and a FIFO waits for somebody.
//!
//! - [`name`]: one name of a file
//! - [`node`]: a file that is named and not opened
//! - [`walk`]: from file to file
//! - [`file`]: opening and making files
//! - [`folder`]: what is in a folder
//! - [`change`]: making, renaming and removing
//! - [`attributes`]: owner, mode, times, size
//! - [`xattr`]: extended attributes, of users alone

pub mod attributes;
pub mod change;
pub mod file;
pub mod folder;
pub mod name;
pub mod node;
pub mod walk;
pub mod xattr;

pub use name::Name;
pub use node::{Kind, Node};

use rustix::fs::{CWD, Mode, OFlags, PROC_SUPER_MAGIC};
use rustix::io::Errno;
use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

/// Why a folder cannot be shared.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("there is no such folder")]
    Missing,
    #[error("it is not a folder")]
    NotAFolder,
    #[error("it cannot be opened: {0}")]
    Open(Errno),
    /// A file that is held but not open can be opened only by its entry there.
    #[error("/proc is not mounted ({0}), and without it files cannot be opened safely")]
    Proc(Errno),
}

/// A folder of the host that a guest may use.
#[derive(Debug)]
pub struct Share {
    root: Arc<Node>,
    /// `/proc/self/fd`.
    descriptors: OwnedFd,
    read_only: bool,
    /// Whether the kernel has `openat2` (Linux 5.6), as far as we know.
    openat2: Cell<bool>,
}

impl Share {
    /// Shares the folder at `path`; if `read_only`, without letting anything in it be changed.
    pub fn open(path: &Path, read_only: bool) -> Result<Self, OpenError> {
        let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, folder, Mode::empty()).map_err(|error| match error {
            Errno::NOENT => OpenError::Missing,
            Errno::NOTDIR => OpenError::NotAFolder,
            other => OpenError::Open(other),
        })?;
        let descriptors =
            rustix::fs::openat(CWD, "/proc/self/fd", folder, Mode::empty()).map_err(OpenError::Proc)?;
        let system = rustix::fs::fstatfs(&descriptors).map_err(OpenError::Proc)?;
        if system.f_type != PROC_SUPER_MAGIC {
            return Err(OpenError::Proc(Errno::NOENT));
        }
        let root = Arc::new(Node::new(root).map_err(OpenError::Open)?);
        Ok(Share { root, descriptors, read_only, openat2: Cell::new(true) })
    }

    /// The folder itself.
    pub fn root(&self) -> &Arc<Node> {
        &self.root
    }

    /// An error if nothing may be changed.
    pub fn writable(&self) -> Result<(), Errno> {
        if self.read_only { Err(Errno::ROFS) } else { Ok(()) }
    }

    /// As on a kernel without `openat2`.
    #[cfg(test)]
    pub(crate) fn without_openat2(self) -> Self {
        self.openat2.set(false);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_can_be_shared() {
        let world = tempfile::tempdir().unwrap();
        let file = world.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(Share::open(&file, false), Err(OpenError::NotAFolder)));
        assert!(matches!(Share::open(&world.path().join("none"), false), Err(OpenError::Missing)));
        assert!(matches!(Share::open(&file.join("below"), false), Err(OpenError::NotAFolder)));
        assert!(matches!(Share::open(&world.path().join("x\0y"), false), Err(OpenError::Open(Errno::INVAL))));
        Share::open(world.path(), true).unwrap();
    }

    #[test]
    fn the_folder_is_shared_and_not_its_path() {
        let world = tempfile::tempdir().unwrap();
        let (path, moved) = (world.path().join("share"), world.path().join("moved"));
        std::fs::create_dir_all(path.join("d")).unwrap();
        let share = Share::open(&path, false).unwrap();
        std::fs::rename(&path, &moved).unwrap();
        std::fs::create_dir(&path).unwrap();
        let found = share.child(share.root(), Name::new(b"d").unwrap()).unwrap();
        share.inside(&found).unwrap();
        assert_eq!(share.parent(&found).unwrap().identity(), share.root().identity());
    }
}
