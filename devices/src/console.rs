//! The shared-memory console (`vmm_abi::console`).
//!
//! It is in two halves, because output may block for as long as the host's pipe is full while input, which another thread
//! brings, must not wait for that: [`Console`] is the ports and prints, [`Input`] fills the ring. Nothing in the area is
//! trusted: the area must be RAM, lengths are cut, and the ring's indices only ever select a byte within the ring.

use crate::bus::{Effect, PortDevice};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vm_memory::{Bytes, GuestAddress, GuestMemory, Permissions};
use vmm_abi::console::{
    AREA_SIZE, CHANNEL_ERR, CHANNEL_OUT, COLS, DOORBELL_RX, FLAGS, ID, PORT_AREA, PORT_BASE, PORT_DOORBELL,
    ROWS, RX_EOF, RX_HEAD, RX_OFFSET, RX_SIZE, RX_TAIL, TX_OFFSET, TX_SIZE,
};

const AREA_PORT: u16 = PORT_AREA - PORT_BASE;
const DOORBELL_PORT: u16 = PORT_DOORBELL - PORT_BASE;

/// Which of the host's streams output goes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channel {
    Out,
    Err,
}

/// Where output goes. What to do when it cannot is the host's affair.
pub trait Output: Send {
    fn write(&mut self, channel: Channel, bytes: &[u8]);
}

/// What the device tells others.
pub trait Signals: Send {
    /// Raise the interrupt line (edge).
    fn interrupt(&self);
    /// The ring has room again, or is there for the first time.
    fn room(&self);
}

/// The half with the ring.
pub struct Input<M> {
    memory: M,
    signals: Box<dyn Signals>,
    /// Where the guest has put the area.
    area: Option<GuestAddress>,
    /// Bytes ever put into the ring.
    head: u32,
    flags: u32,
    /// Rows and columns.
    size: (u16, u16),
    ended: bool,
}

impl<M: GuestMemory> Input<M> {
    /// Whether the guest has given the device its area.
    pub fn is_claimed(&self) -> bool {
        self.area.is_some()
    }

    /// Whether it was told that there will be no more input.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Bytes that the ring has room for. 0 while there is no ring.
    pub fn room(&self) -> usize {
        let Some(tail) = self.area.and_then(|area| self.load(area, RX_TAIL)) else { return 0 };
        // A tail that is ahead of the head, or a ring behind it, is nonsense of the guest's: it gets nothing more.
        RX_SIZE.saturating_sub(self.head.wrapping_sub(tail) as usize)
    }

    /// Puts `bytes` into the ring, as many as there is room for, and returns their number.
    pub fn put(&mut self, bytes: &[u8]) -> usize {
        let Some(area) = self.area else { return 0 };
        let count = bytes.len().min(self.room());
        let start = self.head as usize % RX_SIZE;
        let (first, second) = bytes[..count].split_at(count.min(RX_SIZE - start));
        self.write(area, RX_OFFSET + start, first);
        self.write(area, RX_OFFSET, second);
        if count > 0 {
            self.head = self.head.wrapping_add(count as u32);
            self.store(area, RX_HEAD, self.head);
            self.signals.interrupt();
        }
        count
    }

    /// There will be no more input.
    pub fn end(&mut self) {
        self.ended = true;
        if let Some(area) = self.area {
            self.store(area, RX_EOF, 1);
            self.signals.interrupt();
        }
    }

    /// The host's terminal has a new size.
    pub fn resize(&mut self, size: (u16, u16)) {
        self.size = size;
        if let Some(area) = self.area {
            self.write_size(area);
            self.signals.interrupt();
        }
    }

    fn claim(&mut self, frame: u32) {
        let area = GuestAddress(u64::from(frame) << 12);
        if !area.0.is_multiple_of(AREA_SIZE as u64)
            || !self.memory.check_range(area, AREA_SIZE, Permissions::ReadWrite)
        {
            tracing::warn!("console: the guest's area at {:#x} is not 16 KiB of RAM; ignored", area.0);
            return;
        }
        self.area = Some(area);
        self.store(area, FLAGS, self.flags);
        self.write_size(area);
        // Empty, whatever the guest has in its tail.
        self.head = self.load(area, RX_TAIL).unwrap_or(0);
        self.store(area, RX_HEAD, self.head);
        self.store(area, RX_EOF, self.ended.into());
        self.signals.room();
    }

