//! I/O ports.
//!
//! The processor checks the right to a port (the task's I/O bitmap); an access without it is an exception,
//! and the server ends. Through its ports a server can tell a device to write to memory; a driver gives
//! devices only memory that it got from `root::dma`, none of which is Rust's.

use core::arch::asm;

/// An I/O port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Port(pub u16);

impl Port {
    pub fn read_u8(self) -> u8 {
        let value;
        // SAFETY: reads a register of a device; touches no memory (see the module's header for what the
        // device may do).
        unsafe { asm!("in al, dx", out("al") value, in("dx") self.0, options(nostack, preserves_flags)) };
        value
    }
    pub fn write_u8(self, value: u8) {
        // SAFETY: as in `read_u8`.
        unsafe { asm!("out dx, al", in("al") value, in("dx") self.0, options(nostack, preserves_flags)) };
    }
    pub fn read_u32(self) -> u32 {
        let value;
        // SAFETY: as in `read_u8`.
        unsafe { asm!("in eax, dx", out("eax") value, in("dx") self.0, options(nostack, preserves_flags)) };
        value
    }
    pub fn write_u32(self, value: u32) {
        // SAFETY: as in `read_u8`.
        unsafe { asm!("out dx, eax", in("eax") value, in("dx") self.0, options(nostack, preserves_flags)) };
    }
}
