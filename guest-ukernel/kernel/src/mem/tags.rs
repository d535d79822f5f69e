//! Tags of address spaces: process-context identifiers, where the processor has them (SDM vol. 3, 4.10.1).
//!
//! Without, a switch to another space forgets all translations but those of global pages. With, a translation is remembered together
//! with the tag that CR3 had, and bit 63 of a value for CR3 says that it all still holds. A thread's `cr3` is that complete value,
//! so switching costs no instruction more.
//!
//! Tag 0 is everybody's who has none of his own: σ0 and root, which are there before it is known whether tags can be used
//! ([`crate::arch::features`]), the template, and spaces beyond the 4095th. Its values do not have bit 63, so it remembers nothing
//! from one space to the next. Any other tag is one space's, and when it is given to the next, all that was remembered with it is
//! forgotten, on this CPU at once and on others before they first load the space ([`crate::smp`]).

use core::cell::Cell;

use ukernel_core::mem::{Machine, PhysAddr};

use super::Physmap;
use crate::arch::layout::SLOT_TAG;
use crate::arch::{boot, insn};

/// CPUID leaf 1, ecx.
const CPUID_PCID: u32 = 1 << 17;
const CR4_PCIDE: u64 = 1 << 17;
/// In a value for CR3: what is remembered with its tag holds.
const KEEP: u64 = 1 << 63;
const TAGS: usize = 4096;

/// Which tags are in use. Changed by the holder of the kernel's lock.
pub struct Tags {
    on: Cell<bool>,
    /// Bit n of word m: tag 64 m + n is a space's.
    taken: [Cell<u64>; TAGS / 64],
}

impl Tags {
    pub const fn new() -> Self {
        Self { on: Cell::new(false), taken: [const { Cell::new(0) }; TAGS / 64] }
    }

    /// Kernel mode is the processor's own: use tags if there are any.
    pub fn choose(&self) {
        if insn::cpuid(1)[2] & CPUID_PCID != 0 {
            self.on.set(true);
            self.taken[0].set(1);
        }
    }

    /// Set this CPU up. As long as it is not, it has not loaded a space with a tag.
    pub fn enable(&self) {
        if self.on() && insn::cr4() & CR4_PCIDE == 0 {
            // SAFETY: the processor has the feature, and the low bits of CR3 are zero, as it demands: that is the tag 0.
            unsafe { insn::set_cr4(insn::cr4() | CR4_PCIDE) };
        }
    }

    #[inline(always)]
    pub fn on(&self) -> bool {
        self.on.get()
    }

    /// Give the new space of root `root` a tag.
    pub fn give(&self, root: PhysAddr) {
        let Some(word) = self.taken.iter().position(|w| w.get() != u64::MAX) else { return };
        if !self.on() {
            return;
        }
        let bits = &self.taken[word];
        let bit = (!bits.get()).trailing_zeros() as usize;
        bits.set(bits.get() | 1 << bit);
        let tag = (word * 64 + bit) as u64;
        Physmap.store(note(root), tag << 1);
        // The last one who had the tag may have left something behind.
        let current = insn::cr3();
        // SAFETY: all spaces map the kernel as the template does, and this one is loaded again at once.
        unsafe {
            insn::set_cr3(boot::template_root() | tag);
            insn::set_cr3(current | KEEP);
        }
    }

    /// The space of root `root` goes away, and is loaded nowhere.
    pub fn take_back(&self, root: PhysAddr) {
        let tag = tag(root) as usize;
        if tag != 0 {
            let bits = &self.taken[tag / 64];
            bits.set(bits.get() & !(1 << (tag % 64)));
            Physmap.store(note(root), 0);
        }
    }

    /// What CR3 takes for the space of root `root`.
    pub fn cr3(&self, root: PhysAddr) -> u64 {
        match tag(root) {
            0 => root.0,
            tag => root.0 | tag | KEEP,
        }
    }

    /// Forget the translation of `va` in the space of root `root`, which is not the current one.
    #[inline(never)]
    pub fn flush_elsewhere(&self, root: PhysAddr, va: u64) {
        if tag(root) == 0 {
            return;
        }
        let current = insn::cr3();
        // SAFETY: the space is alive, so it maps the kernel as all do; and this one is loaded again at once.
        unsafe {
            insn::set_cr3(self.cr3(root));
            insn::invlpg(va);
            insn::set_cr3(current | KEEP);
        }
    }
}

/// Where a space's tag is noted: shifted by one, in an entry of its top-level table that so is never present.
fn note(root: PhysAddr) -> PhysAddr {
    root.plus(SLOT_TAG as u64 * 8)
}

fn tag(root: PhysAddr) -> u64 {
    Physmap.load(note(root)) >> 1
}
