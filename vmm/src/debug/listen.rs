//! Listens for debuggers.

use super::options::{GdbOptions, Place};
use crate::socket;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

/// Nobody can come there.
#[derive(Debug, thiserror::Error)]
#[error("--gdb: cannot listen at {place}: {source}{}", advice(place, source))]
pub struct ListenError {
    place: Place,
    source: io::Error,
}

fn advice(place: &Place, error: &io::Error) -> &'static str {
    match (place, error.kind()) {
        (Place::Tcp { .. }, ErrorKind::AddrInUse) => {
            "; somebody listens there already. Take another port, or one that is free by tcp:0"
        }
        (Place::Tcp { .. }, ErrorKind::PermissionDenied) => "; take a port from 1024 on",
        (Place::Unix(_), ErrorKind::AddrInUse) => {
            "; there is a file, or somebody listens. Name a path at which nothing is"
        }
        (Place::Unix(_), ErrorKind::NotFound) => "; its folder does not exist",
        _ => "",
    }
}

/// What debuggers connect to.
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A place where somebody listens. A socket's file goes when this does.
pub struct Gdb {
    pub listener: Listener,
    /// Whether the guest waits for a debugger.
    pub hold: bool,
    place: Place,
    name: Option<String>,
}

impl Gdb {
    /// Listens where `options` say.
    pub fn open(options: GdbOptions) -> Result<Self, ListenError> {
        let GdbOptions { place, name, wait } = options;
        match listen(&place) {
            Ok((listener, place)) => Ok(Self { listener, hold: wait, place, name }),
            Err(source) => Err(ListenError { place, source }),
        }
    }

    /// Where it really is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Tells the user, who has to know where; warnings are what is always shown.
    pub fn announce(&self) {
        let waits = if self.hold { "; the guest waits for it" } else { "" };
        let name = self.name.clone().unwrap_or_else(|| self.place.to_string());
        tracing::warn!("a debugger can come to {name}: target remote {name}{waits}");
    }
}

impl fmt::Debug for Gdb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gdb({})", self.place)
    }
}

impl Drop for Gdb {
    fn drop(&mut self) {
        if let Place::Unix(path) = &self.place {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Says also where it really is.
fn listen(place: &Place) -> io::Result<(Listener, Place)> {
    match place {
        Place::Tcp { address, port } => {
            let listener = TcpListener::bind((address.as_str(), *port))?;
            let port = listener.local_addr()?.port();
            Ok((Listener::Tcp(listener), Place::Tcp { address: address.clone(), port }))
        }
        Place::Unix(path) => Ok((Listener::Unix(socket::bind(path)?), Place::Unix(path.clone()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn open(place: Place) -> Result<Gdb, String> {
        Gdb::open(GdbOptions { place, name: None, wait: false }).map_err(|error| error.to_string())
    }

    fn tcp(address: &str, port: u16) -> Place {
        Place::Tcp { address: address.into(), port }
    }

    #[test]
    fn a_free_port_is_named_and_a_taken_one_refused() {
        let first = open(tcp("127.0.0.1", 0)).unwrap();
        let Place::Tcp { port, .. } = first.place else { panic!("{first:?}") };
        assert_ne!(port, 0);
        let error = open(tcp("127.0.0.1", port)).unwrap_err();
        assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("another port"), "{error}");
        // An address of the block that is for documentation (RFC 5737) is nobody's.
        assert!(open(tcp("192.0.2.1", 0)).unwrap_err().contains("192.0.2.1:0"));
    }

    #[test]
    fn a_socket_goes_with_its_listener_and_a_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gdb");
        let gdb = open(Place::Unix(path.clone())).unwrap();
        UnixStream::connect(&path).unwrap();
        assert!(open(Place::Unix(path.clone())).unwrap_err().contains("somebody listens"));
        drop(gdb);
        assert!(!path.exists());
        std::fs::write(&path, "kept").unwrap();
        assert!(open(Place::Unix(path.clone())).unwrap_err().contains("there is a file"));
        assert_eq!(std::fs::read(&path).unwrap(), b"kept");
        let error = open(Place::Unix(path.join("absent").join("gdb"))).unwrap_err();
        assert!(error.contains("cannot listen at"), "{error}");
    }
}
