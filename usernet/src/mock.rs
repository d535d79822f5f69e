//! A host without sockets, for tests and fuzzers: what its sockets do is a script.
//!
//! A [`World`] is held by the test, and a [`Mock`] made from it by the gateway.

use crate::host::{Datagrams, Event, Host, Stream, Token};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The name server of this host.
pub const RESOLVER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 53));

/// What a TCP connection is like, and what has been done with it.
#[derive(Debug)]
pub struct StreamState {
    pub to: SocketAddr,
    pub token: Token,
    /// What its peer has sent and nobody has read.
    pub incoming: VecDeque<u8>,
    /// Its peer sends no more.
    pub ended: bool,
    /// How reading and writing fail.
    pub broken: Option<ErrorKind>,
    /// What has been written.
    pub outgoing: Vec<u8>,
    /// How much more can be written.
    pub room: usize,
    pub shut_down: bool,
    pub reset: bool,
    pub dropped: bool,
}

/// A UDP socket.
#[derive(Debug)]
pub struct DatagramsState {
    /// Its only peer, or where it is bound.
    pub address: SocketAddr,
    pub token: Token,
    pub incoming: VecDeque<(SocketAddr, Vec<u8>)>,
    pub outgoing: Vec<(SocketAddr, Vec<u8>)>,
    /// The next call fails.
    pub refused: bool,
    pub dropped: bool,
}

/// Everything outside.
#[derive(Debug, Default)]
pub struct State {
    pub streams: Vec<StreamState>,
    pub datagrams: Vec<DatagramsState>,
    pub arrivals: VecDeque<SocketAddr>,
    pub events: Vec<Event>,
    pub wake: Option<Instant>,
    /// Connecting fails at once.
    pub refuse: Option<ErrorKind>,
    /// Connecting succeeds at once.
    pub accept_all: bool,
}

/// The test's end.
#[derive(Clone, Debug, Default)]
pub struct World(Arc<Mutex<State>>);

impl World {
    /// What is there, to be looked at and changed.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The gateway's end.
    pub fn host(&self) -> Mock {
        Mock(self.clone())
    }

    /// Lets stream `index` connect, or whatever it waits for.
    pub fn ready(&self, index: usize) {
        let mut state = self.state();
        let StreamState { token, ended, broken, .. } = state.streams[index];
        let ended = ended || broken.is_some();
        state.events.push(Event { token, readable: true, writable: true, ended });
    }

    /// The peer of stream `index` sends.
    pub fn sends(&self, index: usize, data: &[u8]) {
        self.state().streams[index].incoming.extend(data);
        self.ready(index);
    }

    /// The peer of stream `index` sends no more.
    pub fn ends(&self, index: usize) {
        self.state().streams[index].ended = true;
        self.ready(index);
    }

    /// Stream `index` fails from now on.
    pub fn breaks(&self, index: usize, how: ErrorKind) {
        self.state().streams[index].broken = Some(how);
        self.ready(index);
    }

    /// Somebody connects to forward `number`.
    pub fn arrives(&self, number: u32, from: SocketAddr) {
        let mut state = self.state();
        state.arrivals.push_back(from);
        state.events.push(Event {
            token: Token::TcpForward(number),
            readable: true,
            writable: false,
            ended: false,
        });
    }

    /// A datagram arrives at UDP socket `index`.
    pub fn datagram(&self, index: usize, from: SocketAddr, data: &[u8]) {
        let mut state = self.state();
        state.datagrams[index].incoming.push_back((from, data.to_vec()));
        let token = state.datagrams[index].token;
        state.events.push(Event { token, readable: true, writable: false, ended: false });
    }
}

/// The gateway's end of a [`World`].
#[derive(Debug)]
pub struct Mock(World);

impl Mock {
    fn stream(&self, to: SocketAddr, token: Token) -> Handle {
        let mut state = self.0.state();
        let room = usize::MAX;
        state.streams.push(StreamState {
            to,
            token,
            incoming: VecDeque::new(),
            ended: false,
            broken: None,
            outgoing: Vec::new(),
            room,
            shut_down: false,
            reset: false,
            dropped: false,
        });
        Handle { world: self.0.clone(), index: state.streams.len() - 1 }
    }

    fn socket(&self, address: SocketAddr, token: Token) -> DatagramsHandle {
        let mut state = self.0.state();
        let (incoming, outgoing) = Default::default();
        state.datagrams.push(DatagramsState {
            address,
            token,
            incoming,
            outgoing,
            refused: false,
            dropped: false,
        });
        DatagramsHandle { world: self.0.clone(), index: state.datagrams.len() - 1 }
    }
}

