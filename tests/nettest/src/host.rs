//! An interface and its sockets.

use crate::device::Port;
use crate::failure::Failure;
use crate::wire::Wire;
use alloc::vec;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, HardwareAddress, Ipv4Address};

/// Longest time to wait without looking at the sockets.
const NAP_US: u64 = 1_000_000;

pub struct Host<W> {
    pub(crate) port: Port<W>,
    pub(crate) interface: Interface,
    pub(crate) sockets: SocketSet<'static>,
    pub(crate) gateway: Option<Ipv4Address>,
    /// For the next connection.
    pub(crate) local_port: u16,
}

impl<W: Wire> Host<W> {
    /// `seed` makes sequence numbers and ports differ from run to run.
    pub fn new(wire: W, seed: u64) -> Self {
        let mut port = Port(wire);
        let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(port.0.mac())));
        config.random_seed = seed;
        let now = instant(&port.0);
        let interface = Interface::new(config, &mut port, now);
        let local_port = 49152 + (seed % 16000) as u16;
        Self { port, interface, sockets: SocketSet::new(vec![]), gateway: None, local_port }
    }

    pub fn wire(&mut self) -> &mut W {
        &mut self.port.0
    }

    /// Lets time go by until `done` says something, `us` microseconds at most.
    pub(crate) fn until<T>(
        &mut self,
        what: &'static str,
        us: u64,
        mut done: impl FnMut(&mut Self) -> Result<Option<T>, Failure>,
    ) -> Result<T, Failure> {
        let end = self.port.0.now().saturating_add(us);
        loop {
            let now = instant(&self.port.0);
            self.interface.poll(now, &mut self.port, &mut self.sockets);
            if let Some(value) = done(self)? {
                return Ok(value);
            }
            // What `done` has put into sockets goes out before anybody waits.
            self.interface.poll(now, &mut self.port, &mut self.sockets);
            let left = end.checked_sub(self.port.0.now()).ok_or(Failure::TimedOut(what))?;
            let delay = self.interface.poll_delay(instant(&self.port.0), &self.sockets);
            let delay = delay.unwrap_or(Duration::MAX).total_micros();
            if delay > 0 {
                self.port.0.wait(delay.min(left).min(NAP_US));
            }
        }
    }

    pub(crate) fn remove(&mut self, socket: SocketHandle) {
        self.sockets.remove(socket);
    }
}

pub(crate) fn instant(wire: &impl Wire) -> Instant {
    Instant::from_micros(i64::try_from(wire.now()).unwrap_or(i64::MAX))
}
