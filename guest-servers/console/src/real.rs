//! Ports and memory of the machine.

use crate::hardware::{Memory, Ports};
use userlib::io::Port;
use userlib::window::Window;

/// The processor's ports.
#[derive(Clone, Copy, Debug)]
pub struct Machine;

impl Ports for Machine {
    fn read_u8(&self, port: u16) -> u8 {
        Port(port).read_u8()
    }
    fn write_u8(&self, port: u16, value: u8) {
        Port(port).write_u8(value);
    }
    fn read_u32(&self, port: u16) -> u32 {
        Port(port).read_u32()
    }
    fn write_u32(&self, port: u16, value: u32) {
        Port(port).write_u32(value);
    }
}

impl Memory for Window {
    fn read(&self, offset: usize, into: &mut [u8]) {
        if !Window::read(self, offset, into) {
            into.fill(0);
        }
    }
    fn write(&self, offset: usize, from: &[u8]) {
        let _inside = Window::write(self, offset, from);
    }
    fn read_u32(&self, offset: usize) -> u32 {
        Window::read_u32(self, offset).unwrap_or(0)
    }
    fn write_u32(&self, offset: usize, value: u32) {
        let _inside = Window::write_u32(self, offset, value);
    }
}
