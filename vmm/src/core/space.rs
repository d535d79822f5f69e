//! The kernel's address space, found by walking its page tables: what a core shows at which virtual address.
//!
//! A core has one address space, and so it is the kernel's half of the one in which the kernel was, with the image, the direct map of all memory,
//! and whatever else it keeps there. All of that is in the file once, however often it is mapped.
//!
//! Page tables are the guest's, so they may lead anywhere, also in circles: a walk is bounded by the tables that it reads.

use crate::debug::registers::Registers;
use crate::debug::view::View;

/// So many bytes at `virt` are those at `phys`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    pub virt: u64,
    pub phys: u64,
    pub length: u64,
}

/// Tables that are read at most: enough for the 4-KiB pages of 64 GiB.
const TABLES_MAX: usize = 1 << 15;
/// Mappings that are collected at most, and that are kept: the largest. A file has no room for more than 65 534.
const COLLECTED_MAX: usize = 1 << 18;
const KEPT_MAX: usize = 1 << 12;

// SDM vol. 3, 2.5 and 4.5.
const CR0_PG: u64 = 1 << 31;
const CR4_LA57: u64 = 1 << 12;
const PRESENT: u64 = 1;
const LARGE: u64 = 1 << 7;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
const ENTRIES: usize = 512;
const PAGE_BITS: u32 = 12;
const TABLE_BITS: u32 = 9;

/// What the kernel sees of RAM, in the order of addresses; what `registers` says is of a vCPU that has 64-bit paging.
pub fn kernel(view: &dyn View, registers: &Registers) -> Vec<Mapping> {
    let levels = if registers.cr4 & CR4_LA57 != 0 { 5 } else { 4 };
    let mut walk = Walk::new(view);
    // A kernel that runs in the lower half is at the beginning of its boot, or a small one.
    if !registers.in_user_mode() && registers.rip >> 63 == 0 {
        walk.table(registers.cr3 & ADDRESS, levels, 0, 0..ENTRIES / 2);
    }
    // What is not translated of an address is like the highest bit that is.
    let high = u64::MAX << (PAGE_BITS + TABLE_BITS * levels);
    walk.table(registers.cr3 & ADDRESS, levels, high, ENTRIES / 2..ENTRIES);
    let mut found = walk.found;
    if found.len() > KEPT_MAX {
        found.sort_by_key(|mapping| std::cmp::Reverse(mapping.length));
        found.truncate(KEPT_MAX);
        found.sort_by_key(|mapping| mapping.virt);
    }
    found
}

/// What a CPU without paging sees.
pub fn physical(view: &dyn View) -> Vec<Mapping> {
    view.ram().into_iter().map(|(start, length)| Mapping { virt: start, phys: start, length }).collect()
}

/// What of `mappings` is RAM.
pub fn in_ram(view: &dyn View, mappings: &[Mapping]) -> Vec<Mapping> {
    let mut walk = Walk::new(view);
    for mapping in mappings {
        walk.page(mapping.virt, mapping.phys, mapping.length);
    }
    walk.found
}

/// Whether 64-bit paging is on.
pub fn has_pages(registers: &Registers) -> bool {
    registers.in_long_mode() && registers.cr0 & CR0_PG != 0
}

struct Walk<'a> {
    view: &'a dyn View,
    ram: Vec<(u64, u64)>,
    tables: usize,
    found: Vec<Mapping>,
}

impl<'a> Walk<'a> {
    fn new(view: &'a dyn View) -> Self {
        Self { view, ram: view.ram(), tables: 0, found: Vec::new() }
    }

    /// Walks through `entries` of the table at `phys`, which is of `level` (1: the last) and begins at virtual address `base`.
    fn table(&mut self, phys: u64, level: u32, base: u64, entries: std::ops::Range<usize>) {
        let mut table = [0; ENTRIES * 8];
        if self.tables == TABLES_MAX || self.view.read(phys, &mut table).is_err() {
            return;
        }
        self.tables += 1;
        let bits = PAGE_BITS + TABLE_BITS * (level - 1);
        for index in entries {
            let entry = u64::from_le_bytes(table.as_chunks().0[index]);
            if entry & PRESENT == 0 || self.found.len() >= COLLECTED_MAX {
                continue;
            }
            let virt = base | (index as u64) << bits;
            // Level 4 and 5 have no large pages; a set bit there is a fault that the kernel never gets past.
            if level == 1 || level <= 3 && entry & LARGE != 0 {
                let length = 1 << bits;
                self.page(virt, entry & ADDRESS & !(length - 1), length);
            } else {
                self.table(entry & ADDRESS, level - 1, virt, 0..ENTRIES);
            }
        }
    }

