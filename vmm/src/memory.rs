//! The guest's RAM: one anonymous mapping of ours.
//!
//! It begins at a 2-MiB boundary and asks for huge pages, because on some KVMs a page's first touch costs 20 µs and a
//! huge page's costs hardly more. Of all of it, only what booting will touch is populated beforehand ([`populate`]):
//! zeroing 256 MiB would take longer than everything else that happens before the guest runs.
//!
//! Guest-physical addresses from 3 to 4 GiB are left to the interrupt controllers; RAM goes on above.

use crate::acpi;
use std::ops::Range;
use std::{io, ptr};
use vm_memory::mmap::MmapRegion;
use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryRegion, GuestRegionMmap};
use vmm_abi::boot::MEMORY_RAM;

/// The guest's memory.
pub type GuestMemory = vm_memory::GuestMemoryMmap<()>;

/// End of the RAM below the hole.
pub const LOW_END: u64 = 3 << 30;
/// Start of the RAM above the hole.
pub const HIGH_START: u64 = 4 << 30;
const HUGE: usize = 2 << 20;

#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    #[error("cannot map {} MiB for the guest's memory: {source}; choose a smaller --memory", .bytes >> 20)]
    Map { bytes: u64, source: io::Error },
    #[error("cannot describe the guest's memory: {0}")]
    Describe(String),
}

/// Maps `bytes` of zeroed memory and lays it out as the guest's RAM from address 0. `bytes` is a multiple of the page size.
///
/// The mapping is never undone: vCPUs and devices use it until the process ends.
pub fn allocate(bytes: u64) -> Result<GuestMemory, MemoryError> {
    let low = bytes.min(LOW_END);
    let mut regions = vec![(GuestAddress(0), 0, low as usize)];
    if bytes > low {
        regions.push((GuestAddress(HIGH_START), low as usize, (bytes - low) as usize));
    }
    map_regions(bytes, regions)
}

/// The same in one piece from guest-physical address `start` on.
pub fn allocate_at(start: u64, bytes: u64) -> Result<GuestMemory, MemoryError> {
    map_regions(bytes, vec![(GuestAddress(start), 0, bytes as usize)])
}

/// Maps `bytes` and makes regions of it: guest-physical start, offset in the mapping, size; disjoint and within it.
fn map_regions(bytes: u64, regions: Vec<(GuestAddress, usize, usize)>) -> Result<GuestMemory, MemoryError> {
    let len = usize::try_from(bytes).map_err(|_| map_error(bytes, libc::ENOMEM))?;
    let with_slack = len.checked_add(HUGE).ok_or_else(|| map_error(bytes, libc::ENOMEM))?;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let prot = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no memory that exists.
    let mapped = unsafe { libc::mmap(ptr::null_mut(), with_slack, prot, flags, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return Err(MemoryError::Map { bytes, source: io::Error::last_os_error() });
    }
    let base = mapped.cast::<u8>().wrapping_add(mapped.align_offset(HUGE));
    // A kernel without huge pages refuses this; the guest then merely runs slower.
    // SAFETY: `base..base + len` is within the mapping made above, since less than HUGE was skipped.
    unsafe { libc::madvise(base.cast(), len, libc::MADV_HUGEPAGE) };

    let describe = |e: &dyn std::fmt::Display| MemoryError::Describe(e.to_string());
    let mut ram = Vec::new();
    for (start, offset, size) in regions {
        // SAFETY: the ranges are disjoint parts of `base..base + len`, which is mapped with these flags, is used for
        // nothing else and is never unmapped.
        let region = unsafe { MmapRegion::build_raw(base.wrapping_add(offset), size, prot, flags) }
            .map_err(|e| describe(&e))?;
        ram.push(GuestRegionMmap::new(region, start).ok_or_else(|| describe(&"address overflow"))?);
    }
    GuestMemory::from_regions(ram).map_err(|e| describe(&e))
}

fn map_error(bytes: u64, errno: i32) -> MemoryError {
    MemoryError::Map { bytes, source: io::Error::from_raw_os_error(errno) }
}

/// Has the host back `range` of the guest's RAM with memory now. Advice: what is not RAM is left out, and failure
/// (Linux before 5.14) costs only time.
pub fn populate(memory: &GuestMemory, range: Range<u64>) {
    for region in memory.iter() {
        let start = range.start.max(region.start_addr().0);
        let end = range.end.min(region.start_addr().0 + region.len());
        if start >= end {
            continue;
        }
        if let Ok(host) = memory.get_host_address(GuestAddress(start)) {
            // SAFETY: `host` is the address of `start` in the mapping of `region`, and `end` is within that region.
            unsafe { libc::madvise(host.cast(), (end - start) as usize, libc::MADV_POPULATE_WRITE) };
        }
    }
}

/// The ranges of RAM as the guest's memory map tells them. The video memory and ROMs of a PC (640 KiB to 1 MiB) are
/// RAM here too, but no boot loader would say so.
pub fn ram_ranges(memory: &GuestMemory) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    for region in memory.iter() {
        let (start, end) = (region.start_addr().0, region.start_addr().0 + region.len());
        if start == 0 {
            ranges.extend([0..0xa_0000, 0x10_0000..end]);
        } else {
            ranges.push(start..end);
        }
    }
    ranges
}

