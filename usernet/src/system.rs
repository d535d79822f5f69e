//! Linux as the host: sockets, and one epoll instance that knows of all of them and of the time.
//!
//! [`System`] has one file descriptor that can be waited for; it is readable when [`Gateway::poll`](crate::Gateway::poll) has something to do.

use crate::host::{Datagrams, Event, Host, Stream, Token};
use crate::resolver;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;
const EVENTS_AT_ONCE: usize = 256;
/// Of the timer; all other tokens have their kind in the upper half.
const TIMER: u64 = u64::MAX;

/// Sockets of this machine.
#[derive(Debug)]
pub struct System {
    epoll: OwnedFd,
    timer: OwnedFd,
    /// The name server that the host had last.
    resolver: IpAddr,
}

impl System {
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let edges = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, &timer, epoll::EventData::new_u64(TIMER), edges)?;
        let resolver = resolver::of_host().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Ok(Self { epoll, timer, resolver })
    }

    fn watch(&self, socket: impl AsFd, token: Token) -> io::Result<()> {
        use epoll::EventFlags as Flags;
        let flags = Flags::IN | Flags::OUT | Flags::RDHUP | Flags::ET;
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(to_data(token)), flags)?)
    }

    fn socket(&self, of: SocketAddr, kind: SocketType) -> io::Result<OwnedFd> {
        let family = if of.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        Ok(net::socket_with(family, kind, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?)
    }
}

impl AsFd for System {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl Host for System {
    type Stream = Socket;
    type Datagrams = Socket;
    type Listener = OwnedFd;

    fn connect(&mut self, to: SocketAddr, token: Token) -> io::Result<Socket> {
        let socket = self.socket(to, SocketType::STREAM)?;
        // The guest decides how much it puts into a segment.
        sockopt::set_tcp_nodelay(&socket, true)?;
        match net::connect(&socket, &to) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        self.watch(&socket, token)?;
        Ok(Socket(socket))
    }

    fn listen(&mut self, at: SocketAddr, token: Token) -> io::Result<(OwnedFd, SocketAddr)> {
        let socket = self.socket(at, SocketType::STREAM)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        net::bind(&socket, &at)?;
        net::listen(&socket, BACKLOG)?;
        self.watch(&socket, token)?;
        let address = address_of(&socket)?;
        Ok((socket, address))
    }

    fn accept(&mut self, listener: &OwnedFd, token: Token) -> io::Result<(Socket, SocketAddr)> {
        let (socket, peer) = net::acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
        let peer = peer.ok_or(io::ErrorKind::ConnectionAborted)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        self.watch(&socket, token)?;
        Ok((Socket(socket), SocketAddr::try_from(peer)?))
    }

    fn open(&mut self, to: SocketAddr, token: Token) -> io::Result<Socket> {
        let socket = self.socket(to, SocketType::DGRAM)?;
        net::connect(&socket, &to)?;
        self.watch(&socket, token)?;
        Ok(Socket(socket))
    }

    fn bind(&mut self, at: SocketAddr, token: Token) -> io::Result<(Socket, SocketAddr)> {
        let socket = self.socket(at, SocketType::DGRAM)?;
        net::bind(&socket, &at)?;
        self.watch(&socket, token)?;
        let address = address_of(&socket)?;
        Ok((Socket(socket), address))
    }

    fn resolver(&mut self) -> IpAddr {
        self.resolver = resolver::of_host().unwrap_or(self.resolver);
        self.resolver
    }

    fn events(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        let mut some = [const { MaybeUninit::uninit() }; EVENTS_AT_ONCE];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        loop {
            let found = match epoll::wait(&self.epoll, &mut some, Some(&at_once)) {
                Ok((found, _)) => found,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            events.extend(found.iter().filter_map(to_event));
            if found.len() < EVENTS_AT_ONCE {
                return Ok(());
            }
        }
    }

    fn wake_at(&mut self, at: Instant) {
        // 0 would mean never.
        let wait = at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let it_value = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        // It cannot fail: the time makes sense.
        let _ = timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once);
    }
}

fn address_of(socket: &OwnedFd) -> io::Result<SocketAddr> {
    Ok(SocketAddr::try_from(net::getsockname(socket)?)?)
}

fn to_data(token: Token) -> u64 {
    let (kind, number) = match token {
        Token::Tcp(slot) => (0, slot),
        Token::Udp(slot) => (1, slot),
        Token::TcpForward(number) => (2, number),
        Token::UdpForward(number) => (3, number),
    };
    kind << 32 | u64::from(number)
}

fn to_event(event: &epoll::Event) -> Option<Event> {
    use epoll::EventFlags as Flags;
    let data = event.data.u64();
    let token = match data >> 32 {
        0 => Token::Tcp(data as u32),
        1 => Token::Udp(data as u32),
        2 => Token::TcpForward(data as u32),
        3 => Token::UdpForward(data as u32),
        _ => return None,
    };
    let flags = event.flags;
    let broken = flags.intersects(Flags::HUP | Flags::ERR);
    let ended = broken || flags.contains(Flags::RDHUP);
    Some(Event {
        token,
        readable: ended || flags.contains(Flags::IN),
        writable: broken || flags.contains(Flags::OUT),
        ended,
    })
}

/// A socket that never blocks.
#[derive(Debug)]
pub struct Socket(OwnedFd);

impl Stream for Socket {
    fn connected(&self) -> io::Result<()> {
        Ok(sockopt::socket_error(&self.0)??)
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(net::recv(&self.0, buffer, RecvFlags::empty())?.0)
    }

    fn send(&self, data: &[u8]) -> io::Result<usize> {
        Ok(net::send(&self.0, data, SendFlags::NOSIGNAL)?)
    }

    fn shut_down(&self) -> io::Result<()> {
        Ok(net::shutdown(&self.0, net::Shutdown::Write)?)
    }

    fn reset(&self) {
        // Closing it now sends a reset. Without this, it would be an ordinary end.
        let _ = sockopt::set_socket_linger(&self.0, Some(Duration::ZERO));
    }
}

impl Datagrams for Socket {
    fn next_size(&self) -> io::Result<usize> {
        let mut nothing = [0; 0];
        Ok(net::recv(&self.0, &mut nothing[..], RecvFlags::PEEK | RecvFlags::TRUNC)?.1)
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (size, _, from) = net::recvfrom(&self.0, buffer, RecvFlags::empty())?;
        let from = from.ok_or(io::ErrorKind::InvalidData)?;
        Ok((size, SocketAddr::try_from(from)?))
    }

    fn send(&self, data: &[u8]) -> io::Result<()> {
        Ok(net::send(&self.0, data, SendFlags::NOSIGNAL).map(|_| ())?)
    }

    fn send_to(&self, data: &[u8], to: SocketAddr) -> io::Result<()> {
        Ok(net::sendto(&self.0, data, SendFlags::NOSIGNAL, &to).map(|_| ())?)
    }
}
