//! What the memory code needs of the machine, and the two kinds of address.
//!
//! Everything that this crate keeps (page tables, mapping nodes, free lists, bitmaps) lives in 64-bit words of
//! physical frames of the kernel's pool. The code reaches them only by [`Machine::load`] and [`Machine::store`],
//! so it is safe code, runs unchanged on the host over a vector of words, and is tested there on real page-table
//! formats. In the kernel both are a single MOV through the physical-memory map.

/// A physical address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
#[repr(transparent)]
pub struct PhysAddr(pub u64);

impl PhysAddr {
    pub const NULL: Self = Self(0);

    #[inline(always)]
    pub const fn plus(self, bytes: u64) -> Self {
        Self(self.0 + bytes)
    }
    /// The frame that the address is in.
    #[inline(always)]
    pub const fn frame(self) -> Self {
        Self(self.0 & !0xfff)
    }
    #[inline(always)]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }
}

/// A virtual address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
#[repr(transparent)]
pub struct VirtAddr(pub u64);

impl VirtAddr {
    #[inline(always)]
    pub const fn plus(self, bytes: u64) -> Self {
        Self(self.0 + bytes)
    }
    /// Distance from the start of the superpage.
    #[inline(always)]
    pub const fn in_superpage(self) -> u64 {
        self.0 & (ukernel_abi::layout::SUPERPAGE - 1)
    }
}

/// The memory that holds tables and nodes, and the TLB.
///
/// The code calls `load` and `store` only with 8-byte-aligned addresses within the pool given to
/// [`Frames::init`](super::Frames::init), within frames handed out from it, or within the tables named in
/// [`Template`](super::Template).
pub trait Machine {
    fn load(&self, at: PhysAddr) -> u64;
    fn store(&self, at: PhysAddr, value: u64);
    /// Sets bits of a word that the processor may be setting bits of.
    fn set_bits(&self, at: PhysAddr, bits: u64);
    /// Writes `value` to `words` words from `at`.
    fn fill(&self, at: PhysAddr, words: u64, value: u64);
    /// An entry that translates `va` in the space whose top-level table is `cr3` was taken away or reduced, or a table on the way to it
    /// was freed: no processor may go on using what it has cached of it. Called after the entries were written and the frames of tables given back,
    /// but before any is handed out again. The pages that were mapped are handed out again when the kernel has been left at the earliest.
    fn flush(&self, cr3: PhysAddr, va: VirtAddr);
}
