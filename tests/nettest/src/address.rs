//! An address by DHCP.

use crate::failure::Failure;
use crate::host::Host;
use crate::wire::Wire;
use smoltcp::socket::dhcpv4;
use smoltcp::wire::{IpCidr, Ipv4Address, Ipv4Cidr};

const PATIENCE_US: u64 = 60_000_000;

/// What the network has given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease {
    pub address: Ipv4Cidr,
    pub gateway: Option<Ipv4Address>,
    pub name_server: Option<Ipv4Address>,
}

impl<W: Wire> Host<W> {
    /// Asks for an address and uses it.
    pub fn lease(&mut self) -> Result<Lease, Failure> {
        let socket = self.sockets.add(dhcpv4::Socket::new());
        let lease = self.until("no address by DHCP", PATIENCE_US, |host| {
            let event = host.sockets.get_mut::<dhcpv4::Socket<'_>>(socket).poll();
            let Some(dhcpv4::Event::Configured(config)) = event else { return Ok(None) };
            let (gateway, name_server) = (config.router, config.dns_servers.first().copied());
            Ok(Some(Lease { address: config.address, gateway, name_server }))
        })?;
        self.remove(socket);
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            // There is room: it is the only one.
            let _ = addresses.push(IpCidr::Ipv4(lease.address));
        });
        if let Some(gateway) = lease.gateway {
            // As there is for the one route.
            let _ = self.interface.routes_mut().add_default_ipv4_route(gateway);
        }
        self.gateway = lease.gateway;
        Ok(lease)
    }
}
