//! What comes from the guest, taken apart: bytes → meaning. Whatever is not well-formed is `None`, and that is all that happens to it.
//!
//! Fragments are refused: no guest that is told the network's MTU makes any for TCP, and to keep those of UDP would be to
//! keep memory for whoever sends halves.

use crate::plan;
use smoltcp::wire::{
    ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet,
    UdpPacket,
};
use std::net::{Ipv4Addr, SocketAddrV4};

/// What a frame holds.
pub enum Packet<'a> {
    Arp(ArpRepr),
    Ip(Ip<'a>),
}

/// An IPv4 packet without options and complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ip<'a> {
    pub mac: EthernetAddress,
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub protocol: IpProtocol,
    pub payload: &'a [u8],
    /// The checksum of the payload need not be looked at: the packet has never left the machine.
    pub trusted: bool,
}

/// Takes a frame apart. `trusted`: the driver has left the checksum of the payload to us.
pub fn parse(frame: &[u8], trusted: bool) -> Option<Packet<'_>> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    let mac = ethernet.src_addr();
    let to = ethernet.dst_addr();
    if !mac.is_unicast() || (to.0 != plan::GATEWAY_MAC && !to.is_broadcast()) {
        return None;
    }
    match ethernet.ethertype() {
        EthernetProtocol::Arp => {
            let packet = ArpPacket::new_checked(ethernet.payload()).ok()?;
            ArpRepr::parse(&packet).ok().map(Packet::Arp)
        }
        EthernetProtocol::Ipv4 => {
            let packet = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
            if packet.version() != 4 || packet.more_frags() || packet.frag_offset() != 0 {
                return None;
            }
            if usize::from(packet.header_len()) < smoltcp::wire::IPV4_HEADER_LEN || !packet.verify_checksum()
            {
                return None;
            }
            Some(Packet::Ip(Ip {
                mac,
                source: packet.src_addr(),
                destination: packet.dst_addr(),
                protocol: packet.next_header(),
                payload: packet.payload(),
                trusted,
            }))
        }
        _ => None,
    }
}

/// A UDP datagram.
pub struct Udp<'a> {
    pub source: SocketAddrV4,
    pub destination: SocketAddrV4,
    pub payload: &'a [u8],
}

impl<'a> Ip<'a> {
    /// Source and destination as the protocols of smoltcp want them.
    pub fn addresses(&self) -> (IpAddress, IpAddress) {
        (self.source.into(), self.destination.into())
    }

    pub fn udp(&self) -> Option<Udp<'a>> {
        let packet = UdpPacket::new_checked(self.payload).ok()?;
        let (source, destination) = self.addresses();
        if packet.src_port() == 0 || !(self.trusted || packet.verify_checksum(&source, &destination)) {
            return None;
        }
        Some(Udp {
            source: SocketAddrV4::new(self.source, packet.src_port()),
            destination: SocketAddrV4::new(self.destination, packet.dst_port()),
            payload: packet.payload(),
        })
    }
}
