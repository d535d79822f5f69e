//! The I/O ports and who answers them.
//!
//! A handful of devices: a list that is searched is faster than a map would be.

use std::sync::{Arc, Mutex, PoisonError};

/// What an access means for the machine as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Effect {
    None,
    /// The guest has ended the machine, with this value.
    Exit(u32),
    /// The guest has switched the machine off.
    PowerOff,
    /// The guest has asked for the machine to be reset.
    Reset,
}

/// A device with I/O ports. `offset` counts from its first port. `data` is as long as the access: 1, 2 or 4 bytes, or a
/// multiple of that for a string instruction.
pub trait PortDevice: Send {
    fn read(&mut self, offset: u16, data: &mut [u8]);
    fn write(&mut self, offset: u16, data: &[u8]) -> Effect;
}

struct Slot {
    first: u16,
    count: u16,
    device: Arc<Mutex<dyn PortDevice>>,
}

/// The ports of the machine. Ports that no device has read as all ones, and writes to them are lost.
#[derive(Default)]
pub struct PortBus {
    slots: Vec<Slot>,
}

impl PortBus {
    /// Gives `device` the `count` ports from `first`. Of two devices at one port the earlier answers.
    pub fn add(&mut self, first: u16, count: u16, device: Arc<Mutex<dyn PortDevice>>) {
        self.slots.push(Slot { first, count, device });
    }

    fn find(&self, port: u16) -> Option<(&Slot, u16)> {
        self.slots.iter().find_map(|slot| {
            let offset = port.checked_sub(slot.first)?;
            (offset < slot.count).then_some((slot, offset))
        })
    }

    /// Fills `data`. False if no device has the port.
    pub fn read(&self, port: u16, data: &mut [u8]) -> bool {
        data.fill(0xff);
        let Some((slot, offset)) = self.find(port) else { return false };
        slot.device.lock().unwrap_or_else(PoisonError::into_inner).read(offset, data);
        true
    }

    /// `None` if no device has the port.
    pub fn write(&self, port: u16, data: &[u8]) -> Option<Effect> {
        let (slot, offset) = self.find(port)?;
        Some(slot.device.lock().unwrap_or_else(PoisonError::into_inner).write(offset, data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Latch(u16, Vec<u8>);

    impl PortDevice for Latch {
        fn read(&mut self, offset: u16, data: &mut [u8]) {
            data[0] = offset as u8;
        }
        fn write(&mut self, offset: u16, data: &[u8]) -> Effect {
            self.0 = offset;
            self.1 = data.to_vec();
            Effect::Exit(7)
        }
    }

    #[test]
    fn an_access_goes_to_the_device_that_has_the_port() {
        let latch = Arc::new(Mutex::new(Latch(0, Vec::new())));
        let mut bus = PortBus::default();
        bus.add(0xfff8, 8, latch.clone());
        assert_eq!(bus.write(0xffff, &[1, 2]), Some(Effect::Exit(7)));
        {
            let latch = latch.lock().unwrap();
            assert_eq!((latch.0, latch.1.as_slice()), (7, &[1, 2][..]));
        }
        let mut data = [0; 2];
        assert!(bus.read(0xfff9, &mut data));
        assert_eq!(data, [1, 0xff]);
    }

    #[test]
    fn a_port_without_a_device_reads_as_all_ones() {
        let mut bus = PortBus::default();
        bus.add(8, 8, Arc::new(Mutex::new(Latch(0, Vec::new()))));
        for port in [7, 16, 0, 0xffff] {
            let mut data = [0; 4];
            assert!(!bus.read(port, &mut data));
            assert_eq!(data, [0xff; 4]);
            assert_eq!(bus.write(port, &[0]), None);
        }
    }
}
