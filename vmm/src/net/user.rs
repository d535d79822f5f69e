//! `--net user`: the gateway of the crate `usernet`, as the network device sees it.

use super::NetError;
use devices::virtio::net::{Backend, Checksum, Driver, Header, Offloads, Protocol, Segments, Sink};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;
use usernet::frame::{Frame, Rest};
use usernet::gateway::Config;
use usernet::{Forward, Gateway, Offers, System};

/// What a driver gets that has not asked how large packets may be.
const PLAIN_MTU: u16 = 1500;

pub struct UserNet {
    gateway: Gateway<System>,
    mtu: u16,
}

impl UserNet {
    /// Listens for what is forwarded.
    pub fn new(mac: [u8; 6], forwards: Vec<Forward>, mtu: u16) -> Result<Self, NetError> {
        let system = System::new().map_err(NetError::Epoll)?;
        let gateway = Gateway::new(&Config { mac, forwards }, system)?;
        for forward in gateway.forwards() {
            tracing::info!("{} is forwarded to the guest's {}", forward.host, forward.guest);
        }
        Ok(Self { gateway, mtu })
    }

    /// What becomes readable when there is something to do.
    pub fn source(&self) -> io::Result<OwnedFd> {
        self.gateway.host().as_fd().try_clone_to_owned()
    }
}

impl Backend for UserNet {
    fn offloads(&self) -> Offloads {
        Offloads { checksum: true, tso4: true, tso6: false }
    }

    fn mtu(&self) -> Option<u16> {
        Some(self.mtu)
    }

    fn start(&mut self, driver: Driver) {
        let Offloads { checksum, tso4: segments, .. } = driver.offloads;
        let mtu = if driver.mtu { self.mtu } else { self.mtu.min(PLAIN_MTU) };
        self.gateway.reset(Offers { checksum, segments, mtu });
    }

    fn stop(&mut self) {
        self.gateway.reset(Offers::default());
    }

    fn send(&mut self, header: &Header, frame: &[u8]) {
        // What is left to us need not be done at all. Nor need segments be cut: they are joined again at the end anyway.
        self.gateway.send(frame, header.checksum.is_some(), Instant::now());
    }

    fn poll(&mut self) {
        if let Err(error) = self.gateway.poll(Instant::now()) {
            tracing::error!("--net user: epoll: {error}");
        }
    }

    fn receive(&mut self, limit: usize, sink: Sink<'_>) -> bool {
        let mut sink = |frame: &Frame<'_>| sink(&header(&frame.rest), &frame.parts);
        self.gateway.receive(limit, Instant::now(), &mut sink)
    }
}

fn header(rest: &Rest) -> Header {
    let checksum = rest.checksum.map(|checksum| Checksum { start: checksum.start, offset: checksum.offset });
    let segments = (rest.segment > 0).then_some(Segments {
        protocol: Protocol::Tcp4,
        size: rest.segment,
        head: rest.head,
        ecn: false,
    });
    Header { checksum, segments }
}
