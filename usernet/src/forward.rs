//! What the host lets in: `tcp:127.0.0.1:8080-:80`, in the words of QEMU's `hostfwd`.
//!
//! Where no address of the host is given, QEMU listens on all of them. Here it is the loopback interface: whoever wants the world to
//! reach the guest writes 0.0.0.0.

use crate::plan;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::str::FromStr;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protocol {
    Tcp,
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// What arrives at `host` goes to `guest`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forward {
    pub protocol: Protocol,
    /// Port 0: the host chooses.
    pub host: SocketAddr,
    pub guest: SocketAddrV4,
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}-{}", self.protocol, self.host, self.guest)
    }
}

/// What is wrong with the text of a [`Forward`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ForwardError {
    #[error("write it as tcp:127.0.0.1:8080-:80, that is PROTOCOL:[ADDRESS]:PORT-[GUEST ADDRESS]:PORT")]
    Form,
    #[error("the protocol is tcp or udp")]
    Protocol,
    #[error("the host's address is an IP address; IPv6 in brackets")]
    HostAddress,
    #[error(
        "the guest's address is an IPv4 address in 10.0.2.0/24 but those of the router and the name server"
    )]
    GuestAddress,
    #[error("a port is a number from 1 to 65535")]
    Port,
}

impl FromStr for Forward {
    type Err = ForwardError;

    fn from_str(text: &str) -> Result<Self, ForwardError> {
        let (protocol, rest) = text.split_once(':').ok_or(ForwardError::Form)?;
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return Err(ForwardError::Protocol),
        };
        let (host, guest) = rest.rsplit_once('-').ok_or(ForwardError::Form)?;
        let (host_ip, host_port) = host.rsplit_once(':').ok_or(ForwardError::Form)?;
        let (guest_ip, guest_port) = guest.rsplit_once(':').ok_or(ForwardError::Form)?;
        let bare = host_ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']'));
        let host_ip = match (host_ip, bare) {
            ("", _) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            (_, Some(ip)) => IpAddr::V6(ip.parse().map_err(|_| ForwardError::HostAddress)?),
            (ip, None) => IpAddr::V4(ip.parse().map_err(|_| ForwardError::HostAddress)?),
        };
        let guest_ip = match guest_ip {
            "" => plan::GUEST,
            ip => ip.parse().map_err(|_| ForwardError::GuestAddress)?,
        };
        if !plan::is_guest(guest_ip) {
            return Err(ForwardError::GuestAddress);
        }
        let guest = SocketAddrV4::new(guest_ip, port(guest_port)?);
        Ok(Self { protocol, host: SocketAddr::new(host_ip, port(host_port)?), guest })
    }
}

fn port(text: &str) -> Result<u16, ForwardError> {
    let number = text.parse().ok().filter(|&port| port != 0 && text.bytes().all(|b| b.is_ascii_digit()));
    number.ok_or(ForwardError::Port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let shown = |text: &str| text.parse::<Forward>().unwrap().to_string();
        assert_eq!(shown("tcp:127.0.0.1:8080-:80"), "tcp:127.0.0.1:8080-10.0.2.15:80");
        assert_eq!(shown("udp::53-10.0.2.20:5353"), "udp:127.0.0.1:53-10.0.2.20:5353");
        assert_eq!(shown("tcp:0.0.0.0:1-:65535"), "tcp:0.0.0.0:1-10.0.2.15:65535");
        assert_eq!(shown("tcp:[::1]:22-:22"), "tcp:[::1]:22-10.0.2.15:22");
    }

    #[test]
    fn mistakes_are_named() {
        use ForwardError::*;
        for (text, error) in [
            ("", Form),
            ("tcp", Form),
            ("tcp:8080", Form),
            ("tcp:8080-80", Form),
            ("tcp::8080-80", Form),
            ("sctp::8080-:80", Protocol),
            (":8080-:80", Protocol),
            ("tcp:localhost:8080-:80", HostAddress),
            ("tcp:::1:8080-:80", HostAddress),
            ("tcp:[127.0.0.1]:8080-:80", HostAddress),
            ("tcp::8080-guest:80", GuestAddress),
            ("tcp::8080-192.168.0.1:80", GuestAddress),
            ("tcp::8080-10.0.2.2:80", GuestAddress),
            ("tcp::0-:80", Port),
            ("tcp::8080-:0", Port),
            ("tcp::8080-:65536", Port),
            ("tcp::+80-:80", Port),
            ("tcp::-:", Port),
        ] {
            assert_eq!(text.parse::<Forward>(), Err(error), "{text}");
        }
    }
}
