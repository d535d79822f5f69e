//! The exit port: the guest writes a value and the machine ends (as QEMU's `isa-debug-exit`).

use crate::bus::{Effect, PortDevice};

/// The device. It reads as zero.
pub struct ExitPort;

impl PortDevice for ExitPort {
    fn read(&mut self, _offset: u16, data: &mut [u8]) {
        data.fill(0);
    }

    fn write(&mut self, _offset: u16, data: &[u8]) -> Effect {
        let mut value = [0; 4];
        let n = data.len().min(4);
        value[..n].copy_from_slice(&data[..n]);
        Effect::Exit(u32::from_le_bytes(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_what_was_written() {
        assert_eq!(ExitPort.write(0, &[120]), Effect::Exit(120));
        assert_eq!(ExitPort.write(0, &[0x34, 0x12]), Effect::Exit(0x1234));
        assert_eq!(ExitPort.write(0, &[1, 0, 0, 0, 9]), Effect::Exit(1));
        assert_eq!(ExitPort.write(0, &[]), Effect::Exit(0));
    }
}
