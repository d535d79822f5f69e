//! The registers of a device (4.2.2), and the state that they make it have (3.1).
//!
//! A vCPU that reads or acknowledges the interrupt status never waits. For everything else there is a lock, which a device holds while it
//! works; drivers touch the other registers only to set up and to reset.

use super::device::Io;
use super::queue::Queues;
use super::traffic::{Counts, Traffic};
use super::{Broken, Device, Interrupt, Line, Memory};
use std::sync::{Mutex, MutexGuard, PoisonError};
use virtio_bindings::virtio_config::{
    VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_FAILED, VIRTIO_CONFIG_S_FEATURES_OK,
    VIRTIO_CONFIG_S_NEEDS_RESET, VIRTIO_F_VERSION_1,
};
use virtio_bindings::virtio_mmio::*;
use virtio_bindings::virtio_ring::{VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC};

/// Bytes of the register window.
pub const SIZE: u64 = 0x1000;
/// Offset of the doorbell: the number of the queue is written there, 32 bits.
pub const DOORBELL: u64 = VIRTIO_MMIO_QUEUE_NOTIFY as u64;

const MAGIC: u32 = u32::from_le_bytes(*b"virt");
const VERSION: u32 = 2;
const VENDOR: u32 = u32::from_le_bytes(*b"ukvm");
const CONFIG: u64 = VIRTIO_MMIO_CONFIG as u64;
const TRANSPORT_FEATURES: u64 =
    1 << VIRTIO_F_VERSION_1 | 1 << VIRTIO_RING_F_EVENT_IDX | 1 << VIRTIO_RING_F_INDIRECT_DESC;

/// A device with its registers.
pub struct Mmio {
    name: String,
    memory: Memory,
    interrupt: Interrupt,
    traffic: Traffic,
    state: Mutex<State>,
}

struct State {
    device: Box<dyn Device>,
    queues: Queues,
    status: u32,
    features: u64,
    features_page: u32,
    driver_page: u32,
    queue: u32,
    generation: u32,
    /// Queues in which there is something that the device was not called for.
    more: Vec<usize>,
}

