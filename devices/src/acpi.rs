//! The registers of ACPI for hardware that has few (ACPI 6.5, 4.8.3.7 and 4.8.3.6): power-off and reset.
//!
//! A byte each: sleep control, sleep status, reset.

use crate::bus::{Effect, PortDevice};

/// Ports that it has.
pub const PORTS: u16 = 3;
pub const SLEEP_CONTROL: u16 = 0;
pub const SLEEP_STATUS: u16 = 1;
pub const RESET: u16 = 2;
/// What is written to [`RESET`].
pub const RESET_VALUE: u8 = 1;
/// The type of sleep that is power-off, as the object `_S5` says. There is no other sleep.
pub const SOFT_OFF: u8 = 5;

/// In the sleep control register: the type, and "go".
const TYPE_SHIFT: u8 = 2;
const TYPE_MASK: u8 = 7;
const ENABLE: u8 = 1 << 5;

/// The device. Its registers read as zero: the machine never wakes up from anything.
pub struct PowerPort;

impl PortDevice for PowerPort {
    fn read(&mut self, _offset: u16, data: &mut [u8]) {
        data.fill(0);
    }

    fn write(&mut self, offset: u16, data: &[u8]) -> Effect {
        match (offset, data) {
            (SLEEP_CONTROL, [value])
                if value & ENABLE != 0 && value >> TYPE_SHIFT & TYPE_MASK == SOFT_OFF =>
            {
                Effect::PowerOff
            }
            (RESET, [RESET_VALUE]) => Effect::Reset,
            _ => Effect::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_values_do_something() {
        let mut ends = Vec::new();
        for offset in 0..PORTS {
            for value in 0..=255 {
                match PowerPort.write(offset, &[value]) {
                    Effect::None => {}
                    effect => ends.push((offset, value, effect)),
                }
            }
        }
        let off = ends.iter().filter(|end| end.2 == Effect::PowerOff);
        // The other bits are reserved.
        assert!(off.clone().all(|&(offset, value, _)| offset == SLEEP_CONTROL && value & 0x3c == 0x34));
        assert_eq!(off.count(), 16);
        let reset: Vec<_> = ends.iter().filter(|end| end.2 == Effect::Reset).collect();
        assert_eq!(reset, [&(RESET, RESET_VALUE, Effect::Reset)]);
        assert_eq!(PowerPort.write(SLEEP_CONTROL, &[0x34, 0]), Effect::None, "the registers are bytes");
        assert_eq!(PowerPort.write(RESET, &[]), Effect::None);
    }

    #[test]
    fn registers_read_as_zero() {
        let mut data = [0xff; 3];
        PowerPort.read(SLEEP_STATUS, &mut data);
        assert_eq!(data, [0; 3]);
    }
}
