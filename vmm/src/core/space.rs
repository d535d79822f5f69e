//! The kernel's address space, found by walking its page tables: what a core shows at which virtual address.
//!
//! A core has one address space, and so it is the kernel's half of the one in which the kernel was, with the image, the direct map of all memory,
//! and whatever else it keeps there. All of that is in the file once, however often it is mapped.
//!
//! Page tables are the guest's, so what they say has no end if they lead in circles.

use crate::debug::registers::Registers;
use crate::debug::view::View;
use crate::inspect::paging::{self, Levels, Page, Translation};

/// So many bytes at `virt` are those at `phys`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    pub virt: u64,
    pub phys: u64,
    pub length: u64,
}

/// Mappings that are collected at most, and that are kept: the largest. A file has no room for more than 65 534.
const COLLECTED_MAX: usize = 1 << 18;
const KEPT_MAX: usize = 1 << 12;

/// End of the lower half of the addresses that page tables of four levels translate.
const LOW_END: u64 = 1 << 47;

/// What a kernel sees of RAM, in the order of addresses, if a vCPU of its has these registers. `None` if it has no page tables.
pub fn of(view: &dyn View, registers: &Registers) -> Option<Vec<Mapping>> {
    let Translation::Tables(root, levels) = Translation::of(registers) else { return None };
    let mut found = Found::new(view);
    // A kernel that runs in the lower half is at the beginning of its boot, or a small one.
    if !registers.in_user_mode() && registers.rip < LOW_END {
        paging::for_each_page(view, root, LOW_END, &mut |virt, page| found.page(virt, page));
    }
    paging::for_each_upper_page(view, root, levels, &mut |virt, page| found.page(virt, page));
    Some(found.largest())
}

/// The upper half by the page tables at `root`.
pub fn upper(view: &dyn View, root: u64) -> Vec<Mapping> {
    let mut found = Found::new(view);
    paging::for_each_upper_page(view, root, Levels::Four, &mut |virt, page| found.page(virt, page));
    found.largest()
}

/// What a CPU without paging sees.
pub fn physical(view: &dyn View) -> Vec<Mapping> {
    view.ram().into_iter().map(|(start, length)| Mapping { virt: start, phys: start, length }).collect()
}

/// What of `mappings` is RAM.
pub fn in_ram(view: &dyn View, mappings: &[Mapping]) -> Vec<Mapping> {
    let mut found = Found::new(view);
    mappings.iter().for_each(|mapping| found.add(*mapping));
    found.mappings
}

/// Mappings that have been found.
struct Found {
    ram: Vec<(u64, u64)>,
    mappings: Vec<Mapping>,
}

impl Found {
    fn new(view: &dyn View) -> Self {
        Self { ram: view.ram(), mappings: Vec::new() }
    }

    /// Adds a page. False: that is enough.
    fn page(&mut self, virt: u64, page: Page) -> bool {
        self.add(Mapping { virt, phys: page.frame, length: page.size });
        self.mappings.len() < COLLECTED_MAX
    }

    /// Adds what of `new` is RAM.
    fn add(&mut self, Mapping { virt, phys, length }: Mapping) {
        for &(start, size) in &self.ram {
            let begin = phys.max(start);
            let end = phys.saturating_add(length).min(start.saturating_add(size));
            if begin >= end {
                continue;
            }
            let new = Mapping { virt: virt.wrapping_add(begin - phys), phys: begin, length: end - begin };
            match self.mappings.last_mut() {
                Some(last)
                    if last.virt.checked_add(last.length) == Some(new.virt)
                        && last.phys + last.length == new.phys =>
                {
                    last.length += new.length;
                }
                // One page for all that is not there: it is worth one look.
                Some(last) if (last.phys, last.length) == (new.phys, new.length) => {}
                _ => self.mappings.push(new),
            }
        }
    }

    fn largest(self) -> Vec<Mapping> {
        let mut mappings = self.mappings;
        if mappings.len() > KEPT_MAX {
            mappings.sort_by_key(|mapping| std::cmp::Reverse(mapping.length));
            mappings.truncate(KEPT_MAX);
            mappings.sort_by_key(|mapping| mapping.virt);
        }
        mappings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::mock::Machine;

    const PRESENT: u64 = 1;
    const WRITABLE: u64 = 2;
    const LARGE: u64 = 1 << 7;
    const CR0_PG: u64 = 1 << 31;
    const CR4_LA57: u64 = 1 << 12;
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

    fn kernel(machine: &Machine, registers: &Registers) -> Vec<Mapping> {
        of(machine, registers).unwrap()
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
        assert_eq!(upper(&machine, PML4), expected);
        assert_eq!(of(&machine, &Registers::default()), None, "there is no paging");
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
    fn tables_that_stand_for_all_that_are_not_there_do_not_hide_what_comes_behind() {
        let (mut machine, registers) = machine();
        for index in 0..512 {
            machine.put_u64(PT + 8 * index, 0x5000 | PRESENT);
            machine.put_u64(PD + 0x8000 + 8 * index, PT | PRESENT);
            machine.put_u64(PDPT + 0x8000 + 8 * index, (PD + 0x8000) | PRESENT);
        }
        let found = kernel(&machine, &registers);
        assert_eq!((found.len(), found[0].phys, found[1].virt), (2, 0x5000, 0xffff_ffff_8000_0000));
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
        let lost = Registers { cr3: 1 << 40, ..registers };
        assert_eq!(kernel(&machine, &lost), []);
    }
}
