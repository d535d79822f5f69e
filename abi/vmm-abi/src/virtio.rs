//! Where virtio devices are (virtio 1.2, 4.2: over MMIO), and how the guest learns of them.
//!
//! Device *n* has a page of registers at [`base`]`(n)` and interrupt line [`LINES`]`[n]`, edge-triggered. Our guests find a word for each on
//! their command line, as Linux has it (`Documentation/admin-guide/kernel-parameters.txt`) and as QEMU's machine `microvm` writes it:
//!
//! ```text
//! virtio_mmio.device=4K@0xfeb00000:16
//! ```
//!
//! What a device is its register DeviceID says. The order is that of the devices on the command line of `ukvmm`, kind by kind.

/// What the word of a device begins with.
pub const WORD: &str = "virtio_mmio.device=";
/// Bytes of a device's registers, and from one's to the next's.
pub const SIZE: u64 = 0x1000;
/// Registers of the first device: in the hole below the IOAPIC, which no RAM reaches.
pub const BASE: u64 = 0xfeb0_0000;
/// Interrupt lines: those that nothing of a PC has, first those that only the IOAPIC has.
pub const LINES: [u8; 12] = [16, 17, 18, 19, 20, 21, 22, 23, 10, 11, 14, 15];
/// Most devices that a machine has.
pub const DEVICES_MAX: usize = LINES.len();

/// Registers of device `n`.
pub const fn base(n: usize) -> u64 {
    BASE + n as u64 * SIZE
}
