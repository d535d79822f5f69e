//! Virtio over MMIO: from registers to a working device (virtio 1.2, 3.1 and 4.2.3).

use crate::Broken;
use crate::memory::Memory;
use crate::queue::Queue;
use crate::registers::*;

/// Feature bits of the transport (virtio 1.2, 6).
pub mod feature {
    pub const EVENT_INDEX: u64 = 1 << 29;
    pub const VERSION_1: u64 = 1 << 32;
}

/// Bits of the status register.
mod status {
    pub const ACKNOWLEDGE: u32 = 1;
    pub const DRIVER: u32 = 2;
    pub const DRIVER_OK: u32 = 4;
    pub const FEATURES_OK: u32 = 8;
    pub const NEEDS_RESET: u32 = 64;
    pub const FAILED: u32 = 128;
}

/// How often a device is asked whether it has been reset. QEMU's and ukvmm's are when the write has been done.
const RESET_TRIES: u32 = 10_000;

/// A device.
#[derive(Debug)]
pub struct Transport<R> {
    registers: R,
    features: u64,
}

/// Why an interrupt came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reasons {
    /// A request has been used up.
    pub used: bool,
    /// The configuration has changed.
    pub config: bool,
}

impl<R: Registers> Transport<R> {
    /// The device with this ID (virtio 1.2, 5), reset.
    pub fn claim(registers: R, id: u32) -> Result<Self, Broken> {
        if registers.read_u32(MAGIC) != MAGIC_VALUE {
            return Err(Broken("there is no virtio device"));
        }
        if registers.read_u32(VERSION) != VERSION_VALUE {
            return Err(Broken(
                "its interface is that from before virtio 1.0 (QEMU: -global virtio-mmio.force-legacy=off)",
            ));
        }
        if registers.read_u32(DEVICE_ID) != id {
            return Err(Broken("it is a device of another kind"));
        }
        let transport = Self { registers, features: 0 };
        transport.reset()?;
        Ok(transport)
    }

    /// The device forgets everything, and touches no memory any more.
    pub fn reset(&self) -> Result<(), Broken> {
        self.registers.write_u32(STATUS, 0);
        let done = (0..RESET_TRIES).any(|_| self.registers.read_u32(STATUS) == 0);
        if done { Ok(()) } else { Err(Broken("it does not reset")) }
    }

    /// After a reset: agrees on those features of `wanted` that the device has, which come back. [`feature::VERSION_1`] is
    /// needed and always wanted.
    pub fn negotiate(&mut self, wanted: u64) -> Result<u64, Broken> {
        let r = &self.registers;
        r.write_u32(STATUS, status::ACKNOWLEDGE);
        r.write_u32(STATUS, status::ACKNOWLEDGE | status::DRIVER);
        let half = |select| {
            r.write_u32(DEVICE_FEATURES_SELECT, select);
            u64::from(r.read_u32(DEVICE_FEATURES))
        };
        let agreed = (half(0) | half(1) << 32) & (wanted | feature::VERSION_1);
        if agreed & feature::VERSION_1 == 0 {
            return Err(self.give_up("it knows only the interface from before virtio 1.0"));
        }
        for select in 0..2 {
            r.write_u32(DRIVER_FEATURES_SELECT, select);
            r.write_u32(DRIVER_FEATURES, (agreed >> (32 * select)) as u32);
        }
        r.write_u32(STATUS, status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK);
        if r.read_u32(STATUS) & status::FEATURES_OK == 0 {
            return Err(self.give_up("it does not work with the features that it offered"));
        }
        self.features = agreed;
        Ok(agreed)
    }

    /// After [`Transport::negotiate`]: queue `index` in `memory`, with the largest size that both allow.
    pub fn queue<M: Memory>(&self, index: u16, memory: M) -> Result<Queue<M>, Broken> {
        let event_index = self.features & feature::EVENT_INDEX != 0;
        let queue =
            Queue::new(memory, self.size_max(index)?, event_index).ok_or(Broken("a queue is missing"))?;
        self.attach(index, &queue);
        Ok(queue)
    }

