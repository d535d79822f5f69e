//! What processors remember of page tables (SDM vol. 3, 4.10).
//!
//! Rights that grow need nothing: a fault on a stale entry drops it. A right or a table that goes needs INVLPG, which also drops all
//! that is remembered of upper levels, with the current tag. Without tags ([`super::tags`]) so does every switch to another space, and only the current
//! one matters; with tags, a space that is not current is loaded for the INVLPG. INVPCID would do as well, but not every
//! processor with tags has it, and one way is tested more often than two.
//! Other CPUs are made to forget all before they go back to user mode (see `smp`).

use crate::arch::insn;
use crate::arch::layout::PTE_ADDR;
use crate::kernel::kernel;
use ukernel_core::mem::{PhysAddr, VirtAddr};

/// Forgets the translation of `va` in the space whose top-level table is `root`.
#[inline(always)]
pub fn flush(root: PhysAddr, va: VirtAddr) {
    if (insn::cr3() ^ root.0) & PTE_ADDR == 0 {
        insn::invlpg(va.0);
    } else if kernel().tags.on() {
        kernel().tags.flush_elsewhere(root, va.0);
    }
    if kernel().smp.several() {
        kernel().smp.flush_others(root.0);
    }
}

/// A table of the kernel's half, which all spaces have, is another now. What is remembered of upper levels goes by tags, even if what they lead to
/// is global.
pub fn flush_upper_levels() {
    if kernel().tags.on() {
        flush_all();
    }
}

/// Forgets all translations with any tag, of global pages too.
pub fn flush_all() {
    insn::toggle_global_pages();
}
