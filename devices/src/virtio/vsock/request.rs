//! Bytes ↔ meaning: packets (5.10.6).

use super::config::{BUFFER, Cid, HOST};
use crate::virtio::{Broken, Chain, Memory, chain};

/// Bytes of a packet's header.
pub const HEADER: usize = 44;
/// The type of a stream's packets.
pub const STREAM: u16 = 1;
/// Flags of [`Op::Shutdown`]: whoever sends it receives nothing more; sends nothing more.
pub const NO_RECEIVE: u32 = 1;
pub const NO_SEND: u32 = 2;

/// What a packet is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    Request = 1,
    Response = 2,
    Reset = 3,
    Shutdown = 4,
    Data = 5,
    CreditUpdate = 6,
    CreditRequest = 7,
}

impl Op {
    fn of(number: u16) -> Option<Self> {
        use Op::*;
        let all = [Request, Response, Reset, Shutdown, Data, CreditUpdate, CreditRequest];
        all.into_iter().find(|op| *op as u16 == number)
    }
}

/// A port of the host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HostPort(pub u32);

/// What tells one connection from another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ports {
    pub host: HostPort,
    pub guest: u32,
}

/// A header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Addresses.
    pub from: u64,
    pub to: u64,
    pub ports: Ports,
    /// Bytes of data behind it.
    pub len: u32,
    pub kind: u16,
    /// `None`: nothing that means anything.
    pub op: Option<Op>,
    pub flags: u32,
    /// How much the sender has room for in all, and how much of what it got it has used.
    pub room: u32,
    pub used: u32,
}

impl Header {
    /// A header for the guest, without data and without anything to say about room.
    pub fn to_guest(ports: Ports, op: Op, kind: u16) -> Self {
        Self { from: HOST, to: 0, ports, len: 0, kind, op: Some(op), flags: 0, room: 0, used: 0 }
    }

    fn from_guest(bytes: &[u8; HEADER]) -> Self {
        let u64_at = |at: usize| u64::from_le_bytes(std::array::from_fn(|n| bytes[at + n]));
        let u32_at = |at: usize| u32::from_le_bytes(std::array::from_fn(|n| bytes[at + n]));
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Self {
            from: u64_at(0),
            to: u64_at(8),
            ports: Ports { guest: u32_at(16), host: HostPort(u32_at(20)) },
            len: u32_at(24),
            kind: u16_at(28),
            op: Op::of(u16_at(30)),
            flags: u32_at(32),
            room: u32_at(36),
            used: u32_at(40),
        }
    }

    /// The bytes of a header that goes to the guest.
    pub fn bytes(&self, guest: Cid) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &self.from.to_le_bytes());
        put(8, &guest.number().to_le_bytes());
        put(16, &self.ports.host.0.to_le_bytes());
        put(20, &self.ports.guest.to_le_bytes());
        put(24, &self.len.to_le_bytes());
        put(28, &self.kind.to_le_bytes());
        put(30, &self.op.map_or(0, |op| op as u16).to_le_bytes());
        put(32, &self.flags.to_le_bytes());
        put(36, &self.room.to_le_bytes());
        put(40, &self.used.to_le_bytes());
        bytes
    }
}

/// The packet in `chain`. Its data goes to the begin of `data`, which has [`BUFFER`] bytes; more than that no connection would take. Returns
/// also their number.
pub fn parse(memory: &Memory, request: &Chain, data: &mut [u8]) -> Result<(Header, usize), Broken> {
    let (front, back) = chain::split(&request.readable, HEADER as u64);
    let mut bytes = [0; HEADER];
    if chain::read(memory, &front, &mut bytes)? < HEADER {
        return Err(Broken("a packet without a header"));
    }
    let header = Header::from_guest(&bytes);
    if header.len > BUFFER {
        return Err(Broken("a packet longer than any connection has room for"));
    }
    let len = header.len as usize;
    if chain::read(memory, &back, &mut data[..len])? < len {
        return Err(Broken("a packet shorter than it says"));
    }
    Ok((header, len))
}
