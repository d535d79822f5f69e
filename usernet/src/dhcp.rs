//! The DHCP server (RFC 2131, 2132). There is one guest, so there is one address, and whoever asks gets it.

use crate::frame::{self, ETHERNET, IP, Offers, UDP};
use crate::plan;
use smoltcp::wire::{
    DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress,
};
use std::net::{Ipv4Addr, SocketAddrV4};

pub const SERVER_PORT: u16 = DHCP_SERVER_PORT;
/// A day.
const LEASE_SECONDS: u32 = 24 * 60 * 60;
/// Option 26 of RFC 2132: interface MTU.
const OPTION_MTU: u8 = 26;

/// The answer to what a client sent, if there is one.
pub fn answer(message: &[u8], offers: Offers) -> Option<Vec<u8>> {
    let packet = DhcpPacket::new_checked(message).ok()?;
    let request = DhcpRepr::parse(&packet).ok()?;
    if request.server_identifier.is_some_and(|server| server != plan::GATEWAY) {
        return None;
    }
    let wanted = request.requested_ip.unwrap_or(request.client_ip);
    let (message_type, your_ip) = match request.message_type {
        DhcpMessageType::Discover => (DhcpMessageType::Offer, plan::GUEST),
        DhcpMessageType::Request if wanted == plan::GUEST => (DhcpMessageType::Ack, plan::GUEST),
        DhcpMessageType::Request => (DhcpMessageType::Nak, Ipv4Addr::UNSPECIFIED),
        // It has an address already and wants to know the rest.
        DhcpMessageType::Inform => (DhcpMessageType::Ack, Ipv4Addr::UNSPECIFIED),
        _ => return None,
    };
    let mtu = offers.mtu.to_be_bytes();
    let more = [DhcpOption { kind: OPTION_MTU, data: &mtu }];
    let settings = message_type != DhcpMessageType::Nak;
    let lease = (settings && your_ip == plan::GUEST).then_some(LEASE_SECONDS);
    let reply = DhcpRepr {
        message_type,
        transaction_id: request.transaction_id,
        secs: 0,
        client_hardware_address: request.client_hardware_address,
        client_ip: if request.message_type == DhcpMessageType::Discover {
            Ipv4Addr::UNSPECIFIED
        } else {
            request.client_ip
        },
        your_ip,
        server_ip: if settings { plan::GATEWAY } else { Ipv4Addr::UNSPECIFIED },
        router: settings.then_some(plan::GATEWAY),
        subnet_mask: settings.then_some(plan::MASK),
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: request.broadcast,
        requested_ip: None,
        client_identifier: None,
        server_identifier: Some(plan::GATEWAY),
        parameter_request_list: None,
        dns_servers: settings.then(|| [plan::RESOLVER].into_iter().collect()),
        max_size: None,
        lease_duration: lease,
        renew_duration: None,
        rebind_duration: None,
        additional_options: if settings { &more } else { &[] },
    };
    let mut payload = vec![0; reply.buffer_len()];
    reply.emit(&mut DhcpPacket::new_unchecked(&mut payload)).ok()?;
    let (mac, to) = addressee(&request, your_ip);
    let mut head = [0; ETHERNET + IP + UDP];
    let from = SocketAddrV4::new(plan::GATEWAY, SERVER_PORT);
    // With a complete checksum: clients that read raw packets may look at it.
    let whole = Offers { checksum: false, ..offers };
    Some(frame::udp(&mut head, mac, from, SocketAddrV4::new(to, DHCP_CLIENT_PORT), &payload, whole).to_vec())
}

/// RFC 2131 §4.1: a client that has an address gets the answer there; one that has none gets it at the address that it is
/// about to have, unless it says that it can only hear broadcasts. A refusal is always broadcast.
fn addressee(request: &DhcpRepr<'_>, your_ip: Ipv4Addr) -> (EthernetAddress, Ipv4Addr) {
    let mac = request.client_hardware_address;
    let refused = request.message_type == DhcpMessageType::Request && your_ip.is_unspecified();
    if refused || !mac.is_unicast() {
        (EthernetAddress::BROADCAST, Ipv4Addr::BROADCAST)
    } else if plan::is_guest(request.client_ip) {
        (mac, request.client_ip)
    } else if request.broadcast || your_ip.is_unspecified() {
        (EthernetAddress::BROADCAST, Ipv4Addr::BROADCAST)
    } else {
        (mac, your_ip)
    }
}
