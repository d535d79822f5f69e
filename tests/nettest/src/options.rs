//! What the run is to be.

use core::net::SocketAddrV4;
use smoltcp::wire::Ipv4Address;
use userlib::root;
use vmm_abi::boot::ARGV_MODULE;

pub struct Options {
    /// The server that data goes to and comes from.
    pub server: (Ipv4Address, u16),
    /// In each direction.
    pub bytes: u64,
    /// How often the driver is killed meanwhile, in both directions together.
    pub kills: u64,
}

impl Options {
    pub fn read() -> Option<Self> {
        let text = core::str::from_utf8(root::module(ARGV_MODULE).ok()?).ok()?;
        let mut words = text.split('\0');
        let server: SocketAddrV4 = words.next()?.parse().ok()?;
        let (bytes, kills) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Self { server: (*server.ip(), server.port()), bytes, kills })
    }
}
