//! The start of memory management.

use super::{MEM, NoMemory, PhysAddr, Region};
use crate::arch::layout::{KERNEL_BASE, SLOT_KERNEL, SLOT_PHYSMAP, SLOT_TCB, SLOT_TSS, SLOT_USER_SHARED};
use core::ops::Range;
use ukernel_core::mem::{Machine, Template};

/// What the I/O bitmap is to spaces without ports, and the byte that ends every bitmap.
#[repr(align(4096))]
struct Page([u8; 4096]);
static ONES: Page = Page([0xff; 4096]);

/// Takes over `pool`, zeroed RAM that is nobody's, and makes the TSS region of the kernel's top-level table at `root`,
/// for `cpus` CPUs, from which all spaces get the kernel's half. The physmap must be in place. `regions` is what σ0 may hand out.
pub fn init(pool: Range<PhysAddr>, root: PhysAddr, regions: &[Region], cpus: u32) -> Result<(), NoMemory> {
    MEM.frames.init(pool);
    let ones = PhysAddr(ONES.0.as_ptr() as u64 - KERNEL_BASE);
    let (tss, tss_entry) = MEM.make_tss_table(SLOT_TSS as u16, cpus as u16, ones)?;
    let at = |slot: usize| root.plus(slot as u64 * 8);
    let machine = &super::physmap::Physmap;
    machine.store(at(SLOT_TSS), tss_entry);
    let shared = [SLOT_USER_SHARED, SLOT_PHYSMAP, SLOT_TCB, SLOT_TSS, SLOT_KERNEL];
    let shared = shared.map(|slot| (slot as u16, machine.load(at(slot))));
    MEM.init(Template { shared, tss }, regions);
    Ok(())
}
