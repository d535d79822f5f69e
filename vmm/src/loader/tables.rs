//! Page tables and GDT for the 64-bit entry.
//!
//! All of them are written before the first KVM_RUN: some KVMs never notice what the VMM does to the page tables of a
//! guest that has run.

use super::start_info::StartInfoError;
use crate::memory::GuestMemory;
use vm_memory::{Bytes, GuestAddress};

pub const GDT: u64 = 0x1000;
/// Bytes, less one.
pub const GDT_LIMIT: u16 = 4 * 8 - 1;
pub const CODE_SELECTOR: u16 = 0x10;
pub const DATA_SELECTOR: u16 = 0x18;
/// The boot stack grows down from here.
pub const STACK_TOP: u64 = 0x8000;
/// Root of the page tables.
pub const PML4: u64 = 0x9000;
const PDPT_LOW: u64 = 0xa000;
const PDPT_HIGH: u64 = 0xb000;
const PD: u64 = 0xc000;

/// Physical memory from 0 to here is mapped one to one, and from [`HIGH_BASE`].
pub const MAPPED: u64 = 1 << 30;
/// Where the kernel sees physical address 0.
pub const HIGH_BASE: u64 = 0xffff_ffff_8000_0000;

const PRESENT_WRITABLE: u64 = 0b11;
const LARGE_PAGE: u64 = 1 << 7;
/// Accessed and dirty, so that the CPU need not set them.
const USED: u64 = 0b11 << 5;

/// Flat 64-bit code, flat data; accessed (SDM vol. 3, 3.4.5).
const DESCRIPTORS: [u64; 4] = [0, 0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff];

/// Writes them.
pub fn write(memory: &GuestMemory) -> Result<(), StartInfoError> {
    let put = |address: u64, index: u64, value: u64| {
        memory.write_slice(&value.to_le_bytes(), GuestAddress(address + index * 8))
    };
    for (index, descriptor) in (0..).zip(DESCRIPTORS) {
        put(GDT, index, descriptor)?;
    }
    put(PML4, 0, PDPT_LOW | PRESENT_WRITABLE)?;
    put(PML4, HIGH_BASE >> 39 & 511, PDPT_HIGH | PRESENT_WRITABLE)?;
    put(PDPT_LOW, 0, PD | PRESENT_WRITABLE)?;
    put(PDPT_HIGH, HIGH_BASE >> 30 & 511, PD | PRESENT_WRITABLE)?;
    let directory: Vec<u8> =
        (0..512u64).flat_map(|i| (i << 21 | PRESENT_WRITABLE | LARGE_PAGE | USED).to_le_bytes()).collect();
    memory.write_slice(&directory, GuestAddress(PD))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the CPU does (SDM vol. 3, 4.5), for 2 MiB pages.
    fn translate(memory: &GuestMemory, address: u64) -> Option<u64> {
        let mut table = PML4;
        for shift in [39, 30, 21] {
            let entry: u64 = memory.read_obj(GuestAddress(table + (address >> shift & 511) * 8)).unwrap();
            if entry & 1 == 0 {
                return None;
            }
            if shift == 21 {
                return Some((entry & !0x1f_ffff) + (address & 0x1f_ffff));
            }
            table = entry & !0xfff;
        }
        None
    }

    #[test]
    fn the_first_gib_is_mapped_twice() {
        let memory = crate::memory::allocate(4 << 20).unwrap();
        write(&memory).unwrap();
        for phys in [0, 0x1234, 0x20_0000, MAPPED - 1] {
            assert_eq!(translate(&memory, phys), Some(phys));
            assert_eq!(translate(&memory, HIGH_BASE + phys), Some(phys));
        }
        assert_eq!(translate(&memory, MAPPED), None);
        assert_eq!(translate(&memory, HIGH_BASE - 1), None);
        assert_eq!(translate(&memory, HIGH_BASE + MAPPED), None);
    }
}