impl Mmio {
    /// `name` is for messages.
    pub fn new(
        name: impl Into<String>,
        device: Box<dyn Device>,
        memory: Memory,
        line: Box<dyn Line>,
    ) -> Self {
        let state = State {
            queues: Queues::new(device.queue_sizes()),
            device,
            status: 0,
            features: 0,
            features_page: 0,
            driver_page: 0,
            queue: 0,
            generation: 0,
            more: Vec::new(),
        };
        Self {
            name: name.into(),
            memory,
            interrupt: Interrupt::new(line),
            traffic: Traffic::default(),
            state: Mutex::new(state),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What has gone through it.
    pub fn counts(&self) -> Counts {
        self.traffic.counts(self.interrupt.raised())
    }

    /// Number of its queues.
    pub fn queues(&self) -> usize {
        self.lock().queues.len()
    }

    /// The driver reads `data.len()` bytes at `offset` of the window.
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        if let Some(offset) = offset.checked_sub(CONFIG) {
            return self.lock().device.read_config(offset as usize, data);
        }
        // Registers are read whole (4.2.2.2).
        let Ok(data) = <&mut [u8; 4]>::try_from(data) else { return };
        *data = self.register(offset as u32).to_le_bytes();
    }

    fn register(&self, offset: u32) -> u32 {
        if offset == VIRTIO_MMIO_INTERRUPT_STATUS {
            return self.interrupt.status();
        }
        let state = self.lock();
        match offset {
            VIRTIO_MMIO_MAGIC_VALUE => MAGIC,
            VIRTIO_MMIO_VERSION => VERSION,
            VIRTIO_MMIO_DEVICE_ID => state.device.id(),
            VIRTIO_MMIO_VENDOR_ID => VENDOR,
            VIRTIO_MMIO_DEVICE_FEATURES => half(state.offered(), state.features_page),
            VIRTIO_MMIO_QUEUE_NUM_MAX => state.queues.max_size(state.queue as usize),
            VIRTIO_MMIO_QUEUE_READY => state.queues.is_ready(state.queue as usize).into(),
            VIRTIO_MMIO_STATUS => state.status,
            VIRTIO_MMIO_CONFIG_GENERATION => state.generation,
            // There is no shared memory: its length is all ones (4.2.2).
            VIRTIO_MMIO_SHM_LEN_LOW..=VIRTIO_MMIO_SHM_BASE_HIGH => u32::MAX,
            _ => 0,
        }
    }

    /// Whether writing at `offset` of the window has the device itself do something, which takes what its backend takes; all other
    /// registers are but memory.
    pub fn involves_device(offset: u64) -> bool {
        offset >= CONFIG || matches!(offset as u32, VIRTIO_MMIO_STATUS | VIRTIO_MMIO_QUEUE_NOTIFY)
    }

    /// The driver writes `data` at `offset` of the window.
    pub fn write(&self, offset: u64, data: &[u8]) {
        if let Some(offset) = offset.checked_sub(CONFIG) {
            let mut state = self.lock();
            let (device, mut io) = state.parts(self);
            return device.write_config(offset as usize, data, &mut io);
        }
        let Ok(value) = <[u8; 4]>::try_from(data).map(u32::from_le_bytes) else { return };
        match offset as u32 {
            VIRTIO_MMIO_INTERRUPT_ACK => self.interrupt.acknowledge(value),
            // Its doorbell is an eventfd; who gets here has none, or writes it in an odd way.
            VIRTIO_MMIO_QUEUE_NOTIFY => {
                let mut more = self.doorbell(value as usize);
                while more {
                    more = self.again();
                }
            }
            VIRTIO_MMIO_STATUS => self.set_status(value),
            _ => {
                let done = self.lock().set_up(offset as u32, value, &self.memory);
                if let Err(broken) = done {
                    self.give_up(broken);
                }
            }
        }
    }

    /// The doorbell of queue `queue` has rung. True: there is more to do, by [`Self::again`].
    pub fn doorbell(&self, queue: usize) -> bool {
        self.work(|device, io| device.process(queue, io))
    }

    /// Source `source` of the device's backend has become ready. True: as for [`Self::doorbell`].
    pub fn ready(&self, source: usize) -> bool {
        self.work(|device, io| device.ready(source, io))
    }

    /// Goes on with what was left. True: as for [`Self::doorbell`].
    pub fn again(&self) -> bool {
        let more = std::mem::take(&mut self.lock().more);
        self.work(|device, io| more.into_iter().try_for_each(|queue| device.process(queue, io)))
    }

    /// Whether the driver has set the device going and it has not stopped since.
    pub fn is_active(&self) -> bool {
        self.lock().is_active()
    }

    /// Has the device do `job`, if it is active.
    fn work(&self, job: impl FnOnce(&mut dyn Device, &mut Io<'_>) -> Result<(), Broken>) -> bool {
        let mut state = self.lock();
        if !state.is_active() {
            return false;
        }
        state.queues.begin();
        let (device, mut io) = state.parts(self);
        let done = job(device, &mut io).and_then(|()| {
            state.queues.signal(&self.memory, &self.interrupt)?;
            let more = state.queues.listen(&self.memory)?;
            // What was left before is still there if this job was about something else.
            state.more.retain(|queue| !more.contains(queue));
            state.more.extend(more);
            Ok(())
        });
        if let Err(broken) = done {
            state.more.clear();
            drop(state);
            self.give_up(broken);
            return false;
        }
        !state.more.is_empty()
    }

    /// The driver broke the rules: the device stops, and tells it (2.1.2).
    fn give_up(&self, Broken(what): Broken) {
        tracing::warn!(
            "{}: the guest's driver broke the rules: {what}; the device stops until it is reset",
            self.name
        );
        self.lock().status |= VIRTIO_CONFIG_S_NEEDS_RESET;
        self.interrupt.config();
    }

    fn set_status(&self, value: u32) {
        let mut state = self.lock();
        if value == 0 {
            state.reset();
            return self.interrupt.acknowledge(u32::MAX);
        }
        // Bits are set one by one and stay until a reset (2.1.1).
        let new = value & 0xff & !VIRTIO_CONFIG_S_NEEDS_RESET & !state.status;
        if new & VIRTIO_CONFIG_S_FEATURES_OK != 0 && !state.features_are_fine() {
            state.status |= new & !VIRTIO_CONFIG_S_FEATURES_OK & !VIRTIO_CONFIG_S_DRIVER_OK;
            return;
        }
        state.status |= new;
        if new & VIRTIO_CONFIG_S_DRIVER_OK == 0 {
            return;
        }
        if state.status & VIRTIO_CONFIG_S_FEATURES_OK == 0 {
            drop(state);
            return self.give_up(Broken("a driver that is ready before its features are agreed upon"));
        }
        let (features, queues) = (state.features, state.queues.len());
        state.queues.set_event_idx(features & 1 << VIRTIO_RING_F_EVENT_IDX != 0);
        drop(state);
        // What was in the queues before is seen without a doorbell.
        let start = |device: &mut dyn Device, io: &mut Io<'_>| {
            device.activate(features, io)?;
            (0..queues).try_for_each(|queue| device.process(queue, io))
        };
        let mut more = self.work(start);
        while more {
            more = self.again();
        }
    }

    /// A thread that panicked has left nothing inconsistent.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What the device is offered to the driver with.
    fn offered(&self) -> u64 {
        self.device.features() | TRANSPORT_FEATURES
    }

    fn features_are_fine(&self) -> bool {
        self.features & !self.offered() == 0 && self.features & 1 << VIRTIO_F_VERSION_1 != 0
    }

    fn is_active(&self) -> bool {
        let stopped = VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED;
        self.status & (VIRTIO_CONFIG_S_DRIVER_OK | stopped) == VIRTIO_CONFIG_S_DRIVER_OK
    }

    fn parts<'a>(&'a mut self, mmio: &'a Mmio) -> (&'a mut dyn Device, Io<'a>) {
        let io = Io {
            memory: &mmio.memory,
            queues: &mut self.queues,
            interrupt: &mmio.interrupt,
            traffic: &mmio.traffic,
            generation: &mut self.generation,
        };
        (&mut *self.device, io)
    }

