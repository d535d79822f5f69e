//! The header of a frame (5.1.6): what the driver wrote → what is to be done with the frame. The only place that reads what the driver wrote.

use super::backend::Offloads;
use super::config::Agreed;
use crate::virtio::{Broken, Chain, Memory, chain};
use virtio_bindings::virtio_net::{
    VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_ECN, VIRTIO_NET_HDR_GSO_NONE, VIRTIO_NET_HDR_GSO_TCPV4,
    VIRTIO_NET_HDR_GSO_TCPV6,
};

/// Bytes of a header. It has its last field always, as 5.1.6.1 wants of every driver that knows version 1.
pub const HEADER: usize = 12;
/// Bytes of a frame at most: a packet that says itself how long it is has 64 KiB, IPv6 counts its header apart, and Ethernet may have a tag.
pub const FRAME_MAX: usize = 65535 + 40 + 18;

const NEEDS_CHECKSUM: u8 = VIRTIO_NET_HDR_F_NEEDS_CSUM as u8;
const ECN: u8 = VIRTIO_NET_HDR_GSO_ECN as u8;

/// What is still to be done with a frame.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Header {
    /// The checksum of everything from `start` on belongs `offset` bytes behind that.
    pub checksum: Option<Checksum>,
    pub segments: Option<Segments>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checksum {
    pub start: u16,
    pub offset: u16,
}

/// The frame is to be cut into such as have `size` bytes of TCP payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segments {
    pub protocol: Protocol,
    /// Not 0.
    pub size: u16,
    /// The headers of the frame, up to the payload.
    pub head: u16,
    /// ECN's congestion-window-reduced flag is the first segment's only.
    pub ecn: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    Tcp4,
    Tcp6,
}

impl Header {
    /// As `struct virtio_net_hdr` is in memory, of a frame that fills `buffers` buffers.
    pub fn to_bytes(&self, buffers: u16) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let mut put = |at: usize, value: u16| bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
        if let Some(Segments { size, head, .. }) = self.segments {
            put(2, head);
            put(4, size);
        }
        if let Some(Checksum { start, offset }) = self.checksum {
            put(6, start);
            put(8, offset);
        }
        put(10, buffers);
        bytes[0] = if self.checksum.is_some() { NEEDS_CHECKSUM } else { 0 };
        bytes[1] = self.segments.map_or(VIRTIO_NET_HDR_GSO_NONE as u8, |segments| {
            let protocol = match segments.protocol {
                Protocol::Tcp4 => VIRTIO_NET_HDR_GSO_TCPV4 as u8,
                Protocol::Tcp6 => VIRTIO_NET_HDR_GSO_TCPV6 as u8,
            };
            protocol | if segments.ecn { ECN } else { 0 }
        });
        bytes
    }

    /// The meaning of `bytes`. What it leaves to be done has to be among what `may` be left.
    pub fn parse(bytes: &[u8; HEADER], may: Offloads) -> Result<Self, Broken> {
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let checksum = (bytes[0] & NEEDS_CHECKSUM != 0).then(|| Checksum { start: word(6), offset: word(8) });
        if checksum.is_some() && !may.checksum {
            return Err(Broken("a frame without its checksum, which was not agreed upon"));
        }
        let (protocol, allowed) = match u32::from(bytes[1] & !ECN) {
            VIRTIO_NET_HDR_GSO_NONE => return Ok(Self { checksum, segments: None }),
            VIRTIO_NET_HDR_GSO_TCPV4 => (Protocol::Tcp4, may.tso4),
            VIRTIO_NET_HDR_GSO_TCPV6 => (Protocol::Tcp6, may.tso6),
            _ => return Err(Broken("a frame to be segmented in a way that was not agreed upon")),
        };
        if !allowed || checksum.is_none() {
            return Err(Broken("a frame to be segmented in a way that was not agreed upon"));
        }
        if word(4) == 0 {
            return Err(Broken("a frame to be cut into segments of no size"));
        }
        let segments = Segments { protocol, size: word(4), head: word(2), ecn: bytes[1] & ECN != 0 };
        Ok(Self { checksum, segments: Some(segments) })
    }
}

/// Copies the frame of `chain` into `buffer`, of `HEADER + FRAME_MAX` bytes, where nothing changes it any more. Its header, and its size in the buffer.
pub fn parse(
    memory: &Memory,
    chain: &Chain,
    agreed: &Agreed,
    buffer: &mut [u8],
) -> Result<(Header, std::ops::Range<usize>), Broken> {
    if !chain.writable.is_empty() {
        return Err(Broken("a frame to send in a buffer to be written"));
    }
    let len = chain.readable_len();
    if len < HEADER as u64 {
        return Err(Broken("a frame to send without a header"));
    }
    if len > buffer.len() as u64 {
        return Err(Broken("a frame to send of more than 64 KiB"));
    }
    let len = chain::read(memory, &chain.readable, buffer)?;
    let mut header = [0; HEADER];
    header.copy_from_slice(&buffer[..HEADER]);
    let header = Header::parse(&header, agreed.sends)?;
    let frame = HEADER..len;
    if let Some(Checksum { start, offset }) = header.checksum
        && usize::from(start) + usize::from(offset) + 2 > frame.len()
    {
        return Err(Broken("a checksum behind the end of its frame"));
    }
    Ok((header, frame))
}
