//! Ports and memory, as the drivers see them.

#[cfg(test)]
pub mod mock;

/// I/O ports.
pub trait Ports {
    fn read_u8(&self, port: u16) -> u8;
    fn write_u8(&self, port: u16, value: u8);
    fn read_u32(&self, port: u16) -> u32;
    fn write_u32(&self, port: u16, value: u32);
}

/// Memory that others read and write too. Outside of it reads give zeros and writes are lost: drivers use
/// constant offsets or ones that they have cut to size.
pub trait Memory {
    fn read(&self, offset: usize, into: &mut [u8]);
    fn write(&self, offset: usize, from: &[u8]);
    fn read_u32(&self, offset: usize) -> u32;
    fn write_u32(&self, offset: usize, value: u32);
}