    fn reset(&mut self) {
        if self.status != 0 {
            self.device.reset();
        }
        self.queues.reset();
        self.more.clear();
        (self.status, self.features, self.features_page, self.driver_page, self.queue) = (0, 0, 0, 0, 0);
    }

    /// A register that matters only before the device is set going.
    fn set_up(&mut self, offset: u32, value: u32, memory: &Memory) -> Result<(), Broken> {
        let index = self.queue as usize;
        match offset {
            VIRTIO_MMIO_DEVICE_FEATURES_SEL => self.features_page = value,
            VIRTIO_MMIO_DRIVER_FEATURES_SEL => self.driver_page = value,
            VIRTIO_MMIO_DRIVER_FEATURES if self.status & VIRTIO_CONFIG_S_FEATURES_OK == 0 => {
                match self.driver_page {
                    0 => set_low(&mut self.features, value),
                    1 => set_high(&mut self.features, value),
                    _ => {}
                }
            }
            VIRTIO_MMIO_QUEUE_SEL => self.queue = value,
            VIRTIO_MMIO_QUEUE_READY if value == 0 => self.queues.make_unready(index),
            VIRTIO_MMIO_QUEUE_READY if !self.queues.is_ready(index) => {
                self.queues.make_ready(index, memory)?
            }
            _ => {
                let Some(setup) = self.queues.setup(index) else { return Ok(()) };
                match offset {
                    VIRTIO_MMIO_QUEUE_NUM => setup.size = value,
                    VIRTIO_MMIO_QUEUE_DESC_LOW => set_low(&mut setup.descriptors, value),
                    VIRTIO_MMIO_QUEUE_DESC_HIGH => set_high(&mut setup.descriptors, value),
                    VIRTIO_MMIO_QUEUE_AVAIL_LOW => set_low(&mut setup.available, value),
                    VIRTIO_MMIO_QUEUE_AVAIL_HIGH => set_high(&mut setup.available, value),
                    VIRTIO_MMIO_QUEUE_USED_LOW => set_low(&mut setup.used, value),
                    VIRTIO_MMIO_QUEUE_USED_HIGH => set_high(&mut setup.used, value),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn half(value: u64, page: u32) -> u32 {
    match page {
        0 => value as u32,
        1 => (value >> 32) as u32,
        _ => 0,
    }
}

fn set_low(value: &mut u64, low: u32) {
    *value = *value & !u64::from(u32::MAX) | u64::from(low);
}

fn set_high(value: &mut u64, high: u32) {
    *value = *value & u64::from(u32::MAX) | u64::from(high) << 32;
}

#[cfg(test)]
mod tests;
