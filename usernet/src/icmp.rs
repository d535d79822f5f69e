//! ICMP: our own addresses answer to echo requests, and a guest is told when nobody takes its datagrams.
//!
//! Echo requests to the world get no answer: to send them, a process needs rights that we do not want to need.

use crate::frame::{self, ETHERNET, IP};
use crate::packet::Ip;
use crate::plan;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{EthernetAddress, Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, IpProtocol};
use std::net::SocketAddrV4;

/// The answer to what the guest sent, if there is one.
pub fn answer(packet: &Ip<'_>) -> Option<Vec<u8>> {
    if !plan::is_ours(packet.destination) {
        return None;
    }
    let icmp = Icmpv4Packet::new_checked(packet.payload).ok()?;
    // Its checksum is never left to the device.
    match Icmpv4Repr::parse(&icmp, &ChecksumCapabilities::default()).ok()? {
        Icmpv4Repr::EchoRequest { ident, seq_no, data } => {
            let reply = Icmpv4Repr::EchoReply { ident, seq_no, data };
            Some(build(packet.mac, packet.destination, packet.source, &reply))
        }
        _ => None,
    }
}

/// Tells `guest` that its datagram to `to` found nobody there.
pub fn port_unreachable(mac: EthernetAddress, guest: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    // The first bytes of the datagram in question: its ports are what the guest looks at.
    let mut start = [0; frame::UDP];
    start[..2].copy_from_slice(&guest.port().to_be_bytes());
    start[2..4].copy_from_slice(&to.port().to_be_bytes());
    start[4..6].copy_from_slice(&(frame::UDP as u16).to_be_bytes());
    let error = Icmpv4Repr::DstUnreachable {
        reason: Icmpv4DstUnreachable::PortUnreachable,
        header: frame::ip(*guest.ip(), *to.ip(), IpProtocol::Udp, start.len()),
        data: &start,
    };
    build(mac, *to.ip(), *guest.ip(), &error)
}

fn build(
    mac: EthernetAddress,
    from: std::net::Ipv4Addr,
    to: std::net::Ipv4Addr,
    message: &Icmpv4Repr<'_>,
) -> Vec<u8> {
    let ip = frame::ip(from, to, IpProtocol::Icmp, message.buffer_len());
    let mut frame = vec![0; ETHERNET + IP + message.buffer_len()];
    frame::write_ip(&mut frame, mac, &ip);
    let mut packet = Icmpv4Packet::new_unchecked(&mut frame[ETHERNET + IP..]);
    message.emit(&mut packet, &ChecksumCapabilities::default());
    frame
}
