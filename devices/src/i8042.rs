//! The keyboard controller (i8042), by the `vm-superio` crate: no keyboard, but the oldest of a PC's ways to reset it.

use crate::bus::{Effect, PortDevice};
use std::cell::Cell;
use std::convert::Infallible;
use vm_superio::{I8042Device, Trigger};

/// Ports that it has, from [`vmm_abi::ports::I8042`].
pub const PORTS: u16 = 5;

/// Whether the guest has asked for a reset.
#[derive(Default)]
struct Reset(Cell<bool>);

impl Trigger for Reset {
    type E = Infallible;
    fn trigger(&self) -> Result<(), Infallible> {
        self.0.set(true);
        Ok(())
    }
}

/// The device.
pub struct I8042 {
    device: I8042Device<Reset>,
}

impl I8042 {
    pub fn new() -> Self {
        Self { device: I8042Device::new(Reset::default()) }
    }
}

impl Default for I8042 {
    fn default() -> Self {
        Self::new()
    }
}

impl PortDevice for I8042 {
    fn read(&mut self, offset: u16, data: &mut [u8]) {
        data.fill_with(|| self.device.read(offset as u8));
    }

    fn write(&mut self, offset: u16, data: &[u8]) -> Effect {
        for &byte in data {
            // The trigger cannot fail.
            let Ok(()) = self.device.write(offset as u8, byte).or(Ok::<(), Infallible>(()));
        }
        if self.device.reset_evt().0.take() { Effect::Reset } else { Effect::None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: u16 = 0;
    const COMMAND: u16 = 4;

    #[test]
    fn one_command_resets_the_machine() {
        let mut device = I8042::new();
        for command in 0..=255 {
            let expected = if command == 0xfe { Effect::Reset } else { Effect::None };
            assert_eq!(device.write(COMMAND, &[command]), expected, "{command:#x}");
        }
        assert_eq!(device.write(DATA, &[0xfe]), Effect::None);
        assert_eq!(device.write(COMMAND, &[]), Effect::None);
    }

    #[test]
    fn it_is_always_ready_for_a_command() {
        let mut status = [0xff];
        I8042::new().read(COMMAND, &mut status);
        assert_eq!(status, [0], "neither buffer is full");
    }
}
