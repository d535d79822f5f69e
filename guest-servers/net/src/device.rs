//! The driver of the network device: a queue of buffers for frames that come, and one of frames that go.
//!
//! Each frame has a header that is the device's and the driver's affair: it is in memory of the driver's, so a client can neither ask for
//! what has not been negotiated nor learn anything. No offloads are negotiated, so all headers that go are zero and those that come say
//! nothing: there is one of each for all frames.

use alloc::vec::Vec;
use driver::engine::{Driver, Finished, Start};
use driver::pipe::Pipe;
use driver::session::Buffer;
use driver::transport::feature;
use driver::{Broken, Memory, Part, Registers, Transport};
use proto::net::{FRAME_MAX, FRAME_MIN, Interface, Operation};
use proto::session::{Opened, Outcome, Submission};
use vmm_abi::set::DeviceKind;

/// Feature bits (virtio 1.2, 5.1.3).
const HAS_MAC: u64 = 1 << 5;
const HAS_STATUS: u64 = 1 << 16;

/// Offsets in the configuration (virtio 1.2, 5.1.4).
const CONFIG_MAC: usize = 0;
const CONFIG_STATUS: usize = 6;
const LINK_UP: u16 = 1;

/// Bytes of a header: `virtio_net_hdr` with `num_buffers` (virtio 1.2, 5.1.6).
const HEADER: u32 = 12;
/// Bytes of memory for headers: one of zeros that the device reads, one that it writes.
pub const HEADERS: usize = 2 * HEADER as usize;
/// How long a device may take to send a frame, in nanoseconds.
const PATIENCE: u64 = 10_000_000_000;
/// What a device that says nothing gets: an address of those that anybody may use.
const DEFAULT_MAC: [u8; 6] = [0x02, 0x4c, 0x34, 0, 0, 1];

/// Memory for the device.
pub struct Parts<M> {
    pub receive: M,
    pub send: M,
    /// [`HEADERS`] bytes.
    pub headers: M,
}

/// A network device.
pub struct Net<R, M> {
    transport: Transport<R>,
    receive: Pipe<M>,
    send: Pipe<M>,
    headers: M,
    interface: Interface,
    has_status: bool,
    /// Requests that wait for the link to be another than they say.
    links: Vec<(u16, bool)>,
}

impl<R: Registers, M: Memory> Net<R, M> {
    /// Sets the device up.
    pub fn new(registers: R, memory: Parts<M>) -> Result<Self, Broken> {
        let transport = Transport::claim(registers, DeviceKind::Net.id())?;
        memory.headers.clear();
        let mut net = Self {
            transport,
            receive: Pipe::new(0, memory.receive),
            send: Pipe::new(1, memory.send),
            headers: memory.headers,
            interface: Interface { mac: DEFAULT_MAC, is_up: true },
            has_status: false,
            links: Vec::new(),
        };
        net.begin()?;
        Ok(net)
    }

    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    fn begin(&mut self) -> Result<(), Broken> {
        let features = self.transport.negotiate(feature::EVENT_INDEX | HAS_MAC | HAS_STATUS)?;
        self.has_status = features & HAS_STATUS != 0;
        if features & HAS_MAC != 0 {
            let mac = |n| move |config: driver::transport::Config<'_, R>| config.u8(CONFIG_MAC + n);
            self.interface.mac = core::array::from_fn(|n| self.transport.config(mac(n)));
        }
        self.receive.begin(&self.transport)?;
        self.send.begin(&self.transport)?;
        self.transport.start();
        self.look_at_link();
        self.links.clear();
        Ok(())
    }

    fn look_at_link(&mut self) {
        if self.has_status {
            self.interface.is_up = self.transport.config(|config| config.u16(CONFIG_STATUS)) & LINK_UP != 0;
        }
    }

    fn header(&self, index: u64) -> u64 {
        self.headers.phys() + index * u64::from(HEADER)
    }

    /// What the device does with a frame that has come into `written` bytes.
    fn came(ticket: u16, written: u32) -> Finished {
        let len = written.saturating_sub(HEADER);
        // A frame of no length that a frame has: the client gets its buffer back.
        let is_frame = (FRAME_MIN..=FRAME_MAX).contains(&(len as usize));
        let outcome = if is_frame { Outcome::Done } else { Outcome::Failed };
        Finished { ticket, outcome, value: len.into() }
    }
}

impl<R: Registers, M: Memory> Driver for Net<R, M> {
    fn info(&self) -> Opened {
        self.interface.into()
    }

    fn start(&mut self, ticket: u16, request: &Submission, buffer: Buffer) -> Start {
        let added = match Operation::try_from(request) {
            Ok(Operation::Receive) => {
                let len = buffer.len.min(FRAME_MAX as u32);
                let parts = [Part::writable(self.header(1), HEADER), Part::writable(buffer.phys, len)];
                self.receive.add(ticket, &parts)
            }
            Ok(Operation::Send) => {
                let parts = [Part::readable(self.header(0), HEADER), Part::readable(buffer.phys, buffer.len)];
                self.send.add(ticket, &parts)
            }
            Ok(Operation::Link { is_up }) => {
                self.links.push((ticket, is_up));
                Ok(())
            }
            Err(_) => return Start::Over(Outcome::BadRequest),
        };
        if added.is_ok() { Start::Started } else { Start::Full }
    }

    fn kick(&mut self) {
        self.receive.kick(&self.transport);
        self.send.kick(&self.transport);
    }

    fn interrupt(&mut self) -> Result<(), Broken> {
        if self.transport.acknowledge()?.config {
            self.look_at_link();
        }
        Ok(())
    }

    fn finished(&mut self) -> Result<Option<Finished>, Broken> {
        if let Some(used) = self.receive.take()? {
            return Ok(Some(Self::came(used.ticket, used.written)));
        }
        if let Some(used) = self.send.take()? {
            return Ok(Some(Finished { ticket: used.ticket, outcome: Outcome::Done, value: 0 }));
        }
        let is_up = self.interface.is_up;
        let changed = self.links.iter().position(|(_, known)| *known != is_up);
        Ok(changed.map(|index| {
            let (ticket, _) = self.links.swap_remove(index);
            Finished { ticket, outcome: Outcome::Done, value: is_up.into() }
        }))
    }

    fn reset(&mut self) -> Result<(), Broken> {
        self.transport.reset()?;
        self.begin()
    }

    fn patience(&self, request: &Submission) -> Option<u64> {
        // Frames come, and links change, when they like.
        matches!(Operation::try_from(request), Ok(Operation::Send)).then_some(PATIENCE)
    }

    fn is_repeatable(&self, _request: &Submission) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
