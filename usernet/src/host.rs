//! What is expected of the host: sockets that never block, and one place that says which of them can go on.
//!
//! Readiness is told once (edge-triggered): who was told that a socket can be read reads it until it would block. That is
//! what lets a flow whose guest does not read rest, without anybody asking for it again and again.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// Whom an event is for: what was passed when the socket was made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Token {
    /// A TCP connection.
    Tcp(u32),
    /// A UDP socket of one peer.
    Udp(u32),
    /// Where connections from outside arrive.
    TcpForward(u32),
    /// Where datagrams from outside arrive.
    UdpForward(u32),
}

/// What has become possible at a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    pub token: Token,
    /// There is something to be read, or an end, or an error.
    pub readable: bool,
    /// There is room, or the connection stands, or an error.
    pub writable: bool,
    /// After what can be read comes the end, or an error.
    pub ended: bool,
}

/// The host. Calls that cannot go on return [`io::ErrorKind::WouldBlock`].
pub trait Host {
    type Stream: Stream;
    type Datagrams: Datagrams;
    type Listener;

    /// Starts to connect. The stream is writable when that has come to an end; [`Stream::connected`] says to which.
    fn connect(&mut self, to: SocketAddr, token: Token) -> io::Result<Self::Stream>;

    /// A listening TCP socket, and the address that it has.
    fn listen(&mut self, at: SocketAddr, token: Token) -> io::Result<(Self::Listener, SocketAddr)>;

    /// The next connection, and who it is from.
    fn accept(&mut self, listener: &Self::Listener, token: Token) -> io::Result<(Self::Stream, SocketAddr)>;

    /// A UDP socket that sends to `to` and receives from there alone.
    fn open(&mut self, to: SocketAddr, token: Token) -> io::Result<Self::Datagrams>;

    /// A UDP socket that receives from everybody, and the address that it has.
    fn bind(&mut self, at: SocketAddr, token: Token) -> io::Result<(Self::Datagrams, SocketAddr)>;

    /// The name server.
    fn resolver(&mut self) -> IpAddr;

    /// Adds what has happened since.
    fn events(&mut self, events: &mut Vec<Event>) -> io::Result<()>;

    /// [`Gateway::poll`](crate::Gateway::poll) is to be called at this time even if nothing happens.
    fn wake_at(&mut self, at: Instant);
}

/// A TCP connection. Dropping it resets it unless both directions have come to their end.
pub trait Stream {
    /// How the attempt to connect has ended.
    fn connected(&self) -> io::Result<()>;

    /// Reads; 0: the end.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes what there is room for.
    fn send(&self, data: &[u8]) -> io::Result<usize>;

    /// No more will be sent.
    fn shut_down(&self) -> io::Result<()>;

    /// Both ends of the connection are to know that it has not ended well.
    fn reset(&self);
}

/// A UDP socket.
pub trait Datagrams {
    /// Size of the next datagram.
    fn next_size(&self) -> io::Result<usize>;

    /// Takes the next datagram; what does not fit is lost. With the sender.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)>;

    /// To the peer of a socket that has one.
    fn send(&self, data: &[u8]) -> io::Result<()>;

    /// To whomever.
    fn send_to(&self, data: &[u8], to: SocketAddr) -> io::Result<()>;
}
