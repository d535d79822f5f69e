//! Which machine is meant.

use crate::link::{Link, LinkError};
use crate::place::{self, Kind};
use profile::names::harmless;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// What a process of ours is called.
const NAME: &str = "ukvmm";
/// Letters of a command line in a list.
const LETTERS: usize = 100;

#[derive(Debug, thiserror::Error)]
pub enum FindError {
    #[error("no machine runs that was started with {option}; start one with `ukvmm {option} …`", option = .0.option())]
    None(Kind),
    #[error("several machines run; name one of them:\n{}", .0.join("\n"))]
    Several(Vec<String>),
    #[error("there is no process {0}")]
    NoProcess(u32),
    #[error("process {0} is no ukvmm")]
    NoMachine(u32),
    #[error(
        "the machine {pid} was not started with {option} alone, so it is not found by its number; `ukvmm {option} …` starts one \
         that is; if it has a socket elsewhere, name that",
        option = .kind.option()
    )]
    NotStarted { pid: u32, kind: Kind },
    #[error("no permission for the machine {0}: it is another user's")]
    AnotherUsers(u32),
    #[error("no socket {}", .0.display())]
    NoSocket(PathBuf),
    #[error("no permission for the socket {}", .0.display())]
    NoPermission(PathBuf),
    #[error("nobody is at the socket {}: its machine was killed", .0.display())]
    Abandoned(PathBuf),
    #[error("{}: {source}", .path.display())]
    Connect { path: PathBuf, source: io::Error },
}

impl FindError {
    /// Whether what was looked for is not there.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::None(_) | Self::NoProcess(_) | Self::NoSocket(_) | Self::Abandoned(_))
    }
}

/// What is at the other end of a socket, when it is found.
pub trait Peer: Sized {
    const KIND: Kind;
    fn new(stream: UnixStream) -> Self;
    /// What it is, in a few words.
    fn describe(self) -> String;
}

impl Peer for Link {
    const KIND: Kind = Kind::Live;

    fn new(stream: UnixStream) -> Self {
        Link::new(stream)
    }

    fn describe(mut self) -> String {
        match self.first_window() {
            Ok(window) => window.machine.command.join(" "),
            Err(LinkError::Silent) => "(says nothing)".into(),
            Err(error) => format!("({error})"),
        }
    }
}

/// Connects to the machine of that process or socket, or to the only one.
pub fn machine<P: Peer>(given: Option<&OsStr>) -> Result<P, FindError> {
    let folders = place::folders();
    match given {
        None => only(&folders),
        Some(given) => match given.to_str().and_then(|text| text.parse().ok()) {
            Some(pid) => process(&folders, pid),
            None => connect(Path::new(given)),
        },
    }
}

fn only<P: Peer>(folders: &[PathBuf]) -> Result<P, FindError> {
    let alive = |(pid, path): (u32, PathBuf)| match connect::<P>(&path) {
        Ok(peer) => Some(Ok((pid, peer))),
        Err(FindError::Abandoned(_) | FindError::NoSocket(_)) => None,
        Err(error) => Some(Err(error)),
    };
    let sockets = place::sockets(folders, P::KIND);
    let mut alive: Vec<_> = sockets.into_iter().filter_map(alive).collect::<Result<_, _>>()?;
    match alive.len() {
        1 => Ok(alive.remove(0).1),
        0 => Err(FindError::None(P::KIND)),
        _ => {
            let line = |(pid, peer): (u32, P)| format!("  {pid:>8}  {}", harmless(&peer.describe(), LETTERS));
            Err(FindError::Several(alive.into_iter().map(line).collect()))
        }
    }
}

fn process<P: Peer>(folders: &[PathBuf], pid: u32) -> Result<P, FindError> {
    let paths = folders.iter().map(|folder| place::socket(folder, P::KIND, pid));
    match paths.into_iter().find(|path| path.exists()) {
        Some(path) => connect(&path),
        None => Err(why_not(P::KIND, pid)),
    }
}

/// Why a process has no socket where it is looked for.
fn why_not(kind: Kind, pid: u32) -> FindError {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let Ok(metadata) = folder.metadata() else { return FindError::NoProcess(pid) };
    let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
    if name.trim_end() != NAME {
        return FindError::NoMachine(pid);
    }
    let ours = rustix::process::getuid().as_raw();
    if metadata.uid() == ours { FindError::NotStarted { pid, kind } } else { FindError::AnotherUsers(pid) }
}

fn connect<P: Peer>(path: &Path) -> Result<P, FindError> {
    let named = path.to_path_buf();
    UnixStream::connect(path).map(P::new).map_err(|source| match source.kind() {
        ErrorKind::NotFound => FindError::NoSocket(named),
        ErrorKind::PermissionDenied => FindError::NoPermission(named),
        ErrorKind::ConnectionRefused => FindError::Abandoned(named),
        _ => FindError::Connect { path: named, source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use std::io::Write;
    use std::os::unix::net::UnixListener;

    fn find(folder: &Path) -> Result<Link, FindError> {
        only(&[folder.to_path_buf()])
    }

    #[test]
    fn the_only_one_is_found_and_several_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(find(folder.path()), Err(FindError::None(_))));
        // Killed machines leave their sockets behind.
        drop(UnixListener::bind(place::socket(folder.path(), Kind::Live, 3)).unwrap());
        assert!(matches!(find(folder.path()), Err(FindError::None(_))));
        let mut listeners = vec![UnixListener::bind(place::socket(folder.path(), Kind::Live, 4)).unwrap()];
        drop(find(folder.path()).unwrap());
        drop(listeners[0].accept());
        listeners.push(UnixListener::bind(place::socket(folder.path(), Kind::Live, 5)).unwrap());
        let serve = |listener: UnixListener| {
            std::thread::spawn(move || listener.accept().unwrap().0.write_all(&sample::line()).unwrap())
        };
        let servers: Vec<_> = listeners.into_iter().map(serve).collect();
        let error = find(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("       4  --servers linux") && error.contains("       5  --servers"),
            "{error}"
        );
        servers.into_iter().for_each(|server| server.join().unwrap());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let machine = |path: &Path| machine::<Link>(Some(path.as_os_str())).err().unwrap();
        assert!(matches!(machine(&path), FindError::NoSocket(_)));
        drop(UnixListener::bind(&path).unwrap());
        assert!(matches!(machine(&path), FindError::Abandoned(_)));
        let error = process::<Link>(&[], std::process::id()).err().unwrap();
        assert!(matches!(error, FindError::NoMachine(_)) && !error.is_absence(), "{error}");
        assert!(matches!(process::<Link>(&[], u32::MAX), Err(FindError::NoProcess(_))));
    }
}
