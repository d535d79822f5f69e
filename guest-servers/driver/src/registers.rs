//! The registers of a virtio-mmio device (virtio 1.2, 4.2.2).

/// One device's registers. Offsets are from their beginning; accesses outside of it read as all ones and write nothing.
pub trait Registers {
    fn read_u8(&self, offset: usize) -> u8;
    fn read_u16(&self, offset: usize) -> u16;
    fn read_u32(&self, offset: usize) -> u32;
    fn write_u32(&self, offset: usize, value: u32);
}

pub const MAGIC: usize = 0x000;
pub const VERSION: usize = 0x004;
pub const DEVICE_ID: usize = 0x008;
pub const DEVICE_FEATURES: usize = 0x010;
pub const DEVICE_FEATURES_SELECT: usize = 0x014;
pub const DRIVER_FEATURES: usize = 0x020;
pub const DRIVER_FEATURES_SELECT: usize = 0x024;
pub const QUEUE_SELECT: usize = 0x030;
pub const QUEUE_SIZE_MAX: usize = 0x034;
pub const QUEUE_SIZE: usize = 0x038;
pub const QUEUE_READY: usize = 0x044;
pub const QUEUE_NOTIFY: usize = 0x050;
pub const INTERRUPT_STATUS: usize = 0x060;
pub const INTERRUPT_ACK: usize = 0x064;
pub const STATUS: usize = 0x070;
pub const QUEUE_DESCRIPTORS: usize = 0x080;
pub const QUEUE_AVAILABLE: usize = 0x090;
pub const QUEUE_USED: usize = 0x0a0;
pub const CONFIG_GENERATION: usize = 0x0fc;
pub const CONFIG: usize = 0x100;

/// What [`MAGIC`] reads as: "virt".
pub const MAGIC_VALUE: u32 = u32::from_le_bytes(*b"virt");
/// What [`VERSION`] reads as; 1 is the interface from before virtio 1.0.
pub const VERSION_VALUE: u32 = 2;
