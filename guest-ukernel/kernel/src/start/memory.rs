//! Whose memory is whose.
//!
//! The kernel keeps its image and a pool for tables, TCBs and mapping nodes; all else is σ0's.

use core::ops::Range;

use ukernel_abi::kip;
use ukernel_core::mem::Machine;
use ukernel_core::regions::Regions;

use super::info::Info;
use crate::arch::apic::{IOAPIC_PHYS, LAPIC_PHYS};
use crate::arch::boot::{self, STACK_SIZE};
use crate::arch::layout::*;
use crate::mem::{Kind, MEM, PhysAddr, Physmap, Region};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// What the page tables of the kernel image map from the start.
const BOOT_PHYSMAP: u64 = GIB;
/// Memory that PCs keep for firmware; the boot loader's own data is there.
const LOW: Range<u64> = 0..MIB;
/// Where devices have their registers.
const DEVICES: Range<u64> = 3 * GIB..4 * GIB;

/// What becomes of physical memory.
pub struct Plan {
    pool: Range<u64>,
    /// Stacks of the CPUs but the first.
    stacks: Range<u64>,
    /// What σ0 starts with.
    free: Regions<{ kip::REGIONS }>,
    /// What σ0 may map at all: also modules, boot data, devices.
    regions: [Region; Region::MAX],
    count: usize,
}

impl Plan {
    /// For a machine with `cpus` CPUs.
    pub fn make(info: &Info, cpus: u32) -> Self {
        let mut ram = Regions::<{ kip::REGIONS }>::default();
        let mut plan = Self {
            pool: 0..0,
            stacks: 0..0,
            free: Regions::default(),
            regions: [Region::NONE; Region::MAX],
            count: 0,
        };
        let fits = info.ram().try_for_each(|r| ram.add(r.start..r.end.min(PHYSMAP_SIZE), PAGE));
        let fits = fits.and_then(|()| ram.remove(boot::image(), PAGE));
        plan.free = ram.clone();
        let fits = fits.and_then(|()| plan.free.remove(LOW, PAGE)).and_then(|()| {
            info.module_ranges().try_for_each(|module| plan.free.remove(module_area(module), PAGE))
        });
        let stacks = u64::from(cpus - 1) * STACK_SIZE as u64;
        let kernel = plan.take_pool(stacks);
        let fits = fits.and_then(|()| ram.remove(kernel.clone(), PAGE));
        plan.stacks = kernel.start..kernel.start + stacks;
        plan.pool = plan.stacks.end..kernel.end;
        if fits.is_err() {
            panic!("memory is in more than {} pieces", kip::REGIONS);
        }
        for r in ram.iter() {
            plan.allow(r, Kind::Ram);
        }
        plan.allow(DEVICES.start..IOAPIC_PHYS, Kind::Device);
        plan.allow(IOAPIC_PHYS + SUPERPAGE..LAPIC_PHYS, Kind::Device);
        plan.allow(LAPIC_PHYS + SUPERPAGE..DEVICES.end, Kind::Device);
        // The command line is in memory that some boot loaders do not call RAM.
        let (line, size) = info.cmdline();
        plan.allow(line & !(PAGE - 1)..(line + size).next_multiple_of(PAGE), Kind::Ram);
        plan
    }

    /// An eighth of the memory, but no less than will start a few servers, and `more`.
    fn take_pool(&mut self, more: u64) -> Range<u64> {
        let size = ((self.free.total() / 8).clamp(2 * MIB, 512 * MIB) + more).next_multiple_of(MIB);
        match self.free.carve(size, 2 * PAGE, BOOT_PHYSMAP) {
            Some(pool) => pool,
            None => panic!(
                "{} KiB free below 1 GiB, {} KiB needed for the kernel",
                self.free.total() >> 10,
                size >> 10
            ),
        }
    }

    fn allow(&mut self, range: Range<u64>, kind: Kind) {
        if let Some(slot) = self.regions.get_mut(self.count) {
            *slot = Region { start: PhysAddr(range.start), end: PhysAddr(range.end), kind };
            self.count += 1;
        }
    }

    pub fn pool(&self) -> Range<PhysAddr> {
        PhysAddr(self.pool.start)..PhysAddr(self.pool.end)
    }

    /// Physical address of the stacks of all CPUs but the first.
    pub fn stacks(&self) -> u64 {
        self.stacks.start
    }

    pub fn regions(&self) -> &[Region] {
        &self.regions[..self.count]
    }

    /// Take `size` bytes of σ0's memory.
    pub fn carve(&mut self, size: u64) -> u64 {
        match self.free.carve(size, size.next_power_of_two(), u64::MAX) {
            Some(range) => range.start,
            None => panic!("no {} KiB for the stack of a server", size >> 10),
        }
    }

    pub fn write_free(&self, list: &mut [kip::Region; kip::REGIONS]) {
        for (slot, r) in list.iter_mut().zip(self.free.iter()) {
            *slot = kip::Region { phys: r.start, size: r.end - r.start };
        }
    }
}

/// The pages that are a module's alone: large ones have whole superpages, so that they can be mapped with those.
fn module_area(module: Range<u64>) -> Range<u64> {
    if module.end - module.start >= MIB && module.start.is_multiple_of(SUPERPAGE) {
        module.start..module.end.next_multiple_of(SUPERPAGE)
    } else {
        module
    }
}

unsafe extern "C" {
    static boot_pdpt_physmap: [u64; 512];
}

/// The physmap covers 1 GiB from the start, and the pool lies in it; the rest of memory and the APICs follow when there
/// is memory for tables.
pub fn extend_physmap(info: &Info) {
    let end = info.ram().map(|r| r.end.min(PHYSMAP_SIZE)).max().unwrap_or(0);
    let ram_flags = PTE_P | PTE_W | PTE_A | PTE_D | PTE_PS | PTE_G | PTE_NX;
    for gib in 1..end.div_ceil(GIB) {
        for n in 0..512.min((end - gib * GIB).div_ceil(SUPERPAGE)) {
            map_superpage(gib * GIB + n * SUPERPAGE, ram_flags);
        }
    }
    for phys in [IOAPIC_PHYS, LAPIC_PHYS] {
        map_superpage(phys, ram_flags | PTE_PCD | PTE_PWT);
    }
}

fn map_superpage(phys: u64, flags: u64) {
    let pdpt = &raw const boot_pdpt_physmap as u64 - KERNEL_BASE;
    let slot = PhysAddr(pdpt + phys / GIB * 8);
    let mut directory = Physmap.load(slot) & PTE_ADDR;
    if directory == 0 {
        directory = match MEM.frames.alloc() {
            Ok(frame) => frame.0,
            Err(e) => panic!("too little memory to map {phys:#x}: {e:?}"),
        };
        Physmap.store(slot, directory | PTE_P | PTE_W);
    }
    Physmap.store(PhysAddr(directory + phys % GIB / SUPERPAGE * 8), phys & !(SUPERPAGE - 1) | flags);
}

/// Low memory was mapped one to one for the switch to long mode.
pub fn drop_identity_map() {
    Physmap.store(PhysAddr(boot::template_root()), 0);
    // Its entries are global: only a change of CR4.PGE would drop them all, and nothing of it has been used since the jump
    // into the kernel but the page of the entry code.
    crate::arch::insn::invlpg(boot::image().start);
}
