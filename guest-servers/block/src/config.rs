//! What a virtio disk says of itself (virtio 1.2, 5.2.3 and 5.2.4).

use driver::transport::Config;
use driver::{Broken, Registers};
use proto::block::{Disk, SECTOR};

/// Feature bits.
pub mod feature {
    pub const SIZE_MAX: u64 = 1 << 1;
    pub const READ_ONLY: u64 = 1 << 5;
    pub const BLOCK_SIZE: u64 = 1 << 6;
    pub const FLUSH: u64 = 1 << 9;
    pub const DISCARD: u64 = 1 << 13;
    pub const WRITE_ZEROES: u64 = 1 << 14;
    /// All that the driver makes use of.
    pub const WANTED: u64 = SIZE_MAX | READ_ONLY | BLOCK_SIZE | FLUSH | DISCARD | WRITE_ZEROES;
}

/// Offsets.
const CAPACITY: usize = 0;
const SIZE_MAX: usize = 8;
const BLOCK_SIZE: usize = 20;
const DISCARD_SECTORS: usize = 36;
const ZEROES_SECTORS: usize = 48;

/// Most bytes of one transfer, if the device names no limit.
const TRANSFER_MAX: u32 = 4 << 20;

/// The disk as clients see it, from what the device says, after `features` have been agreed on.
pub fn disk<R: Registers>(config: &Config<'_, R>, features: u64) -> Result<Disk, Broken> {
    let has = |bit: u64| features & bit != 0;
    let of = |bit: u64, offset: usize, otherwise: u32| if has(bit) { config.u32(offset) } else { otherwise };
    let transfer_max =
        of(feature::SIZE_MAX, SIZE_MAX, TRANSFER_MAX).min(TRANSFER_MAX) / SECTOR as u32 * SECTOR as u32;
    let block_size = of(feature::BLOCK_SIZE, BLOCK_SIZE, SECTOR as u32);
    if transfer_max == 0 {
        return Err(Broken("it transfers less than a sector at a time"));
    }
    if !block_size.is_power_of_two() || block_size < SECTOR as u32 {
        return Err(Broken("its blocks have an impossible size"));
    }
    Ok(Disk {
        sectors: config.u64(CAPACITY),
        transfer_max,
        discard_max: of(feature::DISCARD, DISCARD_SECTORS, 0),
        zeroes_max: of(feature::WRITE_ZEROES, ZEROES_SECTORS, 0),
        read_only: has(feature::READ_ONLY),
        block_size,
    })
}
