//! Memory and a device for tests. The device keeps the rules of virtio-mmio, or breaks them as it is told.

pub mod server;

use crate::memory::Memory;
use crate::registers::*;
use std::cell::RefCell;
use std::rc::Rc;
use std::vec::Vec;

/// Physical address of the mock's memory.
pub const BASE: u64 = 0x10_0000;
const QUEUES: usize = 4;

/// A request as the device sees it.
pub struct Request<'a> {
    pub queue: usize,
    /// What the driver lets it read, part after part.
    pub readable: Vec<u8>,
    /// Where it may write: physical address and length.
    pub writable: Vec<(u64, u32)>,
    ram: &'a mut Vec<u8>,
}

impl Request<'_> {
    /// Writes to the writable parts from byte `at` on, as far as they go.
    pub fn write(&mut self, mut at: usize, bytes: &[u8]) {
        let mut bytes = bytes;
        for &(phys, len) in &self.writable {
            let skip = at.min(len as usize);
            let part = bytes.len().min(len as usize - skip);
            let start = (phys - BASE) as usize + skip;
            self.ram[start..start + part].copy_from_slice(&bytes[..part]);
            (at, bytes) = (at - skip, &bytes[part..]);
        }
    }
    /// Bytes of the writable parts.
    pub fn room(&self) -> usize {
        self.writable.iter().map(|w| w.1 as usize).sum()
    }
}

/// What a device does with a request: bytes that it says it has written, or `None` if it never answers.
pub type Serve = Box<dyn FnMut(&mut Request) -> Option<u32>>;

/// How a device misbehaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    /// Doorbells are not heard.
    pub deaf: bool,
    /// It never comes out of reset.
    pub never_resets: bool,
    /// It does not accept the features that it offered.
    pub refuses_features: bool,
    /// This is put into the used ring instead of the chain's head.
    pub used_id: Option<u32>,
    /// This is added to the used index once more than there was.
    pub used_ahead: u16,
    /// This is said to have been written.
    pub written: Option<u32>,
}

#[derive(Clone, Copy, Default)]
struct QueueState {
    size: u32,
    ready: bool,
    addresses: [u64; 3],
    seen: u16,
    used: u16,
}

/// A request that has not been answered.
struct Held {
    queue: usize,
    head: u16,
    writable: Vec<(u64, u32)>,
}

struct Device {
    ram: Vec<u8>,
    /// How much of it has been given out.
    given: usize,
    version: u32,
    id: u32,
    offers: u64,
    accepted: u64,
    config: Vec<u8>,
    status: u32,
    interrupts: u32,
    select: [u32; 3],
    queues: [QueueState; QUEUES],
    resets: u32,
    doorbells: u32,
    /// Requests that have not been answered.
    held: Vec<Held>,
    faults: Faults,
    /// The faults end with the next reset.
    once: bool,
    serve: Serve,
}

/// A machine with one device; a handle, of which there may be several.
#[derive(Clone)]
pub struct Machine(Rc<RefCell<Device>>);

impl Machine {
    /// With a device of kind `id` that offers `features` (without `VERSION_1`, which it always has) and answers by `serve`.
    pub fn new(id: u32, features: u64, config: &[u8], serve: Serve) -> Self {
        let offers = features | crate::transport::feature::VERSION_1;
        Self(Rc::new(RefCell::new(Device {
            ram: vec![0; 4 << 20],
            given: 0,
            version: VERSION_VALUE,
            id,
            offers,
            accepted: 0,
            config: config.to_vec(),
            status: 0,
            interrupts: 0,
            select: [0; 3],
            queues: [QueueState::default(); QUEUES],
            resets: 0,
            doorbells: 0,
            held: Vec::new(),
            faults: Faults::default(),
            once: false,
            serve,
        })))
    }

    /// `size` bytes of its memory that nobody has yet, aligned to a page.
    pub fn memory(&self, size: usize) -> Ram {
        let mut device = self.0.borrow_mut();
        let start = device.given;
        device.given += size.next_multiple_of(4096);
        assert!(device.given <= device.ram.len(), "the mock's memory is used up");
        Ram { machine: self.clone(), start, size }
    }

