//! Which name server the host uses: the first in /etc/resolv.conf, as resolv.conf(5) describes it.
//!
//! The file is looked at again for every new flow (a host changes networks), which costs as much as any small file.

use std::net::{IpAddr, Ipv4Addr};

pub const PATH: &str = "/etc/resolv.conf";

/// The name server of the host, now. `None`: the file cannot be read. So it is for a process that may not open files any more, once another
/// one has taken the place of that which it may read.
pub fn of_host() -> Option<IpAddr> {
    std::fs::read_to_string(PATH).ok().as_deref().map(first)
}

/// The first that is there; without one, resolv.conf(5) says, it is this machine.
fn first(text: &str) -> IpAddr {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse().ok()).flatten()
    });
    servers.into_iter().next().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_can_be_read() {
        let text = "# nameserver 192.0.2.1\nsearch x\nnameserver fe80::1%eth0\n nameserver  192.0.2.2 # x\nnameserver ::1\n";
        assert_eq!(first(text), IpAddr::from([192, 0, 2, 2]));
        assert_eq!(first("nameserver 2001:db8::53"), "2001:db8::53".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn none_is_this_machine() {
        for text in ["", "nameserver", "nameserver x", "nameservers 192.0.2.1"] {
            assert_eq!(first(text), IpAddr::V4(Ipv4Addr::LOCALHOST), "{text}");
        }
    }
}
