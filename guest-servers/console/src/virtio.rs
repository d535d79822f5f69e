//! Driver of the virtio console device (virtio 1.2, 5.3), with one port: two queues, of bytes that come and bytes that go.
//!
//! Output is waited for by looking, not by interrupt: the interrupt is the other thread's, and a host takes bytes at once unless whoever
//! reads them does not. So it may be waited for without end, but less and less often.
//!
//! As with a serial line, nobody says whether a terminal is at the other end: it is taken for one. Its size is told by devices that have the
//! feature for it. Input never ends.

use crate::device::{NoDevice, Output, Source};
use driver::pipe::Pipe;
use driver::transport::feature;
use driver::{Broken, Memory, Part, Registers, Transport};
use proto::console::{Event, Size};
use proto::text::{Bytes, MAX};
use vmm_abi::console::{STDERR_TTY, STDIN_TTY, STDOUT_TTY, TX_SIZE};
use vmm_abi::set::DeviceKind;

/// Feature bit: the configuration has the terminal's size.
const HAS_SIZE: u64 = 1 << 0;
const CONFIG_COLS: usize = 0;
const CONFIG_ROWS: usize = 2;

const RECEIVE: u16 = 0;
const SEND: u16 = 1;

/// Buffers for bytes that come, and the bytes of each.
const SLOTS: u16 = 16;
const SLOT: u32 = 256;
/// Bytes of all of them.
pub const INPUT: usize = SLOTS as usize * SLOT as usize;

/// Longest time between two looks whether output has been taken, in microseconds, and the shortest.
const NAP_MAX: u32 = 10_000;
const NAP_MIN: u32 = 20;

/// Memory for the device.
pub struct Parts<M> {
    pub receive: M,
    pub send: M,
    /// [`INPUT`] bytes.
    pub input: M,
    /// The output buffer, which the client writes to.
    pub output: M,
}

/// The printing half.
pub struct Printer<R, M, N> {
    transport: Transport<R>,
    queue: Pipe<M>,
    output: M,
    nap: N,
}

/// The reading half.
pub struct Reader<R, M> {
    transport: Transport<R>,
    queue: Pipe<M>,
    input: M,
    line: u8,
    has_size: bool,
    /// As it was last told.
    size: Size,
    /// Bytes that have come and have not been told: the slot, the first of them, and their end.
    came: Option<(u16, usize, usize)>,
    /// An interrupt may have come since there was nothing more.
    is_new: bool,
}

/// Both.
pub struct Halves<R, M, N> {
    pub printer: Printer<R, M, N>,
    pub reader: Reader<R, M>,
}

/// Sets the device up, which is on interrupt line `line`. Each half gets registers of its own; `nap` lets so many microseconds go by.
pub fn claim<R: Registers, M: Memory, N: FnMut(u32)>(
    registers: [R; 2],
    memory: Parts<M>,
    line: u8,
    nap: N,
) -> Result<Halves<R, M, N>, Broken> {
    let [first, second] = registers;
    let mut transport = Transport::claim(first, DeviceKind::Console.id())?;
    let features = transport.negotiate(feature::EVENT_INDEX | HAS_SIZE)?;
    let (mut receive, mut send) = (Pipe::new(RECEIVE, memory.receive), Pipe::new(SEND, memory.send));
    receive.begin(&transport)?;
    send.begin(&transport)?;
    transport.start();
    let printer = Printer { transport: transport.share(second), queue: send, output: memory.output, nap };
    let mut reader = Reader {
        transport,
        queue: receive,
        input: memory.input,
        line,
        has_size: features & HAS_SIZE != 0,
        size: Size::default(),
        came: None,
        is_new: true,
    };
    reader.size = reader.read_size();
    (0..SLOTS).for_each(|slot| reader.lend(slot));
    reader.queue.kick(&reader.transport);
    Ok(Halves { printer, reader })
}

impl<R: Registers, M: Memory, N: FnMut(u32)> Output for Printer<R, M, N> {
    fn fill(&mut self, at: usize, bytes: &[u8]) {
        self.output.write(at, bytes);
    }

    fn print(&mut self, _channel: u32, len: u32) -> Result<(), NoDevice> {
        let len = len.min(TX_SIZE as u32).min(self.output.size() as u32);
        if len == 0 {
            return Ok(());
        }
        // A device that has not taken what came before takes nothing more.
        self.queue.add(0, &[Part::readable(self.output.phys(), len)]).map_err(|_| NoDevice)?;
        self.queue.kick(&self.transport);
        let mut nap = NAP_MIN;
        while self.queue.poll().map_err(|_| NoDevice)?.is_none() {
            if !self.transport.works() {
                return Err(NoDevice);
            }
            (self.nap)(nap);
            nap = (2 * nap).min(NAP_MAX);
        }
        Ok(())
    }
}

impl<R: Registers, M: Memory> Reader<R, M> {
    fn read_size(&self) -> Size {
        if !self.has_size {
            return Size::default();
        }
        self.transport.config(|c| Size { rows: c.u16(CONFIG_ROWS), cols: c.u16(CONFIG_COLS) })
    }

    /// Gives the device a buffer; it sees it when it is told.
    fn lend(&mut self, slot: u16) {
        let place = self.input.phys() + u64::from(slot) * u64::from(SLOT);
        let _there_is_room = self.queue.add(slot, &[Part::writable(place, SLOT)]);
    }

    /// The next bytes that have come.
    fn bytes(&mut self) -> Option<Bytes> {
        let (slot, at, end) = match self.came.take() {
            Some(came) => came,
            None => {
                // A device that breaks the rules says nothing more.
                let used = self.queue.take().ok()??;
                (used.ticket, 0, used.written.min(SLOT) as usize)
            }
        };
        let mut bytes = [0; MAX];
        let part = &mut bytes[..(end - at).min(MAX)];
        self.input.read(usize::from(slot) * SLOT as usize + at, part);
        let next = at + part.len();
        let bytes = Bytes::split(part).0;
        if next < end {
            self.came = Some((slot, next, end));
        } else {
            self.lend(slot);
            self.queue.kick(&self.transport);
        }
        Some(bytes)
    }
}

impl<R: Registers, M: Memory> Source for Reader<R, M> {
    fn flags(&self) -> u32 {
        STDIN_TTY | STDOUT_TTY | STDERR_TTY
    }

    fn size(&self) -> Size {
        self.size
    }

    fn line(&self) -> u8 {
        self.line
    }

    fn poll(&mut self) -> Option<Event> {
        if self.is_new {
            self.is_new = false;
            let config = self.transport.acknowledge().is_ok_and(|reasons| reasons.config);
            let size = if config { self.read_size() } else { self.size };
            if size != self.size {
                self.size = size;
                return Some(Event::Resize(size));
            }
        }
        while let Some(bytes) = self.bytes() {
            if !bytes.as_slice().is_empty() {
                return Some(Event::Input(bytes));
            }
        }
        self.is_new = true;
        None
    }
}

#[cfg(test)]
mod tests;