    pub fn fault(&self, faults: Faults) {
        self.0.borrow_mut().faults = faults;
    }
    /// As [`Machine::fault`], until it is reset.
    pub fn fault_once(&self, faults: Faults) {
        self.fault(faults);
        self.0.borrow_mut().once = true;
    }
    pub fn set_version(&self, version: u32) {
        self.0.borrow_mut().version = version;
    }
    pub fn set_config(&self, config: &[u8]) {
        self.0.borrow_mut().config = config.to_vec();
    }
    /// Sets NEEDS_RESET, with its interrupt.
    pub fn need_reset(&self) {
        let mut device = self.0.borrow_mut();
        device.status |= 64;
        device.interrupts |= 2;
    }
    /// Answers what was held back while it was deaf, or has become possible.
    pub fn hear(&self) {
        let mut device = self.0.borrow_mut();
        (0..QUEUES).for_each(|queue| device.process(queue));
    }
    /// Answers the oldest request of a queue that has not been answered: with these bytes. False if there is none.
    pub fn answer(&self, queue: usize, bytes: &[u8]) -> bool {
        let device = &mut *self.0.borrow_mut();
        let Some(at) = device.held.iter().position(|held| held.queue == queue) else { return false };
        let Held { head, writable, .. } = device.held.remove(at);
        let mut request = Request { queue, readable: Vec::new(), writable, ram: &mut device.ram };
        request.write(0, bytes);
        let written = bytes.len().min(request.room());
        device.push(queue, head, written as u32);
        true
    }
    /// As [`Machine::set_config`], and the driver is told.
    pub fn change_config(&self, config: &[u8]) {
        self.set_config(config);
        self.0.borrow_mut().interrupts |= 2;
    }
    pub fn resets(&self) -> u32 {
        self.0.borrow().resets
    }
    pub fn doorbells(&self) -> u32 {
        self.0.borrow().doorbells
    }
    pub fn accepted(&self) -> u64 {
        self.0.borrow().accepted
    }
    /// Whether an interrupt is pending.
    pub fn interrupts(&self) -> bool {
        self.0.borrow().interrupts != 0
    }
}

impl Registers for Machine {
    fn read_u8(&self, offset: usize) -> u8 {
        offset.checked_sub(CONFIG).and_then(|at| self.0.borrow().config.get(at).copied()).unwrap_or(!0)
    }
    fn read_u16(&self, offset: usize) -> u16 {
        u16::from_le_bytes([self.read_u8(offset), self.read_u8(offset + 1)])
    }
    fn read_u32(&self, offset: usize) -> u32 {
        if offset >= CONFIG {
            return u32::from(self.read_u16(offset)) | u32::from(self.read_u16(offset + 2)) << 16;
        }
        self.0.borrow().read(offset)
    }
    fn write_u32(&self, offset: usize, value: u32) {
        self.0.borrow_mut().write(offset, value);
    }
}

impl Device {
    fn read(&self, offset: usize) -> u32 {
        let queue = self.queues.get(self.select[2] as usize);
        match offset {
            MAGIC => MAGIC_VALUE,
            VERSION => self.version,
            DEVICE_ID => self.id,
            DEVICE_FEATURES => (self.offers >> (32 * (self.select[0] & 1))) as u32,
            QUEUE_SIZE_MAX => queue.map_or(0, |_| 64),
            QUEUE_READY => queue.is_some_and(|q| q.ready).into(),
            INTERRUPT_STATUS => self.interrupts,
            STATUS => self.status,
            CONFIG_GENERATION => 0,
            _ => panic!("the driver reads register {offset:#x}"),
        }
    }

    fn write(&mut self, offset: usize, value: u32) {
        let queue = (self.select[2] as usize).min(QUEUES - 1);
        match offset {
            STATUS if value == 0 => self.reset(),
            STATUS if self.faults.refuses_features => self.status = value & !8,
            STATUS => self.status = value,
            DEVICE_FEATURES_SELECT => self.select[0] = value,
            DRIVER_FEATURES_SELECT => self.select[1] = value,
            QUEUE_SELECT => self.select[2] = value,
            DRIVER_FEATURES => self.accepted |= u64::from(value) << (32 * (self.select[1] & 1)),
            QUEUE_SIZE => self.queues[queue].size = value,
            QUEUE_READY => self.queues[queue].ready = value == 1,
            QUEUE_NOTIFY => {
                self.doorbells += 1;
                if !self.faults.deaf {
                    self.process(value as usize);
                }
            }
            INTERRUPT_ACK => self.interrupts &= !value,
            QUEUE_DESCRIPTORS..0xa8 => {
                let (which, high) = ((offset - QUEUE_DESCRIPTORS) / 16, offset % 16 / 4);
                self.queues[queue].addresses[which] |= u64::from(value) << (32 * high);
            }
            _ => panic!("the driver writes {value:#x} to register {offset:#x}"),
        }
    }

    fn reset(&mut self) {
        self.resets += 1;
        if core::mem::take(&mut self.once) {
            self.faults = Faults::default();
        }
        self.status = if self.faults.never_resets { self.status | 1 } else { 0 };
        (self.accepted, self.interrupts) = (0, 0);
        self.held.clear();
        self.queues = [QueueState::default(); QUEUES];
    }

    fn u16(&self, phys: u64) -> u16 {
        let at = (phys - BASE) as usize;
        u16::from_le_bytes([self.ram[at], self.ram[at + 1]])
    }

