//! What doors out of the lab lead to: things of this host that have been opened for the machine.
//!
//! Each has a thread, which is in the jail as the device's thread would be on KVM: what it does is what a guest asks for.

use super::carry::{self, Edges};
use crate::console::Endpoint;
use crate::jail::{self, Access, JailError, Kind, Needs};
use crate::net::socket::Frames;
use crate::net::{Link, Network};
use crate::share::{Files, Folder};
use crate::vsock::Host;
use crate::vsock::greeting::{Greeting, Heard};
use devices::virtio::console::Port;
use devices::virtio::net::Backend;
use p9fs::{Limits, Server, Share};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

/// Where a door leads.
pub struct Way {
    to: To,
    kind: Kind,
    /// `None`: without the jail.
    needs: Option<Needs>,
}

enum To {
    Share(Share, Limits),
    Network(Box<dyn Backend>, OwnedFd),
    Port(Box<dyn Port>, OwnedFd),
    /// Somebody who hears what is said as it is.
    Peer(OwnedFd),
}

/// A program of this host that the guest connects to: the one that it asks for, below `path`.
pub fn to_program(path: &Path) -> io::Result<OwnedFd> {
    let (ours, its) = UnixStream::pair()?;
    let path = path.to_path_buf();
    thread::Builder::new().name(Kind::Vsock.name().into()).spawn(move || {
        if let Heard::All(lab, port) = Greeting::new(its).hear()
            && let Err(error) =
                UnixStream::connect(Host::program(&path, port)).and_then(|to| carry::both(lab, to))
        {
            tracing::debug!("--vsock: port {port}: {error}");
        }
    })?;
    Ok(ours.into())
}

/// Why a way cannot be gone any further.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Jail(#[from] JailError),
    #[error(transparent)]
    Host(#[from] io::Error),
}

impl Way {
    pub fn to_share(folder: Folder, limits: Limits, jailed: bool) -> Self {
        let mut needs = Needs::default();
        let to = match folder.files {
            Files::Ours { share, read_only } => {
                needs.add(Kind::Share, folder.path, Access::Share { read_only });
                To::Share(share, limits)
            }
            Files::Served(stream) => To::Peer(stream.into()),
        };
        Self { to, kind: Kind::Share, needs: jailed.then_some(needs) }
    }

    pub fn to_network(network: Network, jailed: bool) -> Self {
        let Network { link, source, .. } = network;
        let mut needs = Needs::default();
        let (backend, kind): (Box<dyn Backend>, _) = match link {
            Link::User(user) => (user, Kind::UserNet),
            Link::Tap(tap) => (Box::new(tap), Kind::Tap),
            Link::Socket(other) => (Box::new(other), Kind::Frames),
        };
        if kind == Kind::UserNet {
            needs.add(kind, usernet::RESOLVER_FILE, Access::Read);
        }
        Self { to: To::Network(backend, source), kind, needs: jailed.then_some(needs) }
    }

    pub fn to_port(endpoint: Endpoint, jailed: bool) -> Self {
        let (mut needs, kind) = (Needs::default(), Kind::Console);
        if let Some(socket) = endpoint.socket() {
            needs.add_folder(kind, socket, Access::Remove);
        }
        let (spec, source) = endpoint.into_parts();
        Self { to: To::Port(spec.port, source), kind, needs: jailed.then_some(needs) }
    }

    /// A connection to it.
    pub fn connect(self) -> io::Result<OwnedFd> {
        if let To::Peer(socket) = self.to {
            return Ok(socket);
        }
        let (ours, its) = UnixStream::pair()?;
        thread::Builder::new().name(self.kind.name().into()).spawn(move || self.serve(its))?;
        Ok(ours.into())
    }

    /// Serves who is at the other end of `stream`.
    fn serve(self, stream: UnixStream) {
        let kind = self.kind;
        if let Err(error) = self.carry(stream) {
            tracing::error!("--accel lab: {kind}: {error}");
        }
    }

    /// What it takes is made before the jail is entered.
    fn carry(self, stream: UnixStream) -> Result<(), Trouble> {
        let Self { to, kind, needs } = self;
        let enter = || needs.map_or(Ok(()), |needs| jail::enter_alone(kind, needs));
        match to {
            To::Share(share, limits) => {
                enter()?;
                carry::messages(Server::new(share, limits), stream)?;
            }
            To::Network(network, source) => {
                let frames = Frames::new(stream)?;
                let edges = Edges::of(&source, &frames.file())?;
                enter()?;
                carry::frames(network, frames, &edges)?;
            }
            To::Port(port, source) => {
                stream.set_nonblocking(true)?;
                let edges = Edges::of(&source, &stream)?;
                enter()?;
                carry::bytes(port, OwnedFd::from(stream).into(), &edges)?;
            }
            // It has been joined to the connection itself.
            To::Peer(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_guest_s_program_is_led_to_the_one_that_it_asks_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(Host::program(&path, 7)).unwrap();
        let mut lab = File::from(to_program(&path).unwrap());
        lab.write_all(b"CONNECT 7\nhello").unwrap();
        let (mut program, _) = listener.accept().unwrap();
        let mut heard = [0; 5];
        program.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"hello");
        program.write_all(b"bye").unwrap();
        drop(program);
        let mut answer = String::new();
        lab.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "bye");
    }

    #[test]
    fn where_no_program_listens_the_connection_ends() {
        let folder = tempfile::tempdir().unwrap();
        for said in [&b"CONNECT 8\n"[..], b"nonsense\n"] {
            let mut lab = File::from(to_program(&folder.path().join("s")).unwrap());
            lab.write_all(said).unwrap();
            assert_eq!(lab.read(&mut [0]).unwrap(), 0);
        }
    }
}