impl Host for Mock {
    type Stream = Handle;
    type Datagrams = DatagramsHandle;
    type Listener = ();

    fn connect(&mut self, to: SocketAddr, token: Token) -> io::Result<Handle> {
        if let Some(kind) = self.0.state().refuse {
            return Err(kind.into());
        }
        let stream = self.stream(to, token);
        if self.0.state().accept_all {
            self.0.ready(stream.index);
        }
        Ok(stream)
    }

    fn listen(&mut self, at: SocketAddr, _: Token) -> io::Result<((), SocketAddr)> {
        Ok(((), at))
    }

    fn accept(&mut self, (): &(), token: Token) -> io::Result<(Handle, SocketAddr)> {
        let from = self.0.state().arrivals.pop_front().ok_or(ErrorKind::WouldBlock)?;
        Ok((self.stream(from, token), from))
    }

    fn open(&mut self, to: SocketAddr, token: Token) -> io::Result<DatagramsHandle> {
        Ok(self.socket(to, token))
    }

    fn bind(&mut self, at: SocketAddr, token: Token) -> io::Result<(DatagramsHandle, SocketAddr)> {
        Ok((self.socket(at, token), at))
    }

    fn resolver(&mut self) -> IpAddr {
        RESOLVER
    }

    fn events(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        events.append(&mut self.0.state().events);
        Ok(())
    }

    fn wake_at(&mut self, at: Instant) {
        self.0.state().wake = Some(at);
    }
}

/// A TCP connection of a [`Mock`].
#[derive(Debug)]
pub struct Handle {
    world: World,
    index: usize,
}

impl Handle {
    fn with<T>(&self, f: impl FnOnce(&mut StreamState) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.world.state();
        let stream = &mut state.streams[self.index];
        match stream.broken {
            Some(kind) => Err(kind.into()),
            None => f(stream),
        }
    }
}

impl Stream for Handle {
    fn connected(&self) -> io::Result<()> {
        self.with(|_| Ok(()))
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.with(|stream| {
            let count = buffer.len().min(stream.incoming.len());
            if count == 0 && !stream.ended {
                return Err(ErrorKind::WouldBlock.into());
            }
            stream.incoming.drain(..count).zip(buffer).for_each(|(byte, place)| *place = byte);
            Ok(count)
        })
    }

    fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.with(|stream| {
            let count = data.len().min(stream.room);
            if count == 0 && !data.is_empty() {
                return Err(ErrorKind::WouldBlock.into());
            }
            stream.room -= count;
            stream.outgoing.extend(&data[..count]);
            Ok(count)
        })
    }

    fn shut_down(&self) -> io::Result<()> {
        self.with(|stream| {
            stream.shut_down = true;
            Ok(())
        })
    }

    fn reset(&self) {
        self.world.state().streams[self.index].reset = true;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.world.state().streams[self.index].dropped = true;
    }
}

/// A UDP socket of a [`Mock`].
#[derive(Debug)]
pub struct DatagramsHandle {
    world: World,
    index: usize,
}

impl DatagramsHandle {
    fn with<T>(&self, f: impl FnOnce(&mut DatagramsState) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.world.state();
        let socket = &mut state.datagrams[self.index];
        match std::mem::take(&mut socket.refused) {
            true => Err(ErrorKind::ConnectionRefused.into()),
            false => f(socket),
        }
    }
}

impl Datagrams for DatagramsHandle {
    fn next_size(&self) -> io::Result<usize> {
        self.with(|socket| Ok(socket.incoming.front().ok_or(ErrorKind::WouldBlock)?.1.len()))
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.with(|socket| {
            let (from, data) = socket.incoming.pop_front().ok_or(ErrorKind::WouldBlock)?;
            let count = data.len().min(buffer.len());
            buffer[..count].copy_from_slice(&data[..count]);
            Ok((count, from))
        })
    }

    fn send(&self, data: &[u8]) -> io::Result<()> {
        self.with(|socket| {
            socket.outgoing.push((socket.address, data.to_vec()));
            Ok(())
        })
    }

    fn send_to(&self, data: &[u8], to: SocketAddr) -> io::Result<()> {
        self.with(|socket| {
            socket.outgoing.push((to, data.to_vec()));
            Ok(())
        })
    }
}

impl Drop for DatagramsHandle {
    fn drop(&mut self) {
        self.world.state().datagrams[self.index].dropped = true;
    }
}
