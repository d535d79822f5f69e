//! The console device (virtio 1.2, 5.3): a terminal, and further ports by which programs of the guest's talk to programs of the host's.
//!
//! Each port has two queues of its own. If its other end takes nothing more, what the guest sends by it stays where it is, and the other
//! ports go on; if the guest has no buffers for what comes, that stays at the other end. What the driver has to be told of a port is not
//! kept as messages but as what it does not know yet: a driver that never listens costs nothing, and one that listens late hears how things
//! stand then.
//!
//! Without the feature MULTIPORT there is port 0 alone, and it is always open.
//!
//! - [`config`]: the configuration, the features, the queues
//! - [`request`]: control messages
//! - [`backend`]: the other end of a port
//! - `port`: what is under way on a port
//! - [`mock`]: another end for tests

pub mod backend;
pub mod config;
pub mod mock;
mod port;
pub mod request;

pub use backend::{Port, PortSpec, Size};

use crate::virtio::{Broken, Device, Io, chain};
use config::{EMERG_WR, FEATURES, MULTIPORT, PORTS_MAX, QUEUE_SIZE, Queue};
use port::State;
use request::Told;
use virtio_bindings::virtio_ids::VIRTIO_ID_CONSOLE;

/// A console device. Its source *n* is that of port *n*; the one after the last is the terminal's size.
pub struct Console {
    ports: Vec<State>,
    queues: Vec<u16>,
    size: Size,
    /// The size that the driver was told last.
    told_size: (u16, u16),
    multiport: bool,
}

impl Console {
    /// With these ports, at least one and at most [`PORTS_MAX`]; others are left out.
    pub fn new(ports: Vec<PortSpec>, size: Size) -> Self {
        let ports = ports.into_iter().take(PORTS_MAX).enumerate();
        let ports: Vec<_> = ports.map(|(index, spec)| State::new(index, spec)).collect();
        let queues = vec![QUEUE_SIZE; 2 + 2 * ports.len().max(1)];
        let told_size = size();
        Self { ports, queues, size, told_size, multiport: false }
    }

    /// Tells the driver what it does not know yet, as far as it has buffers for that.
    fn tell(&mut self, io: &mut Io<'_>) -> Result<(), Broken> {
        if !self.multiport {
            return Ok(());
        }
        for (index, port) in self.ports.iter_mut().enumerate() {
            while let Some(news) = port.next(self.told_size) {
                let queue = Queue::ControlReceive.number();
                let Some(chain) = io.pop(queue)? else { return Ok(()) };
                let written = chain::write(io.memory, &chain.writable, &news.bytes(index))?;
                io.push(queue, chain.head, written as u32)?;
                port.told(&news);
            }
        }
        Ok(())
    }

    /// Hears what the driver has to say.
    fn hear(&mut self, io: &mut Io<'_>) -> Result<(), Broken> {
        let queue = Queue::ControlTransmit.number();
        while let Some(chain) = io.pop(queue)? {
            let told = Told::parse(io.memory, &chain)?;
            io.push(queue, chain.head, 0)?;
            match told {
                Told::DeviceReady => self.ports.iter_mut().for_each(State::announce),
                Told::PortReady(id) => {
                    if let Some(port) = self.port(id) {
                        port.introduce();
                    }
                }
                Told::PortOpen(id, open) => {
                    if let Some(port) = self.port(id) {
                        port.open(open);
                        port.receive(io)?;
                    }
                }
                Told::Other => tracing::debug!("console: a control message that means nothing; ignored"),
            }
        }
        self.tell(io)
    }

    fn port(&mut self, id: u32) -> Option<&mut State> {
        self.ports.get_mut(id as usize)
    }
}

impl Device for Console {
    fn id(&self) -> u32 {
        VIRTIO_ID_CONSOLE
    }

    fn features(&self) -> u64 {
        FEATURES
    }

    fn queue_sizes(&self) -> &[u16] {
        &self.queues
    }

    fn read_config(&self, offset: usize, data: &mut [u8]) {
        let space = config::space(self.ports.len(), self.told_size);
        let rest = space.get(offset..).unwrap_or_default();
        let len = rest.len().min(data.len());
        data[..len].copy_from_slice(&rest[..len]);
    }

    fn write_config(&mut self, offset: usize, data: &[u8], _io: &mut Io<'_>) {
        if let (EMERG_WR, [byte, ..], Some(port)) = (offset, data, self.ports.first_mut()) {
            port.print(*byte);
        }
    }

    fn activate(&mut self, features: u64, _io: &mut Io<'_>) -> Result<(), Broken> {
        self.multiport = features & MULTIPORT != 0;
        if let (false, Some(port)) = (self.multiport, self.ports.first_mut()) {
            port.open(true);
        }
        Ok(())
    }

    fn process(&mut self, queue: usize, io: &mut Io<'_>) -> Result<(), Broken> {
        match Queue::of(queue) {
            Queue::ControlReceive => self.tell(io),
            Queue::ControlTransmit => self.hear(io),
            Queue::Receive(port) => self.ports.get_mut(port).map_or(Ok(()), |port| port.receive(io)),
            Queue::Transmit(port) => self.ports.get_mut(port).map_or(Ok(()), |port| port.send(io)),
        }
    }

    fn ready(&mut self, source: usize, io: &mut Io<'_>) -> Result<(), Broken> {
        match self.ports.get_mut(source) {
            Some(port) => {
                port.look();
                port.send(io)?;
                port.receive(io)?;
                // It may have turned out that the other end has gone.
                port.look();
            }
            None => {
                let size = (self.size)();
                if size != self.told_size {
                    self.told_size = size;
                    io.config_changed();
                    self.ports.iter_mut().for_each(State::resized);
                }
            }
        }
        self.tell(io)
    }

    fn reset(&mut self) {
        self.multiport = false;
        self.ports.iter_mut().for_each(State::reset);
    }
}

#[cfg(test)]
mod tests;
