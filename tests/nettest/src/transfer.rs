//! Data by TCP. The other end is a server that is told what to do by the first [`HEADER`] bytes of a connection, little-endian:
//!
//! | bytes | |
//! |---|---|
//! | 0–7 | 1: the client sends; 2: the server sends |
//! | 8–15 | how many bytes |
//! | 16–23 | the seed of their [`Pattern`] |
//!
//! The bytes follow, and then, where the client has sent, the server answers with the [`Sum`] of what it got.

use crate::failure::Failure;
use crate::host::Host;
use crate::pattern::{Pattern, Sum};
use crate::wire::Wire;
use alloc::vec;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp;
use smoltcp::wire::Ipv4Address;

pub const HEADER: usize = 24;
pub const SEND: u64 = 1;
pub const RECEIVE: u64 = 2;

/// Bytes of a socket's buffer, in each direction.
const BUFFER: usize = 64 << 10;
/// Without any progress.
const PATIENCE_US: u64 = 60_000_000;
const CHUNK: usize = 2048;

/// The other end, and how much is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    pub server: (Ipv4Address, u16),
    pub bytes: u64,
    pub seed: u64,
}

impl Plan {
    fn header(&self, what: u64) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        for (place, word) in header.as_chunks_mut().0.iter_mut().zip([what, self.bytes, self.seed]) {
            *place = word.to_le_bytes();
        }
        header
    }
}

impl<W: Wire> Host<W> {
    /// Sends data to the server; `each` is called between parts, with the number of bytes so far.
    pub fn send(&mut self, plan: &Plan, mut each: impl FnMut(&mut W, u64)) -> Result<(), Failure> {
        self.with_connection(plan, |host, socket| {
            host.write_all(socket, &plan.header(SEND))?;
            let (mut pattern, mut sum, mut chunk) = (Pattern::new(plan.seed), Sum::EMPTY, [0; CHUNK]);
            let mut sent = 0;
            while sent < plan.bytes {
                let part = part(&mut chunk, plan.bytes - sent);
                pattern.fill(part);
                sum = sum.and(part);
                host.write_all(socket, part)?;
                sent += part.len() as u64;
                each(&mut host.port.0, sent);
            }
            let mut answer = [0; 8];
            host.read_all(socket, &mut answer)?;
            let (found, expected) = (u64::from_le_bytes(answer), sum.0);
            if found == expected { Ok(()) } else { Err(Failure::WrongSum { found, expected }) }
        })
    }

    /// Receives data from the server, and checks it.
    pub fn receive(&mut self, plan: &Plan, mut each: impl FnMut(&mut W, u64)) -> Result<(), Failure> {
        self.with_connection(plan, |host, socket| {
            host.write_all(socket, &plan.header(RECEIVE))?;
            let (mut pattern, mut chunk) = (Pattern::new(plan.seed), [0; CHUNK]);
            let mut received = 0;
            while received < plan.bytes {
                let part = part(&mut chunk, plan.bytes - received);
                host.read_all(socket, part)?;
                for (n, (found, expected)) in part.iter().zip(&mut pattern).enumerate() {
                    if *found != expected {
                        return Err(Failure::WrongData { at: received + n as u64, found: *found, expected });
                    }
                }
                received += part.len() as u64;
                each(&mut host.port.0, received);
            }
            Ok(())
        })
    }

    fn with_connection(
        &mut self,
        plan: &Plan,
        body: impl FnOnce(&mut Self, SocketHandle) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        self.local_port = self.local_port.checked_add(1).unwrap_or(49152);
        socket
            .connect(self.interface.context(), plan.server, self.local_port)
            .map_err(|_| Failure::Closed("no way to the server"))?;
        let socket = self.sockets.add(socket);
        let result = self.connected(socket).and_then(|()| body(self, socket));
        self.tcp(socket).close();
        let closed = self.until("the connection does not end", PATIENCE_US, |host| {
            let state = host.tcp(socket).state();
            Ok(matches!(state, tcp::State::Closed | tcp::State::TimeWait).then_some(()))
        });
        self.remove(socket);
        result.and(closed)
    }

    fn tcp(&mut self, socket: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(socket)
    }

    fn connected(&mut self, socket: SocketHandle) -> Result<(), Failure> {
        self.until("no connection", PATIENCE_US, |host| match host.tcp(socket) {
            s if s.may_send() => Ok(Some(())),
            s if !s.is_open() => Err(Failure::Closed("refused")),
            _ => Ok(None),
        })
    }

    fn write_all(&mut self, socket: SocketHandle, mut bytes: &[u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            let taken = self.until("sending stands still", PATIENCE_US, |host| {
                let sent =
                    host.tcp(socket).send_slice(bytes).map_err(|_| Failure::Closed("while sending"))?;
                Ok((sent > 0).then_some(sent))
            })?;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    fn read_all(&mut self, socket: SocketHandle, into: &mut [u8]) -> Result<(), Failure> {
        let mut at = 0;
        while at < into.len() {
            let rest = &mut into[at..];
            at += self.until("receiving stands still", PATIENCE_US, |host| {
                let got =
                    host.tcp(socket).recv_slice(rest).map_err(|_| Failure::Closed("while receiving"))?;
                Ok((got > 0).then_some(got))
            })?;
        }
        Ok(())
    }
}

/// As much of `chunk` as is still to come.
fn part(chunk: &mut [u8; CHUNK], left: u64) -> &mut [u8] {
    let len = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
    &mut chunk[..len]
}
