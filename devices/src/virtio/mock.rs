//! The driver's side: what tests, benches and fuzzers drive a device with.
//!
//! [`Driver`] sets a device up by its registers, as a driver does, and lays its queues out in the guest's memory. What it puts into them
//! may be right or wrong: [`Driver::put`] writes any descriptors.

use super::{Device, Line, Memory, Mmio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use vm_memory::{Bytes, GuestAddress};

/// Registers that a driver uses, by their offsets (4.2.2).
pub mod reg {
    pub const DEVICE_FEATURES: u64 = 0x10;
    pub const DEVICE_FEATURES_SEL: u64 = 0x14;
    pub const DRIVER_FEATURES: u64 = 0x20;
    pub const DRIVER_FEATURES_SEL: u64 = 0x24;
    pub const QUEUE_SEL: u64 = 0x30;
    pub const QUEUE_NUM_MAX: u64 = 0x34;
    pub const QUEUE_NUM: u64 = 0x38;
    pub const QUEUE_READY: u64 = 0x44;
    pub const QUEUE_NOTIFY: u64 = 0x50;
    pub const INTERRUPT_STATUS: u64 = 0x60;
    pub const INTERRUPT_ACK: u64 = 0x64;
    pub const STATUS: u64 = 0x70;
    pub const QUEUE_DESC: u64 = 0x80;
    pub const QUEUE_DRIVER: u64 = 0x90;
    pub const QUEUE_DEVICE: u64 = 0xa0;
    pub const CONFIG_GENERATION: u64 = 0xfc;
    pub const CONFIG: u64 = 0x100;
}

/// Bits of the status register (2.1).
pub mod status {
    pub const ACKNOWLEDGE: u32 = 1;
    pub const DRIVER: u32 = 2;
    pub const DRIVER_OK: u32 = 4;
    pub const FEATURES_OK: u32 = 8;
    pub const NEEDS_RESET: u32 = 0x40;
    pub const FAILED: u32 = 0x80;
}

pub const VERSION_1: u64 = 1 << 32;
pub const EVENT_IDX: u64 = 1 << 29;
pub const INDIRECT: u64 = 1 << 28;

/// Flags of descriptors (2.7.5).
pub const NEXT: u16 = 1;
pub const WRITE: u16 = 2;
pub const TABLE: u16 = 4;

/// Guest RAM of a [`Driver`]: the queues are at its begin, and from [`DATA`] on it is free.
pub const RAM: usize = 4 << 20;
pub const DATA: u64 = 0x20_0000;
/// Bytes from one queue's parts to the next's.
const QUEUE_STRIDE: u64 = 0x8000;
const AVAIL: u64 = 0x4000;
const USED: u64 = 0x5000;
const FIRST: u64 = 0x1_0000;

/// A descriptor as it lies in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Descriptor {
    pub addr: u64,
    pub len: u32,
    pub flags: u16,
    pub next: u16,
}

/// Counts interrupts.
#[derive(Clone, Default)]
pub struct Interrupts(Arc<AtomicU32>);