    /// After another reset, and [`Transport::negotiate`]: the same queue, empty.
    pub fn requeue<M: Memory>(&self, index: u16, queue: &mut Queue<M>) -> Result<(), Broken> {
        if self.size_max(index)? < queue.size().into() {
            return Err(Broken("a queue has become smaller"));
        }
        queue.restart(self.features & feature::EVENT_INDEX != 0);
        self.attach(index, queue);
        Ok(())
    }

    fn size_max(&self, index: u16) -> Result<u32, Broken> {
        self.registers.write_u32(QUEUE_SELECT, index.into());
        if self.registers.read_u32(QUEUE_READY) != 0 {
            return Err(Broken("a queue is ready before it has been set up"));
        }
        Ok(self.registers.read_u32(QUEUE_SIZE_MAX))
    }

    fn attach<M: Memory>(&self, index: u16, queue: &Queue<M>) {
        let r = &self.registers;
        r.write_u32(QUEUE_SELECT, index.into());
        r.write_u32(QUEUE_SIZE, queue.size().into());
        let [descriptors, available, used] = queue.addresses();
        for (register, address) in
            [(QUEUE_DESCRIPTORS, descriptors), (QUEUE_AVAILABLE, available), (QUEUE_USED, used)]
        {
            r.write_u32(register, address as u32);
            r.write_u32(register + 4, (address >> 32) as u32);
        }
        r.write_u32(QUEUE_READY, 1);
    }

    /// The device begins to work.
    pub fn start(&self) {
        use status::*;
        self.registers.write_u32(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
    }

    /// Rings the doorbell of queue `index`.
    pub fn notify(&self, index: u16) {
        self.registers.write_u32(QUEUE_NOTIFY, index.into());
    }

    /// Takes note of an interrupt. To be called before the queues are looked at: what comes later raises another.
    pub fn acknowledge(&self) -> Result<Reasons, Broken> {
        let pending = self.registers.read_u32(INTERRUPT_STATUS);
        if pending != 0 {
            self.registers.write_u32(INTERRUPT_ACK, pending);
        }
        let config = pending & 2 != 0;
        if config && self.registers.read_u32(STATUS) & status::NEEDS_RESET != 0 {
            return Err(Broken("it says that it needs a reset"));
        }
        Ok(Reasons { used: pending & 1 != 0, config })
    }

    /// Reads the configuration, whose fields belong together: again, until it has not changed meanwhile.
    pub fn config<T>(&self, mut read: impl FnMut(Config<'_, R>) -> T) -> T {
        let mut value;
        let mut generation = self.registers.read_u32(CONFIG_GENERATION);
        let mut tries = 0;
        loop {
            value = read(Config { registers: &self.registers });
            let now = self.registers.read_u32(CONFIG_GENERATION);
            tries += 1;
            // A device that never comes to rest is not waited for.
            if now == generation || tries == RESET_TRIES {
                return value;
            }
            generation = now;
        }
    }

    pub fn features(&self) -> u64 {
        self.features
    }

    /// The same device through other registers, for a second thread that has a queue of its own.
    pub const fn share<S>(&self, registers: S) -> Transport<S> {
        Transport { registers, features: self.features }
    }

    /// Whether the device has not said that it needs a reset.
    pub fn works(&self) -> bool {
        self.registers.read_u32(STATUS) & status::NEEDS_RESET == 0
    }

    fn give_up(&self, why: &'static str) -> Broken {
        self.registers.write_u32(STATUS, status::FAILED);
        Broken(why)
    }
}

/// The device's configuration. Offsets are from its beginning.
pub struct Config<'a, R> {
    registers: &'a R,
}

impl<R: Registers> Config<'_, R> {
    pub fn u8(&self, offset: usize) -> u8 {
        self.registers.read_u8(CONFIG + offset)
    }
    pub fn u16(&self, offset: usize) -> u16 {
        self.registers.read_u16(CONFIG + offset)
    }
    pub fn u32(&self, offset: usize) -> u32 {
        self.registers.read_u32(CONFIG + offset)
    }
    pub fn u64(&self, offset: usize) -> u64 {
        u64::from(self.u32(offset)) | u64::from(self.u32(offset + 4)) << 32
    }
}

#[cfg(test)]
mod tests;
