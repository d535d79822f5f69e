//! The thread that serves the control socket.
//!
//! It waits for everything at once: connections, the end, a machine that comes to stand. The only moments at which it wakes up by itself are those at
//! which somebody has taken too long.
//!
//! It begins before the machine is made, so it is there before the jail is; it enters that as soon as it is armed, which is before anything of the guest's can
//! be looked at.

use super::http::connection::{Connection, Service};
use crate::error::{Error, host};
use crate::events::signals;
use crate::jail::{self, Kind};
use crate::socket::Socket;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Connections at a time.
pub const CONNECTIONS: usize = 16;
/// Bytes that are taken from a connection at once.
const CHUNK: usize = 16 << 10;
/// How long nobody is let in when there are no descriptors left.
const REST: Duration = Duration::from_secs(1);

/// What the thread serves with, and may wait for besides.
pub trait Waiting: Service + Send + Sync + 'static {
    /// Readable when a request that is to be answered later may have come to something.
    fn news(&self) -> Option<BorrowedFd<'_>>;
    /// It is known.
    fn forget_news(&self);
}

/// A descriptor that wakes the thread.
pub struct Bell {
    event: OwnedFd,
    over: AtomicBool,
}

impl Bell {
    pub fn new() -> std::io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self { event, over: AtomicBool::new(false) })
    }

    /// Has it look again what there is to wait for.
    pub fn ring(&self) {
        // Fails only if it is readable already.
        let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
    }

    fn forget(&self) {
        // Nothing to read is no error.
        let _ = rustix::io::read(&self.event, &mut [0; 8]);
    }
}

pub struct Server {
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
    /// Goes last: who finds it gone finds nobody there.
    _socket: Arc<Socket>,
}

impl Server {
    pub fn start(socket: Socket, bell: Arc<Bell>, service: Arc<impl Waiting>) -> Result<Self, Error> {
        tracing::info!("--control: ukvmm ctl {}", socket.path().display());
        let socket = Arc::new(socket);
        let (its_socket, its_bell) = (socket.clone(), bell.clone());
        let body = move || {
            // It may begin before the thread does that waits for them.
            signals::block();
            Loop::new(&its_socket.listener, &its_bell, &*service).run();
        };
        let thread = thread::Builder::new().name("control".into()).spawn(body);
        let thread = thread.map_err(host("starting the thread for --control"))?;
        Ok(Self { bell, thread: Some(thread), _socket: socket })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.bell.over.store(true, Ordering::SeqCst);
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            // One that has panicked has said so.
            let _ = thread.join();
        }
    }
}

struct Client {
    stream: UnixStream,
    connection: Connection,
    is_gone: bool,
}

struct Loop<'a, S> {
    listener: &'a UnixListener,
    bell: &'a Bell,
    service: &'a S,
    clients: Vec<Client>,
    /// Until when nobody is let in.
    rests_until: Option<Instant>,
}

impl<'a, S: Waiting> Loop<'a, S> {
    fn new(listener: &'a UnixListener, bell: &'a Bell, service: &'a S) -> Self {
        Self { listener, bell, service, clients: Vec::new(), rests_until: None }
    }

    fn run(mut self) {
        let mut is_confined = false;
        while !self.bell.over.load(Ordering::SeqCst) {
            if !is_confined && jail::is_armed() {
                is_confined = true;
                jail::enter_late(Kind::Control);
            }
            let Ok((bell, news, listener, ready)) = self.wait() else {
                return tracing::error!("--control: waiting for clients failed; nobody is served any more");
            };
            let now = Instant::now();
            if bell {
                self.bell.forget();
            }
            if news {
                self.service.forget_news();
            }
            for (client, flags) in self.clients.iter_mut().zip(ready) {
                client.attend(flags, self.service, now);
            }
            self.clients.retain(|client| !client.is_gone);
            if listener {
                self.accept(now);
            }
        }
        // What has been answered is to be heard.
        for client in &mut self.clients {
            client.write(self.service, Instant::now());
        }
    }

