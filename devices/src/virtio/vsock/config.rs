//! The configuration: `guest_cid[8]` (5.10.4), and the limits.

/// Entries of the queues: packets to the guest, packets from it, events (of which there are none).
pub const QUEUES: [u16; 3] = [128, 128, 16];

/// Feature: streams (`SOCK_STREAM`). Packets that stay whole (SEQPACKET) are not offered: the host's side is a stream.
pub const STREAM: u64 = 1 << 0;

/// The host's address.
pub const HOST: u64 = 2;

/// Bytes of a connection that wait for a program of the host to take them, at most.
pub const BUFFER: u32 = 64 << 10;
/// Connections at once.
pub const CONNECTIONS_MAX: usize = 256;
/// Refusals that wait for the guest to take them.
pub const REFUSALS_MAX: usize = 64;
/// The first of the host's ports that connections from there get. A program of the guest that wants to be reached by the host's listens below.
pub const FIRST_PORT: u32 = 1 << 30;

/// The address of a guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cid(u32);

/// What cannot be the address of a guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the address of a guest is 3 to 4294967294; 0, 1 and 2 are a hypervisor, the guest itself and the host"
)]
pub struct BadCid;

impl Cid {
    pub fn new(number: u32) -> Result<Self, BadCid> {
        if (3..u32::MAX).contains(&number) { Ok(Self(number)) } else { Err(BadCid) }
    }

    pub fn number(self) -> u64 {
        self.0.into()
    }
}
