//! What processors remember of page tables (SDM vol. 3, 4.10).
//!
//! Rights that grow need nothing: a fault on a stale entry drops it. A right or a table that goes needs INVLPG, which also drops all
//! that is remembered of upper levels, or a load of CR3. Without PCID the latter comes with every switch to the
//! space, so only the current one matters. Other CPUs are made to forget all before they go back to user mode (see `smp`).

use crate::arch::insn;
use crate::kernel::kernel;
use ukernel_core::mem::{PhysAddr, VirtAddr};

/// Forgets the translation of `va` in the space whose top-level table is `cr3`.
#[inline(always)]
pub fn flush(cr3: PhysAddr, va: VirtAddr) {
    if insn::cr3() == cr3.0 {
        insn::invlpg(va.0);
    }
    if kernel().smp.several() {
        kernel().smp.flush_others(cr3.0);
    }
}

/// Forgets all translations, of global pages too.
pub fn flush_all() {
    insn::toggle_global_pages();
}