    /// Waits until there is something to do, and says whether it is for the bell, the news, the listener, and for whom.
    fn wait(&mut self) -> Result<(bool, bool, bool, Vec<PollFlags>), Errno> {
        let now = Instant::now();
        self.rests_until = self.rests_until.filter(|&until| until > now);
        let deadlines = self.clients.iter().map(|client| client.connection.deadline());
        let deadline = deadlines.chain(self.rests_until).min();
        let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let news = self.service.news();
        let listens = self.rests_until.is_none();
        let mut fds = vec![PollFd::from_borrowed_fd(self.bell.event.as_fd(), PollFlags::IN)];
        fds.extend(news.map(|news| PollFd::from_borrowed_fd(news, PollFlags::IN)));
        fds.extend(listens.then(|| PollFd::new(self.listener, PollFlags::IN)));
        let clients = fds.len();
        fds.extend(self.clients.iter().map(|client| PollFd::new(&client.stream, client.wanted())));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        let flags: Vec<_> = fds.iter().map(PollFd::revents).collect();
        let is_ready = |index: usize| flags.get(index).is_some_and(|flags| !flags.is_empty());
        let has_news = news.is_some();
        let listener = listens && is_ready(1 + usize::from(has_news));
        Ok((is_ready(0), has_news && is_ready(1), listener, flags[clients..].to_vec()))
    }

    fn accept(&mut self, now: Instant) {
        let stream = match accept_with(self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok(stream) => UnixStream::from(stream),
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => return,
            Err(error) => {
                tracing::warn!("--control: nobody can be let in for a moment: {error}");
                self.rests_until = Some(now + REST);
                return;
            }
        };
        if self.clients.len() >= CONNECTIONS {
            self.make_room();
        }
        let is_full = self.clients.len() >= CONNECTIONS;
        let connection = if is_full { Connection::refused(now) } else { Connection::new(now) };
        let mut client = Client { stream, connection, is_gone: false };
        client.write(self.service, now);
        if !is_full {
            self.clients.push(client);
        }
    }

    /// Lets the connection go that has been without a request for longest.
    fn make_room(&mut self) {
        let idle = self.clients.iter().enumerate().filter(|(_, client)| client.connection.is_idle());
        if let Some((index, _)) = idle.min_by_key(|(_, client)| client.connection.deadline()) {
            self.clients.remove(index);
        }
    }
}

impl Client {
    fn wanted(&self) -> PollFlags {
        let reads = if self.connection.room() > 0 { PollFlags::IN } else { PollFlags::empty() };
        let writes = if self.connection.outgoing().is_empty() { PollFlags::empty() } else { PollFlags::OUT };
        reads | writes
    }

    fn attend(&mut self, flags: PollFlags, service: &impl Service, now: Instant) {
        if flags.intersects(PollFlags::IN) && self.connection.room() > 0 {
            self.read(service, now);
        } else if flags.intersects(PollFlags::HUP | PollFlags::ERR) {
            self.is_gone = true;
        }
        self.connection.tick(service, now);
        self.write(service, now);
        self.is_gone |= self.connection.is_done();
    }

    fn read(&mut self, service: &impl Service, now: Instant) {
        let mut chunk = vec![0; CHUNK.min(self.connection.room())];
        match recv(&self.stream, chunk.as_mut_slice(), RecvFlags::empty()) {
            Ok((_, 0)) => self.connection.half_close(service, now),
            Ok((_, count)) => self.connection.receive(&chunk[..count], service, now),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.is_gone = true,
        }
    }

    /// Writes once. There is a next time, and others come before it.
    fn write(&mut self, service: &impl Service, now: Instant) {
        let outgoing = self.connection.outgoing();
        if outgoing.is_empty() {
            return;
        }
        match send(&self.stream, outgoing, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(count) => self.connection.sent(count, service, now),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.is_gone = true,
        }
        if self.connection.is_lingering() {
            // It hears the end, and what it still sends is heard.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }
}

#[cfg(test)]
mod tests;
