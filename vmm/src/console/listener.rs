//! A port whose other end is whoever connects to a socket: one at a time, the next when that one has gone.

use super::descriptor::Descriptor;
use super::readiness::Readiness;
use crate::socket;
use devices::virtio::console::Port;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The port.
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
    readiness: Arc<Readiness>,
    client: Option<Descriptor>,
}

impl Listener {
    /// Makes a socket at `path`. One that a program has left behind there is replaced.
    pub fn bind(path: &Path, readiness: Arc<Readiness>) -> io::Result<Self> {
        let listener = socket::bind(path)?;
        readiness.add(&listener, false)?;
        Ok(Self { listener, path: path.into(), readiness, client: None })
    }

    fn accept(&mut self) -> io::Result<Descriptor> {
        let (client, _) = self.listener.accept()?;
        client.set_nonblocking(true)?;
        self.readiness.add(&client, true)?;
        Ok(Descriptor::new(File::from(OwnedFd::from(client)), false))
    }
}

impl Port for Listener {
    fn write(&mut self, bytes: &[u8]) -> usize {
        self.client.as_mut().map_or(bytes.len(), |client| client.write(bytes))
    }

    fn read(&mut self, into: &mut [u8]) -> usize {
        self.client.as_mut().map_or(0, |client| client.read(into))
    }

    fn is_open(&mut self) -> bool {
        if self.client.as_mut().is_some_and(|client| !client.is_open()) {
            self.client = None;
        }
        if self.client.is_none() {
            match self.accept() {
                Ok(client) => self.client = Some(client),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => tracing::warn!(%error, "{}: nobody can connect", self.path.display()),
            }
        }
        self.client.is_some()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