impl Interrupts {
    /// How many there were.
    pub fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Line for Interrupts {
    fn trigger(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Where a queue is, and how far the driver is with it.
struct Ring {
    size: u16,
    base: u64,
    /// Next free descriptor.
    next: u16,
    avail: u16,
    used: u16,
}

/// RAM for a [`Driver`].
pub fn ram() -> Memory {
    Memory::from_ranges(&[(GuestAddress(0), RAM)]).expect("RAM for a test")
}

/// A driver with its device and its memory.
pub struct Driver {
    pub mmio: Arc<Mmio>,
    pub memory: Memory,
    pub interrupts: Interrupts,
    rings: Vec<Ring>,
}

impl Driver {
    /// `device`, not set up yet.
    pub fn new(device: Box<dyn Device>) -> Self {
        Self::on(ram(), device)
    }

    /// The same, with RAM that the device's backend has already.
    pub fn on(memory: Memory, device: Box<dyn Device>) -> Self {
        let interrupts = Interrupts::default();
        let mmio = Mmio::new("device", device, memory.clone(), Box::new(interrupts.clone()));
        Self { mmio: Arc::new(mmio), memory, interrupts, rings: Vec::new() }
    }

    /// `device`, set up with all features that it offers and `wanted` has, and with its queues as large as they can be (256 at most).
    pub fn ready(device: Box<dyn Device>, wanted: u64) -> Self {
        let mut driver = Self::new(device);
        driver.set_up(wanted);
        driver
    }

    pub fn get(&self, register: u64) -> u32 {
        let mut data = [0; 4];
        self.mmio.read(register, &mut data);
        u32::from_le_bytes(data)
    }

    pub fn set(&self, register: u64, value: u32) {
        self.mmio.write(register, &value.to_le_bytes());
    }

    /// What the device offers.
    pub fn offered(&self) -> u64 {
        let page = |page| {
            self.set(reg::DEVICE_FEATURES_SEL, page);
            u64::from(self.get(reg::DEVICE_FEATURES))
        };
        page(0) | page(1) << 32
    }

    /// Does what 3.1.1 says, from the reset on.
    pub fn set_up(&mut self, wanted: u64) {
        let features = self.offered() & (wanted | VERSION_1);
        self.set(reg::STATUS, 0);
        self.set(reg::STATUS, status::ACKNOWLEDGE | status::DRIVER);
        for page in 0..2 {
            self.set(reg::DRIVER_FEATURES_SEL, page);
            self.set(reg::DRIVER_FEATURES, (features >> (32 * page)) as u32);
        }
        self.set(reg::STATUS, status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK);
        self.rings = (0..self.mmio.queues()).map(|index| self.set_up_queue(index as u32)).collect();
        let all = status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK | status::DRIVER_OK;
        self.set(reg::STATUS, all);
    }

    fn set_up_queue(&self, index: u32) -> Ring {
        let base = FIRST + u64::from(index) * QUEUE_STRIDE;
        self.set(reg::QUEUE_SEL, index);
        let size = self.get(reg::QUEUE_NUM_MAX).min(256);
        self.set(reg::QUEUE_NUM, size);
        for (register, addr) in
            [(reg::QUEUE_DESC, base), (reg::QUEUE_DRIVER, base + AVAIL), (reg::QUEUE_DEVICE, base + USED)]
        {
            self.set(register, addr as u32);
            self.set(register + 4, (addr >> 32) as u32);
        }
        self.store(base + AVAIL, &[0; 8]);
        self.store(base + USED, &[0; 8]);
        self.set(reg::QUEUE_READY, 1);
        Ring { size: size as u16, base, next: 0, avail: 0, used: 0 }
    }

    /// Writes `bytes` to the guest's memory.
    pub fn store(&self, addr: u64, bytes: &[u8]) {
        self.memory.write_slice(bytes, GuestAddress(addr)).expect("within a test's RAM");
    }

    /// Reads from the guest's memory.
    pub fn load(&self, addr: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.memory.read_slice(&mut bytes, GuestAddress(addr)).expect("within a test's RAM");
        bytes
    }

    /// Writes descriptor `index` of queue `queue`, or of the table at `table`.
    pub fn describe(&self, queue: usize, table: Option<u64>, index: u16, d: Descriptor) {
        let base = table.unwrap_or_else(|| self.rings[queue].base) + 16 * u64::from(index);
        self.store(base, &d.addr.to_le_bytes());
        self.store(base + 8, &d.len.to_le_bytes());
        self.store(base + 12, &d.flags.to_le_bytes());
        self.store(base + 14, &d.next.to_le_bytes());
    }

    /// Makes the chain that begins with descriptor `head` available, without a doorbell.
    pub fn offer(&mut self, queue: usize, head: u16) {
        let ring = &mut self.rings[queue];
        let at = ring.base + AVAIL + 4 + 2 * u64::from(ring.avail % ring.size);
        ring.avail = ring.avail.wrapping_add(1);
        let (base, avail) = (ring.base, ring.avail);
        self.store(at, &head.to_le_bytes());
        self.set_avail(base, avail);
    }

    /// Sets the available index of queue `queue`, to whatever.
    pub fn claim_available(&mut self, queue: usize, index: u16) {
        self.set_avail(self.rings[queue].base, index);
    }

    fn set_avail(&self, base: u64, index: u16) {
        self.store(base + AVAIL + 2, &index.to_le_bytes());
    }

    /// Puts a request into queue `queue`: buffers that the device reads and such that it writes, as (address, length). Returns its head.
    /// Without a doorbell.
    pub fn put(&mut self, queue: usize, readable: &[(u64, u32)], writable: &[(u64, u32)]) -> u16 {
        let count = readable.len() + writable.len();
        let (size, head) = (self.rings[queue].size, self.rings[queue].next);
        let buffers = readable.iter().map(|b| (b, 0)).chain(writable.iter().map(|b| (b, WRITE)));
        for (n, (&(addr, len), flags)) in buffers.enumerate() {
            let index = (head + n as u16) % size;
            let last = n + 1 == count;
            let next = if last { 0 } else { (index + 1) % size };
            let flags = flags | if last { 0 } else { NEXT };
            self.describe(queue, None, index, Descriptor { addr, len, flags, next });
        }
        self.rings[queue].next = (head + count as u16) % size;
        self.offer(queue, head);
        head
    }

    /// Rings the doorbell.
    pub fn ring(&self, queue: usize) {
        self.set(reg::QUEUE_NOTIFY, queue as u32);
    }

    /// Puts a request, rings, and takes the answer, which must be there then: the number of bytes that the device says it wrote.
    pub fn request(&mut self, queue: usize, readable: &[(u64, u32)], writable: &[(u64, u32)]) -> Option<u32> {
        let head = self.put(queue, readable, writable);
        self.ring(queue);
        self.take(queue).map(|(done, written)| {
            assert_eq!(done, head, "another request was answered");
            written
        })
    }

    /// The next answer: head and bytes written.
    pub fn take(&mut self, queue: usize) -> Option<(u16, u32)> {
        let (base, size, used) = {
            let ring = &self.rings[queue];
            (ring.base, ring.size, ring.used)
        };
        let index = u16::from_le_bytes(self.load(base + USED + 2, 2).try_into().expect("two bytes"));
        if index == used {
            return None;
        }
        let element = self.load(base + USED + 4 + 8 * u64::from(used % size), 8);
        self.rings[queue].used = used.wrapping_add(1);
        let word =
            |at: usize| u32::from_le_bytes([element[at], element[at + 1], element[at + 2], element[at + 3]]);
        Some((word(0) as u16, word(4)))
    }

    /// Whether the device has given up on this driver.
    pub fn is_broken(&self) -> bool {
        self.get(reg::STATUS) & status::NEEDS_RESET != 0
    }
}
