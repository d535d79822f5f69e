//! Memory management on the machine: [`ukernel_core::mem`] over the physical-memory map.
//!
//! All decisions are made in the core, in safe code; here are only its ground (words of physical memory, the TLB), its one
//! instance, and what needs to know where the kernel lies.
//!
//! - [`physmap`]: words of physical memory
//! - [`tlb`]: what processors remember of tables
//! - [`tags`]: by which they remember it for several spaces
//! - [`boot`]: the start

mod boot;
mod physmap;
pub mod tags;
pub mod tlb;

pub use boot::init;
pub use ukernel_core::mem::{Kind, NoMemory, PhysAddr, Region, Space, Unreachable, VirtAddr};

use core::ops::Deref;
pub use physmap::{Physmap, copy};

/// The kernel's memory management, as its one instance: `MEM.map(…)`, `MEM.frames.alloc()`.
pub static MEM: Locked = Locked(ukernel_core::mem::Mem::new(Physmap));

/// Reaches memory management from the CPU that has the kernel's lock.
pub struct Locked(pub ukernel_core::mem::Mem<Physmap>);

// SAFETY: `Mem` is changed through cells, so it must never be used from two sides at once. Kernel code runs with interrupts off and
// exceptions in kernel mode do not come back (entry.rs), so on one CPU nothing comes between; other CPUs are kept out by the lock in `smp`.
unsafe impl Sync for Locked {}

impl Deref for Locked {
    type Target = ukernel_core::mem::Mem<Physmap>;

    #[inline(always)]
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
