//! What crosses to the guest: frames, and what is left for the driver to do about them.
//!
//! The pieces of a frame stay where they are (head here, payload in the buffer of its flow), so that they are copied once, into the
//! guest's memory. A driver that has said that it can takes segments larger than the network's MTU, and takes them without a checksum: it cannot
//! be wrong, since the frame has been in memory only.

use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, Ipv4Repr, UdpPacket, checksum,
};
use std::net::{Ipv4Addr, SocketAddrV4};

pub const ETHERNET: usize = 14;
pub const IP: usize = 20;
pub const UDP: usize = 8;
/// A TCP header with the options of a SYN: MSS and window scale.
pub const TCP_MAX: usize = 20 + 8;
/// Before the payload of TCP, at most.
pub const HEAD_MAX: usize = ETHERNET + IP + TCP_MAX;
/// No IP packet is longer.
pub const PACKET_MAX: usize = 65535;
/// No frame is longer, not even one that is still to be cut into segments.
pub const FRAME_MAX: usize = ETHERNET + PACKET_MAX;

const HOPS: u8 = 64;
const CHECKSUM_OF_TCP: u16 = 16;
const CHECKSUM_OF_UDP: u16 = 6;

/// What the driver of the guest can do, so that it need not be done here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offers {
    /// It takes TCP and UDP without a complete checksum.
    pub checksum: bool,
    /// It takes TCP segments that are larger than the MTU allows; needs `checksum`.
    pub segments: bool,
    /// The largest IP packet otherwise, 576 to 65535.
    pub mtu: u16,
}

impl Default for Offers {
    fn default() -> Self {
        Self { checksum: false, segments: false, mtu: 1500 }
    }
}

/// What is still to be done for a frame.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Rest {
    /// Sum from `start` on and put the checksum `offset` bytes behind that, where the pseudo header's sum is.
    pub checksum: Option<Checksum>,
    /// If not 0: a TCP segment that is to be cut into segments with so many bytes of payload.
    pub segment: u16,
    /// Length of all headers, for whoever cuts.
    pub head: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checksum {
    pub start: u16,
    pub offset: u16,
}

/// A frame for the guest, in pieces.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub rest: Rest,
    pub parts: [&'a [u8]; 3],
}

impl<'a> Frame<'a> {
    /// Of one piece, with nothing left to be done.
    pub fn whole(frame: &'a [u8]) -> Self {
        Self { rest: Rest::default(), parts: [frame, &[], &[]] }
    }

    /// Length of all its parts.
    pub fn size(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    /// In one piece.
    pub fn to_vec(&self) -> Vec<u8> {
        self.parts.concat()
    }
}

/// Ethernet and IP headers at the beginning of `head`, before `payload` bytes.
pub fn write_ip(head: &mut [u8], to: EthernetAddress, repr: &Ipv4Repr) {
    let mut ethernet = EthernetFrame::new_unchecked(&mut *head);
    ethernet.set_src_addr(EthernetAddress(crate::plan::GATEWAY_MAC));
    ethernet.set_dst_addr(to);
    ethernet.set_ethertype(EthernetProtocol::Ipv4);
    let mut ip = Ipv4Packet::new_unchecked(&mut head[ETHERNET..]);
    repr.emit(&mut ip, &smoltcp::phy::ChecksumCapabilities::default());
}

/// The IP header of a packet with `payload` bytes.
pub fn ip(source: Ipv4Addr, destination: Ipv4Addr, protocol: IpProtocol, payload: usize) -> Ipv4Repr {
    Ipv4Repr {
        src_addr: source,
        dst_addr: destination,
        next_header: protocol,
        payload_len: payload,
        hop_limit: HOPS,
    }
}

/// Puts the checksum into a head of `ETHERNET + IP` bytes and that of TCP or UDP, or leaves it to the driver.
pub fn finish(head: &mut [u8], ip: &Ipv4Repr, payload: [&[u8]; 2], offers: Offers) -> Option<Checksum> {
    let offset = if ip.next_header == IpProtocol::Tcp { CHECKSUM_OF_TCP } else { CHECKSUM_OF_UDP };
    let start = ETHERNET + IP;
    let pseudo =
        checksum::pseudo_header_v4(&ip.src_addr, &ip.dst_addr, ip.next_header, ip.payload_len as u32);
    let at = start + usize::from(offset)..start + usize::from(offset) + 2;
    if offers.checksum {
        head[at].copy_from_slice(&pseudo.to_be_bytes());
        return Some(Checksum { start: start as u16, offset });
    }
    head[at.clone()].fill(0);
    let [first, second] = payload.map(checksum::data);
    // A piece that begins at an odd place has its bytes in the other halves of the words.
    let second = if payload[0].len() % 2 == 1 { second.swap_bytes() } else { second };
    let sum = !checksum::combine(&[pseudo, checksum::data(&head[start..]), first, second]);
    // 0 would say that a UDP datagram has none.
    let sum = if sum == 0 { 0xffff } else { sum };
    head[at].copy_from_slice(&sum.to_be_bytes());
    None
}

/// A UDP datagram for the guest; its headers go into `head`.
pub fn udp<'a>(
    head: &'a mut [u8; ETHERNET + IP + UDP],
    mac: EthernetAddress,
    from: SocketAddrV4,
    to: SocketAddrV4,
    payload: &'a [u8],
    offers: Offers,
) -> Frame<'a> {
    let ip = ip(*from.ip(), *to.ip(), IpProtocol::Udp, UDP + payload.len());
    write_ip(&mut head[..], mac, &ip);
    let mut udp = UdpPacket::new_unchecked(&mut head[ETHERNET + IP..]);
    udp.set_src_port(from.port());
    udp.set_dst_port(to.port());
    udp.set_len(ip.payload_len as u16);
    let checksum = finish(&mut head[..], &ip, [payload, &[]], offers);
    Frame { rest: Rest { checksum, segment: 0, head: head.len() as u16 }, parts: [head, payload, &[]] }
}
