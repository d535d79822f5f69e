//! Connecting to programs of the host, and being connected to.

use super::greeting::{self, Greeting, Heard};
use super::options::VsockOptions;
use super::stream::HostStream;
use devices::virtio::vsock::{Backend, Cid, Event};
use rustix::event::{Timespec, epoll};
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// What the listener is called among the streams.
const LISTENER: u64 = 0;
/// Programs that have not said what they want, at most. When one more comes, the first has waited long enough.
const GREETINGS_MAX: usize = 64;
/// Events taken at once.
const EVENTS: usize = 64;

/// The socket could not be made.
#[derive(Debug, thiserror::Error)]
#[error("--vsock path={}: it cannot be listened there: {source}", path.display())]
pub struct VsockError {
    path: PathBuf,
    source: io::Error,
}

/// The programs of the host.
#[derive(Debug)]
pub struct Host {
    path: PathBuf,
    via: Option<PathBuf>,
    listener: UnixListener,
    /// Everything that is waited for, as an edge: it is itself ready for reading when anything has happened.
    epoll: OwnedFd,
    events: VecDeque<u64>,
    greetings: BTreeMap<u64, Greeting>,
    next: u64,
}

impl std::fmt::Debug for Greeting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Greeting")
    }
}

impl Host {
    /// Listens where `options` say. Returns also the guest's address.
    pub fn open(options: VsockOptions) -> Result<(Cid, Self), VsockError> {
        let VsockOptions { cid, path, via } = options;
        let open = || {
            let listener = crate::socket::bind(&path)?;
            let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            add(&epoll, &listener, LISTENER)?;
            Ok((listener, epoll))
        };
        match open() {
            Ok((listener, epoll)) => {
                let (events, greetings) = (VecDeque::new(), BTreeMap::new());
                Ok((cid, Self { path, via, listener, epoll, events, greetings, next: LISTENER + 1 }))
            }
            Err(source) => Err(VsockError { path, source }),
        }
    }

    /// Where programs of the host connect.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The socket there.
    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// Where somebody listens to whom the guest comes at this port.
    pub fn program(path: &Path, port: u32) -> PathBuf {
        let mut path = path.to_path_buf().into_os_string();
        path.push(format!("_{port}"));
        path.into()
    }

    /// What becomes readable when something has happened.
    pub fn source(&self) -> io::Result<OwnedFd> {
        self.epoll.try_clone()
    }

    /// A number for a socket, which is waited for from now on.
    fn register(&mut self, socket: &impl AsFd) -> io::Result<u64> {
        let id = self.next;
        self.next += 1;
        add(&self.epoll, socket, id)?;
        Ok(id)
    }

    /// Programs that have come.
    fn accept(&mut self) {
        loop {
            let accepted = self.listener.accept().and_then(|(stream, _)| {
                stream.set_nonblocking(true)?;
                Ok((self.register(&stream)?, stream))
            });
            match accepted {
                Ok((id, stream)) => {
                    if self.greetings.len() >= GREETINGS_MAX {
                        self.greetings.pop_first();
                    }
                    self.greetings.insert(id, Greeting::new(stream));
                    self.events.push_back(id);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::warn!(%error, "{}: a program cannot connect", self.path.display());
                    return;
                }
            }
        }
    }

    /// What it means that something has happened to `id`.
    fn look(&mut self, id: u64) -> Option<Event<HostStream>> {
        if id == LISTENER {
            self.accept();
            return None;
        }
        let Some(greeting) = self.greetings.remove(&id) else { return Some(Event::Ready(id)) };
        match greeting.hear() {
            Heard::All(socket, port) => {
                Some(Event::Wanted { stream: HostStream::new(id, socket, true), port })
            }
            Heard::Part(greeting) => {
                self.greetings.insert(id, greeting);
                None
            }
            Heard::Nonsense => {
                tracing::debug!("{}: a program does not say CONNECT and a port", self.path.display());
                None
            }
        }
    }

    fn wait(&mut self) {
        let mut events = Vec::with_capacity(EVENTS);
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let buffer = rustix::buffer::spare_capacity(&mut events);
        // It is not waited, so it cannot be interrupted.
        if epoll::wait(&self.epoll, buffer, Some(&now)).is_ok() {
            self.events.extend(events.iter().map(|event| event.data.u64()));
        }
    }
}

fn add(epoll: &OwnedFd, file: &impl AsFd, id: u64) -> io::Result<()> {
    use epoll::EventFlags;
    let events = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
    Ok(epoll::add(epoll, file, epoll::EventData::new_u64(id), events)?)
}

impl Backend for Host {
    type Stream = HostStream;

    fn connect(&mut self, port: u32) -> Option<HostStream> {
        let path = self.via.clone().unwrap_or_else(|| Self::program(&self.path, port));
        let connect = || -> io::Result<UnixStream> {
            // One that waits would wait for a program that does not accept.
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            rustix::net::connect(&socket, &SocketAddrUnix::new(&*path)?)?;
            if self.via.is_some() {
                // The first thing that is sent: it has room.
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                rustix::net::send(&socket, &greeting::line(port), flags)?;
            }
            Ok(socket.into())
        };
        let connected = connect().and_then(|socket| Ok((self.register(&socket)?, socket)));
        match connected {
            Ok((id, socket)) => Some(HostStream::new(id, socket, false)),
            Err(error) => {
                tracing::debug!(%error, "{}: the guest cannot connect", path.display());
                None
            }
        }
    }

    fn poll(&mut self) -> Option<Event<HostStream>> {
        loop {
            while let Some(id) = self.events.pop_front() {
                if let Some(event) = self.look(id) {
                    return Some(event);
                }
            }
            self.wait();
            if self.events.is_empty() {
                return None;
            }
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