    fn write_size(&self, area: GuestAddress) {
        self.write(area, ROWS, &self.size.0.to_le_bytes());
        self.write(area, COLS, &self.size.1.to_le_bytes());
    }

    // The area was checked to be RAM, and RAM stays: none of these fails.

    fn write(&self, area: GuestAddress, offset: usize, bytes: &[u8]) {
        let done = self.memory.write_slice(bytes, GuestAddress(area.0 + offset as u64));
        debug_assert!(done.is_ok());
    }
    fn store(&self, area: GuestAddress, offset: usize, value: u32) {
        // Release: the guest that sees a new head must see the bytes before it.
        let at = GuestAddress(area.0 + offset as u64);
        let done = self.memory.store(value.to_le(), at, Ordering::Release);
        debug_assert!(done.is_ok());
    }
    fn load(&self, area: GuestAddress, offset: usize) -> Option<u32> {
        let at = GuestAddress(area.0 + offset as u64);
        self.memory.load::<u32>(at, Ordering::Acquire).ok().map(u32::from_le)
    }
}

/// The half with the ports.
pub struct Console<M> {
    input: Arc<Mutex<Input<M>>>,
    memory: M,
    output: Box<dyn Output>,
    buffer: Vec<u8>,
}

impl<M: GuestMemory + Clone> Console<M> {
    /// `flags` is what the guest finds at `FLAGS`, `size` the terminal's rows and columns.
    pub fn new(
        memory: M,
        flags: u32,
        size: (u16, u16),
        output: Box<dyn Output>,
        signals: Box<dyn Signals>,
    ) -> Self {
        let input = Input { memory: memory.clone(), signals, area: None, head: 0, flags, size, ended: false };
        Self { input: Arc::new(Mutex::new(input)), memory, output, buffer: Vec::new() }
    }

    /// The other half, for whoever brings the input.
    pub fn input(&self) -> Arc<Mutex<Input<M>>> {
        self.input.clone()
    }

    fn print(&mut self, channel: u32, len: usize) {
        // The lock must not be held while the output blocks.
        let Some(area) = lock(&self.input).area else {
            tracing::warn!("console: the guest prints before it has said where its area is; ignored");
            return;
        };
        let channel = match channel {
            CHANNEL_OUT => Channel::Out,
            CHANNEL_ERR => Channel::Err,
            other => {
                tracing::warn!("console: the guest prints on channel {other}, which there is not; ignored");
                return;
            }
        };
        if len > TX_SIZE {
            tracing::warn!("console: the guest prints {len} bytes at once; the first {TX_SIZE} are taken");
        }
        self.buffer.resize(len.min(TX_SIZE), 0);
        match self.memory.read_slice(&mut self.buffer, GuestAddress(area.0 + TX_OFFSET as u64)) {
            Ok(()) => self.output.write(channel, &self.buffer),
            Err(error) => tracing::error!(%error, "console: cannot read the guest's area"),
        }
    }
}

/// The lock of one half of a device; a thread that panicked with it has left nothing inconsistent.
fn lock<T>(half: &Mutex<T>) -> MutexGuard<'_, T> {
    half.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<M: GuestMemory + Clone + Send> PortDevice for Console<M> {
    fn read(&mut self, offset: u16, data: &mut [u8]) {
        data.fill(0xff);
        if offset == AREA_PORT && data.len() == 4 {
            data.copy_from_slice(&ID.to_le_bytes());
        }
    }

    fn write(&mut self, offset: u16, data: &[u8]) -> Effect {
        let Ok(value) = <[u8; 4]>::try_from(data).map(u32::from_le_bytes) else {
            tracing::warn!(
                "console: the guest writes {} bytes to port {offset}; only 4 mean something",
                data.len()
            );
            return Effect::None;
        };
        match offset {
            AREA_PORT => lock(&self.input).claim(value),
            DOORBELL_PORT if value == DOORBELL_RX => lock(&self.input).signals.room(),
            DOORBELL_PORT => self.print(value >> 24, (value & 0xff_ffff) as usize),
            _ => tracing::warn!("console: the guest writes to port {offset}, which means nothing"),
        }
        Effect::None
    }
}

#[cfg(test)]
mod tests;