    /// Notes a page, as far as it is RAM.
    fn page(&mut self, virt: u64, phys: u64, length: u64) {
        for &(start, size) in &self.ram {
            let begin = phys.max(start);
            let end = (phys + length).min(start.saturating_add(size));
            if begin >= end {
                continue;
            }
            let new = Mapping { virt: virt + (begin - phys), phys: begin, length: end - begin };
            match self.found.last_mut() {
                Some(last)
                    if last.virt.checked_add(last.length) == Some(new.virt)
                        && last.phys + last.length == new.phys =>
                {
                    last.length += new.length;
                }
                // One page for all that is not there: it is worth one look.
                Some(last) if (last.phys, last.length) == (new.phys, new.length) => {}
                _ => self.found.push(new),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::mock::Machine;

    const WRITABLE: u64 = 2;
    const PML4: u64 = 0x1000;
    const PDPT: u64 = 0x2000;
    const PD: u64 = 0x3000;
    const PT: u64 = 0x4000;

    /// 16 MiB of RAM with tables: 2 MiB at -2 GiB, and three pages elsewhere, of which two are contiguous.
    fn machine() -> (Machine, Registers) {
        let mut machine = Machine::new(16 << 20);
        let mut put = |table: u64, index: u64, entry: u64| {
            machine.put_u64(table + 8 * index, entry | PRESENT | WRITABLE)
        };
        put(PML4, 511, PDPT);
        put(PDPT, 510, PD);
        put(PD, 0, 4 << 20 | LARGE);
        put(PML4, 384, PDPT + 0x8000);
        put(PDPT + 0x8000, 0, PD + 0x8000);
        put(PD + 0x8000, 0, PT);
        for (index, phys) in [(0, 0x9000), (1, 0xa000), (2, 0x8000), (3, 0xfee0_0000)] {
            put(PT, index, phys);
        }
        let registers =
            Registers { cr0: CR0_PG, cr3: PML4, efer: 1 << 10, rip: 1 << 63, ..Default::default() };
        (machine, registers)
    }

    #[test]
    fn pages_that_are_ram_are_found_and_joined() {
        let (machine, registers) = machine();
        let mapping = |virt, phys, length| Mapping { virt, phys, length };
        let expected = [
            mapping(0xffff_c000_0000_0000, 0x9000, 0x2000),
            mapping(0xffff_c000_0000_2000, 0x8000, 0x1000),
            mapping(0xffff_ffff_8000_0000, 4 << 20, 2 << 20),
        ];
        assert_eq!(kernel(&machine, &registers), expected);
        assert!(has_pages(&registers) && !has_pages(&Registers::default()));
    }

    #[test]
    fn a_page_that_stands_for_all_that_are_not_there_is_found_once() {
        let (mut machine, registers) = machine();
        for index in 3..512 {
            machine.put_u64(PT + 8 * index, 0x5000 | PRESENT);
        }
        let found = kernel(&machine, &registers);
        assert_eq!((found.len(), found[2].phys, found[2].length), (4, 0x5000, 0x1000));
    }

    #[test]
    fn the_lower_half_is_the_kernel_s_if_it_is_there() {
        let (mut machine, mut registers) = machine();
        machine.put_u64(PML4, PDPT | PRESENT);
        registers.rip = 0x1000;
        assert_eq!(kernel(&machine, &registers)[0].virt, 510 << 30);
        registers.segments[0] = 0x33;
        assert_eq!(kernel(&machine, &registers).len(), 3, "a user program's is not");
    }

    #[test]
    fn five_levels_are_walked() {
        let (mut machine, mut registers) = machine();
        machine.put_u64(0x5000 + 8 * 511, PML4 | PRESENT);
        registers.cr3 = 0x5000;
        registers.cr4 = CR4_LA57;
        assert_eq!(kernel(&machine, &registers)[2].virt, 0xffff_ffff_8000_0000);
    }

    #[test]
    fn large_pages_are_cut_to_what_is_ram() {
        let (mut machine, registers) = machine();
        machine.put_u64(PDPT + 8 * 511, LARGE | PRESENT);
        let last = kernel(&machine, &registers)[3];
        assert_eq!(last, Mapping { virt: 0xffff_ffff_c000_0000, phys: 0, length: 16 << 20 });
    }

    #[test]
    fn tables_in_a_circle_end() {
        let (mut machine, registers) = machine();
        for index in 0..512 {
            machine.put_u64(PML4 + 8 * index, PML4 | PRESENT);
        }
        assert!(kernel(&machine, &registers).len() <= KEPT_MAX);
        let lost = Registers { cr3: ADDRESS, ..registers };
        assert_eq!(kernel(&machine, &lost), []);
    }
}