    fn put(&mut self, phys: u64, bytes: &[u8]) {
        let at = (phys - BASE) as usize;
        self.ram[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Serves what is new in a queue.
    fn process(&mut self, index: usize) {
        let Some(queue) = self.queues.get(index).copied().filter(|q| q.ready && self.status & 4 != 0) else {
            return;
        };
        let [_, available, _] = queue.addresses;
        while self.queues[index].seen != self.u16(available + 2) {
            let place = u64::from(self.queues[index].seen) % u64::from(queue.size);
            let head = self.u16(available + 4 + 2 * place);
            self.queues[index].seen = self.queues[index].seen.wrapping_add(1);
            let (readable, writable) = self.chain(queue.addresses[0], head);
            let mut serve = core::mem::replace(&mut self.serve, Box::new(|_| None));
            let parts = writable.clone();
            let written = serve(&mut Request { queue: index, readable, writable, ram: &mut self.ram });
            self.serve = serve;
            match written {
                Some(written) => self.push(index, head, written),
                None => self.held.push(Held { queue: index, head, writable: parts }),
            }
        }
        self.ask_for_doorbell(index);
    }

    fn chain(&self, table: u64, head: u16) -> (Vec<u8>, Vec<(u64, u32)>) {
        let (mut readable, mut writable, mut at) = (Vec::new(), Vec::new(), head);
        loop {
            let start = (table - BASE) as usize + 16 * usize::from(at);
            let bytes = &self.ram[start..start + 16];
            let phys = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes"));
            let len = u32::from_le_bytes(bytes[8..12].try_into().expect("4 bytes"));
            let (flags, next) = (bytes[12], u16::from_le_bytes([bytes[14], bytes[15]]));
            let from = (phys - BASE) as usize;
            if flags & 2 != 0 {
                writable.push((phys, len));
            } else {
                assert!(writable.is_empty(), "readable parts come first");
                readable.extend_from_slice(&self.ram[from..from + len as usize]);
            }
            if flags & 1 == 0 {
                return (readable, writable);
            }
            at = next;
        }
    }

    fn push(&mut self, index: usize, head: u16, written: u32) {
        let queue = self.queues[index];
        let used = queue.addresses[2];
        let place = used + 4 + 8 * (u64::from(queue.used) % u64::from(queue.size));
        let (id, written) =
            (self.faults.used_id.unwrap_or(head.into()), self.faults.written.unwrap_or(written));
        self.put(place, &id.to_le_bytes());
        self.put(place + 4, &written.to_le_bytes());
        let now = queue.used.wrapping_add(1);
        self.queues[index].used = now;
        self.put(used + 2, &now.wrapping_add(self.faults.used_ahead).to_le_bytes());
        let [_, available, _] = queue.addresses;
        let wanted = if self.accepted & crate::transport::feature::EVENT_INDEX != 0 {
            self.u16(available + 4 + 2 * u64::from(queue.size)) == queue.used
        } else {
            self.u16(available) & 1 == 0
        };
        if wanted {
            self.interrupts |= 1;
        }
    }

    /// With event index: the next request is to ring the bell.
    fn ask_for_doorbell(&mut self, index: usize) {
        let queue = self.queues[index];
        if self.accepted & crate::transport::feature::EVENT_INDEX != 0 {
            let event = queue.addresses[2] + 4 + 8 * u64::from(queue.size);
            self.put(event, &queue.seen.to_le_bytes());
        }
    }
}

/// A part of a mock's memory.
pub struct Ram {
    machine: Machine,
    start: usize,
    size: usize,
}

impl Memory for Ram {
    fn phys(&self) -> u64 {
        BASE + self.start as u64
    }
    fn size(&self) -> usize {
        self.size
    }
    fn read(&self, offset: usize, into: &mut [u8]) {
        into.fill(0);
        if offset.checked_add(into.len()).is_some_and(|end| end <= self.size) {
            let from = self.start + offset;
            into.copy_from_slice(&self.machine.0.borrow().ram[from..from + into.len()]);
        }
    }
    fn write(&self, offset: usize, from: &[u8]) {
        if offset.checked_add(from.len()).is_some_and(|end| end <= self.size) {
            let to = self.start + offset;
            self.machine.0.borrow_mut().ram[to..to + from.len()].copy_from_slice(from);
        }
    }
    fn load_u16(&self, offset: usize) -> u16 {
        let mut bytes = [0; 2];
        self.read(offset, &mut bytes);
        u16::from_le_bytes(bytes)
    }
    fn store_u16(&self, offset: usize, value: u16) {
        self.write(offset, &value.to_le_bytes());
    }
    fn split(self, at: usize) -> Option<(Self, Self)> {
        let rest = self.size.checked_sub(at)?;
        let second = Self { machine: self.machine.clone(), start: self.start + at, size: rest };
        Some((Self { size: at, ..self }, second))
    }
}

/// A second view of the same memory: the other side of a region.
impl Clone for Ram {
    fn clone(&self) -> Self {
        Self { machine: self.machine.clone(), start: self.start, size: self.size }
    }
}
