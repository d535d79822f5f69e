//! Who has which address: the plan of QEMU's user network, so that what is written about that one holds here.
//!
//! Addresses of the guest's network that nobody has, and addresses that mean something on the host alone (its loopback
//! interface by its own name, multicast), lead nowhere.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

/// The network is 10.0.2.0/24.
pub const NETWORK: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 0);
pub const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);
/// The router. Connections to it reach the loopback interface of the host.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// The name server. Queries to it go to the name server of the host.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
/// The address that DHCP gives.
pub const GUEST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
pub const BROADCAST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 255);
/// Our own hardware address; that of QEMU's gateway.
pub const GATEWAY_MAC: [u8; 6] = [0x52, 0x55, 0x0a, 0x00, 0x02, 0x02];

const DNS_PORT: u16 = 53;

/// Whether we answer for this address.
pub fn is_ours(address: Ipv4Addr) -> bool {
    address == GATEWAY || address == RESOLVER
}

fn is_in_network(address: Ipv4Addr) -> bool {
    address & MASK == NETWORK
}

/// Whether a guest may have this address.
pub fn is_guest(address: Ipv4Addr) -> bool {
    is_in_network(address) && !is_ours(address) && address != NETWORK && address != BROADCAST
}

/// Where on the host's side what the guest sends to `to` goes, if anywhere.
pub fn outside(to: SocketAddrV4, resolver: impl FnOnce() -> IpAddr) -> Option<SocketAddr> {
    let ip = *to.ip();
    if to.port() == 0 {
        return None;
    }
    match ip {
        GATEWAY => Some((Ipv4Addr::LOCALHOST, to.port()).into()),
        RESOLVER if to.port() == DNS_PORT => Some((resolver(), DNS_PORT).into()),
        _ if is_in_network(ip) => None,
        // Class E, 240.0.0.0/4, has the broadcast address at its end.
        _ if ip.octets()[0] == 0 || ip.is_loopback() || ip.octets()[0] >= 224 => None,
        _ => Some(to.into()),
    }
}

/// The address that a peer on the host's side has for the guest.
pub fn inside(peer: SocketAddr) -> SocketAddrV4 {
    let ip = match peer.ip().to_canonical() {
        IpAddr::V4(ip) if !ip.is_loopback() && !is_in_network(ip) && !ip.is_unspecified() => ip,
        _ => GATEWAY,
    };
    SocketAddrV4::new(ip, peer.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(text: &str) -> Option<String> {
        let resolver = || IpAddr::from([192, 0, 2, 53]);
        outside(text.parse().unwrap(), resolver).map(|address| address.to_string())
    }

    #[test]
    fn the_router_is_the_hosts_loopback() {
        assert_eq!(to("10.0.2.2:80").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(to("10.0.2.2:53").as_deref(), Some("127.0.0.1:53"));
    }

    #[test]
    fn the_name_server_answers_on_its_port_alone() {
        assert_eq!(to("10.0.2.3:53").as_deref(), Some("192.0.2.53:53"));
        assert_eq!(to("10.0.2.3:80"), None);
    }

    #[test]
    fn the_world_is_itself() {
        assert_eq!(to("93.184.216.34:443").as_deref(), Some("93.184.216.34:443"));
        assert_eq!(to("192.168.1.1:1").as_deref(), Some("192.168.1.1:1"));
        assert_eq!(to("10.0.3.2:1").as_deref(), Some("10.0.3.2:1"));
    }

    #[test]
    fn nowhere() {
        let nowhere =
            ["127.0.0.1:22", "127.8.8.8:22", "0.0.0.0:22", "0.1.2.3:22", "10.0.2.9:1", "10.0.2.255:1"];
        for text in
            nowhere.into_iter().chain(["255.255.255.255:1", "224.0.0.251:5353", "240.0.0.1:1", "1.1.1.1:0"])
        {
            assert_eq!(to(text), None, "{text}");
        }
    }

    #[test]
    fn peers_that_the_guest_cannot_answer_are_the_router() {
        let seen = |text: &str| inside(text.parse().unwrap()).to_string();
        assert_eq!(seen("127.0.0.1:5000"), "10.0.2.2:5000");
        assert_eq!(seen("[::1]:5000"), "10.0.2.2:5000");
        assert_eq!(seen("[2001:db8::1]:5000"), "10.0.2.2:5000");
        assert_eq!(seen("10.0.2.15:5000"), "10.0.2.2:5000");
        assert_eq!(seen("192.0.2.7:5000"), "192.0.2.7:5000");
        assert_eq!(seen("[::ffff:192.0.2.7]:5000"), "192.0.2.7:5000");
    }

    #[test]
    fn guests() {
        assert!(is_guest(GUEST));
        for other in
            [NETWORK, GATEWAY, RESOLVER, BROADCAST, Ipv4Addr::new(10, 0, 3, 15), Ipv4Addr::UNSPECIFIED]
        {
            assert!(!is_guest(other), "{other}");
        }
    }
}
