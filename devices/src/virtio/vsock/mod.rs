//! The socket device (virtio 1.2, 5.10): connections between programs of the guest and programs of the host.
//!
//! A connection is a stream of bytes in both directions. Either side says how much it has room for, and the other sends no more than that
//! (5.10.6.3): a guest that does loses the connection. What a guest sends waits here, up to [`config::BUFFER`] bytes a connection, until the
//! program on the host takes it; what a program sends stays in its own socket until the guest has room.
//!
//! Whatever has to be said about a connection is kept as a flag of the connection, not as a packet, so it takes no room. Only
//! refusals of what belongs to no connection are kept, a few; when there are too many the device takes nothing more from the guest until the guest
//! takes them (5.10.6.1).
//!
//! - [`request`]: packets: what the driver wrote → a header, and the other way round
//! - [`config`]: the configuration, and the limits
//! - [`backend`]: the host's side
//! - `connection`: one connection
//! - `connections`: all of them
//! - [`mock`]: a host for tests

pub mod backend;
pub mod config;
mod connection;
mod connections;
pub mod mock;
pub mod request;

pub use backend::{Backend, Event, Stream, Transfer};
pub use config::{BadCid, Cid};

use crate::virtio::{Broken, Device, Io, chain};
use config::{BUFFER, REFUSALS_MAX};
use connection::{Connection, Say};
use connections::Connections;
use request::{HEADER, Header, HostPort, Op, Ports, STREAM};
use std::collections::VecDeque;
use virtio_bindings::virtio_ids::VIRTIO_ID_VSOCK;

const RECEIVE: usize = 0;
const SEND: usize = 1;

/// A socket device whose host is `B`. Its only source is that of the backend.
pub struct Vsock<B: Backend> {
    cid: Cid,
    backend: B,
    connections: Connections<B::Stream>,
    /// Packets that belong to no connection: to whom, and of what type they were.
    refusals: VecDeque<(Ports, u16)>,
    data: Box<[u8]>,
}

impl<B: Backend> Vsock<B> {
    /// A device by which the guest has the address `cid`.
    pub fn new(cid: Cid, backend: B) -> Self {
        let data = vec![0; BUFFER as usize].into_boxed_slice();
        Self { cid, backend, connections: Connections::new(), refusals: VecDeque::new(), data }
    }

    /// Both directions, until nothing goes on.
    fn serve(&mut self, io: &mut Io<'_>) -> Result<(), Broken> {
        loop {
            self.take(io)?;
            let full = self.refusals.len() >= REFUSALS_MAX;
            self.give(io)?;
            if !full || self.refusals.len() >= REFUSALS_MAX {
                return Ok(());
            }
        }
    }

    /// Takes what the driver sends, as long as what it may have to be told has room.
    fn take(&mut self, io: &mut Io<'_>) -> Result<(), Broken> {
        while self.refusals.len() < REFUSALS_MAX {
            let Some(request) = io.pop(SEND)? else { break };
            let (header, len) = request::parse(io.memory, &request, &mut self.data)?;
            io.push(SEND, request.head, 0)?;
            if header.from == self.cid.number() && header.to == config::HOST {
                self.hear(&header, len);
            }
        }
        Ok(())
    }

    /// A packet of the guest's, with `len` bytes in `data`.
    fn hear(&mut self, header: &Header, len: usize) {
        let ports = header.ports;
        let known = self.connections.get(ports);
        let fine = match (header.kind == STREAM).then_some(header.op).flatten() {
            Some(Op::Request) => known.is_none() && self.connect(header),
            // To refuse a refusal would never end.
            Some(Op::Reset) => return self.connections.remove(ports),
            Some(op) => match known {
                Some(connection) => connection.hear(op, header, &self.data[..len]),
                None => false,
            },
            None => false,
        };
        if !fine {
            self.connections.remove(ports);
            self.refusals.push_back((ports, header.kind));
        }
    }

    /// A program of the guest wants to connect to one of the host. False: it cannot.
    fn connect(&mut self, header: &Header) -> bool {
        if self.connections.is_full() {
            return false;
        }
        let Some(stream) = self.backend.connect(header.ports.host.0) else { return false };
        self.connections.add(header.ports, Connection::answered(stream, header));
        true
    }

    /// Gives the driver all there is for it, as long as it has room.
    fn give(&mut self, io: &mut Io<'_>) -> Result<(), Broken> {
        while !self.refusals.is_empty() || self.connections.may_say() {
            let Some(room) = io.pop(RECEIVE)? else { return Ok(()) };
            let most = room.writable_len().checked_sub(HEADER as u64);
            let most = most.ok_or(Broken("a buffer for packets without room for a header"))?;
            let Some((header, len)) = self.next(most) else {
                io.unpop(RECEIVE);
                return Ok(());
            };
            let (front, back) = chain::split(&room.writable, HEADER as u64);
            chain::write(io.memory, &front, &header.bytes(self.cid))?;
            chain::write(io.memory, &back, &self.data[..len])?;
            io.push(RECEIVE, room.head, (HEADER + len) as u32)?;
        }
        Ok(())
    }

    /// The next packet for the guest; it has `most` bytes of data at most, which are in `data`.
    fn next(&mut self, most: u64) -> Option<(Header, usize)> {
        if let Some((ports, kind)) = self.refusals.pop_front() {
            return Some((Header::to_guest(ports, Op::Reset, kind), 0));
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(self.data.len());
        let room = &mut self.data[..most];
        let (ports, say, header) = self.connections.next(room)?;
        if say == Say::Reset {
            self.connections.remove(ports);
        }
        Some((header, if let Say::Data(len) = say { len } else { 0 }))
    }

    /// What has happened on the host.
    fn look(&mut self) {
        while let Some(event) = self.backend.poll() {
            match event {
                Event::Ready(id) => {
                    if let Some(connection) = self.connections.by_id(id) {
                        connection.ready();
                    }
                }
                Event::Wanted { stream, port } => {
                    if !self.connections.is_full() {
                        let host: HostPort = self.connections.free_port(port);
                        self.connections.add(Ports { host, guest: port }, Connection::asked(stream));
                    }
                }
            }
        }
    }
}

impl<B: Backend> Device for Vsock<B> {
    fn id(&self) -> u32 {
        VIRTIO_ID_VSOCK
    }

    fn features(&self) -> u64 {
        config::STREAM
    }

    fn queue_sizes(&self) -> &[u16] {
        &config::QUEUES
    }

    fn read_config(&self, offset: usize, data: &mut [u8]) {
        let space = self.cid.number().to_le_bytes();
        let rest = space.get(offset..).unwrap_or_default();
        let len = rest.len().min(data.len());
        data[..len].copy_from_slice(&rest[..len]);
    }

    fn activate(&mut self, _features: u64, io: &mut Io<'_>) -> Result<(), Broken> {
        // The device was not told of what happened before.
        self.look();
        self.serve(io)
    }

    fn process(&mut self, _queue: usize, io: &mut Io<'_>) -> Result<(), Broken> {
        self.serve(io)
    }

    fn ready(&mut self, _source: usize, io: &mut Io<'_>) -> Result<(), Broken> {
        self.look();
        self.serve(io)
    }

    fn reset(&mut self) {
        self.connections = Connections::new();
        self.refusals.clear();
    }
}

#[cfg(test)]
mod tests;