/// Types of memory, as ACPI and PVH number them (ACPI 6.5, 15.1).
const RAM: u32 = MEMORY_RAM;
const ACPI_TABLES: u32 = 3;

/// The memory map of a PC: the RAM, and where the ACPI tables are. In the order of addresses.
pub fn map(memory: &GuestMemory) -> Vec<(Range<u64>, u32)> {
    let mut map: Vec<_> = ram_ranges(memory).into_iter().map(|range| (range, RAM)).collect();
    map.push((acpi::SPACE, ACPI_TABLES));
    map.sort_by_key(|(range, _)| range.start);
    map
}

/// End of the RAM that begins at 0.
pub fn low_end(memory: &GuestMemory) -> u64 {
    memory.iter().next().map_or(0, |region| region.start_addr().0 + region.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vm_memory::Bytes;

    #[test]
    fn ram_is_aligned_zeroed_and_writable() {
        let memory = allocate(16 << 20).unwrap();
        assert_eq!(memory.get_host_address(GuestAddress(0)).unwrap() as usize % HUGE, 0);
        assert_eq!(memory.read_obj::<u64>(GuestAddress((16 << 20) - 8)).unwrap(), 0);
        memory.write_obj(7u64, GuestAddress(0x1000)).unwrap();
        assert!(memory.write_obj(7u64, GuestAddress((16 << 20) - 7)).is_err());
        assert_eq!(ram_ranges(&memory), [0..0xa_0000, 0x10_0000..16 << 20]);
        assert_eq!(low_end(&memory), 16 << 20);
    }

    #[test]
    fn large_ram_has_a_hole_from_3_to_4_gib() {
        let memory = allocate((3 << 30) + (64 << 20)).unwrap();
        assert_eq!(ram_ranges(&memory)[1..], [0x10_0000..LOW_END, HIGH_START..HIGH_START + (64 << 20)]);
        assert!(memory.write_obj(1u8, GuestAddress(LOW_END)).is_err());
        memory.write_obj(1u8, GuestAddress(HIGH_START)).unwrap();
        // In one mapping: the RAM above the hole follows that below.
        let low = memory.get_host_address(GuestAddress(0)).unwrap() as usize;
        let high = memory.get_host_address(GuestAddress(HIGH_START)).unwrap() as usize;
        assert_eq!(high - low, LOW_END as usize);
    }

    #[test]
    fn populating_what_is_not_ram_does_nothing() {
        let memory = allocate(4 << 20).unwrap();
        populate(&memory, 0..u64::MAX);
        populate(&memory, 8 << 20..9 << 20);
    }

    #[test]
    fn too_much_is_an_error() {
        let error = allocate(1 << 60).unwrap_err().to_string();
        assert!(error.contains("--memory"), "{error}");
        assert!(allocate(!0xfff).is_err());
    }
}
