//! Sockets in the file system that others connect to.

use rustix::fs::{Mode, fchmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// Who may connect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// As for any file that is made: by the process's umask.
    Umask,
    /// Nobody but its owner.
    Owner,
}

/// A socket whose file goes away with it.
#[derive(Debug)]
pub struct Socket {
    pub listener: UnixListener,
    path: PathBuf,
    /// Device and inode, by which it is known that nobody has put another one there.
    file: Option<(u64, u64)>,
}

impl Socket {
    /// Makes it as [`bind`] does.
    pub fn open(path: PathBuf, access: Access) -> io::Result<Self> {
        let listener = bind_for(&path, access)?;
        Ok(Self { listener, file: file(&path), path })
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

/// Makes a socket at `path`, which does not wait. One that a program has left behind there is replaced.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    bind_for(path, Access::Umask)
}

fn bind_for(path: &Path, access: Access) -> io::Result<UnixListener> {
    let bound = match listen(path, access) {
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_left_behind(path) => {
            fs::remove_file(path)?;
            listen(path, access)
        }
        bound => bound,
    };
    let listener = bound?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The file gets the mode of the socket (unix(7)), which is changed before: so there is no moment in which it is another one.
fn listen(path: &Path, access: Access) -> io::Result<UnixListener> {
    if access == Access::Umask {
        return UnixListener::bind(path);
    }
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Whether there is a socket that nobody listens to. (Nobody listens to an ordinary file either.)
fn is_left_behind(path: &Path) -> bool {
    let is_socket = path.symlink_metadata().is_ok_and(|file| file.file_type().is_socket());
    is_socket && UnixStream::connect(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_behind_is_replaced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for access in [Access::Umask, Access::Owner] {
            let path = folder.path().join(format!("{access:?}"));
            let first = bind_for(&path, access).unwrap();
            assert_eq!(bind_for(&path, access).unwrap_err().kind(), ErrorKind::AddrInUse);
            drop(first);
            bind_for(&path, access).unwrap();
            let file = folder.path().join("file");
            fs::write(&file, "kept").unwrap();
            assert!(bind_for(&file, access).is_err());
            assert_eq!(fs::read(&file).unwrap(), b"kept");
        }
    }

    #[test]
    fn its_file_goes_with_it_and_is_its_owner_s() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let socket = Socket::open(path.clone(), Access::Owner).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        UnixStream::connect(socket.path()).unwrap();
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn what_somebody_else_has_put_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let socket = Socket::open(path.clone(), Access::Umask).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another's").unwrap();
        drop(socket);
        assert!(path.exists());
    }
}
