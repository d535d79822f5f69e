//! Page-table entries (SDM vol. 3, 4.5): tables, 4-KiB leaves and 2-MiB leaves.
//!
//! Entries are either zero or present. The accessed and dirty bits are the processor's.

use super::machine::PhysAddr;
use ukernel_abi::Rights;

const PRESENT: u64 = 1 << 0;
const WRITE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const WRITE_THROUGH: u64 = 1 << 3;
const UNCACHED: u64 = 1 << 4;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
/// In a level-2 entry: a 2-MiB leaf. No 4-KiB leaf has it (it is their PAT bit, which is never set).
const SUPERPAGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// What memory is behind a root mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Ram,
    /// Device registers: uncached, never executable.
    Device,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Entry(pub u64);

impl Entry {
    pub const NONE: Self = Self(0);

    /// An entry that leads to the table at `frame`. Rights are restricted in the leaves alone.
    #[inline(always)]
    pub const fn table(frame: PhysAddr) -> Self {
        Self(frame.0 | PRESENT | WRITE | USER)
    }

    /// A leaf that is nobody's child.
    #[inline(always)]
    pub const fn root(frame: PhysAddr, superpage: bool, kind: Kind, rights: Rights) -> Self {
        let size = if superpage { SUPERPAGE } else { 0 };
        let (cache, rights) = match kind {
            Kind::Ram => (0, rights),
            Kind::Device => (UNCACHED | WRITE_THROUGH, rights.without(Rights::X)),
        };
        Self(frame.0 | size | cache | Self::access(rights))
    }

    /// A supervisor leaf, writable or not, never executable.
    pub const fn kernel(frame: PhysAddr, writable: bool) -> Self {
        Self(frame.0 | PRESENT | NO_EXECUTE | if writable { WRITE } else { 0 })
    }

    /// A leaf for the part of this leaf that starts `offset` bytes into it, with those of `rights` that this one gives. Reading is one of them.
    #[inline(always)]
    pub const fn part(self, offset: u64, superpage: bool, rights: Rights) -> Self {
        const KEPT: u64 = ADDRESS | UNCACHED | WRITE_THROUGH | PRESENT | USER | NO_EXECUTE;
        let size = if superpage { SUPERPAGE } else { 0 };
        let write = WRITE & rights.0 as u64;
        Self(((self.0 & (KEPT | write)) + offset) | size | (!rights.0 as u64) << 63)
    }

    /// The 4-KiB leaf for page `n` of this superpage, with the same rights.
    pub const fn split(self, n: u64) -> Self {
        Self((self.0 & !SUPERPAGE) + (n << 12))
    }

    #[inline(always)]
    const fn access(rights: Rights) -> u64 {
        PRESENT | USER | (rights.0 & Rights::W.0) as u64 | (!rights.0 as u64) << 63
    }

    #[inline(always)]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
    #[inline(always)]
    pub const fn is_superpage(self) -> bool {
        self.0 & SUPERPAGE != 0
    }
    #[inline(always)]
    pub const fn addr(self) -> PhysAddr {
        PhysAddr(self.0 & ADDRESS)
    }
    /// Whether a leaf maps device registers.
    #[inline(always)]
    pub const fn is_device(self) -> bool {
        self.0 & UNCACHED != 0
    }
    /// A leaf that has been read, or written to.
    #[inline(always)]
    pub const fn used(self, write: bool) -> Self {
        Self(self.0 | if write { ACCESSED | DIRTY } else { ACCESSED })
    }
    /// The rights that a leaf gives.
    #[inline(always)]
    pub const fn rights(self) -> Rights {
        Rights(Rights::R.0 | (self.0 & WRITE) as u8 | (!self.0 >> 63) as u8)
    }
    /// A leaf with more rights.
    #[inline(always)]
    pub const fn with(self, rights: Rights) -> Self {
        Self((self.0 | (rights.0 & Rights::W.0) as u64) & !((rights.0 as u64) << 63))
    }
    /// A leaf with fewer rights, of which reading is not one that goes.
    #[inline(always)]
    pub const fn without(self, rights: Rights) -> Self {
        Self(self.0 & !((rights.0 & Rights::W.0) as u64) | (rights.0 as u64) << 63)
    }
}

const _: () =
    assert!(Rights::W.0 as u64 == WRITE && Rights::X.0 == 1, "Entry::access relies on the bit positions");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_round_trip() {
        for rights in [Rights::R, Rights::RW, Rights::RX, Rights::RWX] {
            let e = Entry::root(PhysAddr(0x1234_5000), false, Kind::Ram, rights);
            assert_eq!(e.rights(), rights);
            assert_eq!(e.addr(), PhysAddr(0x1234_5000));
            assert_eq!(e.without(Rights::W).rights(), rights.without(Rights::W));
            assert_eq!(e.without(Rights::X).rights(), rights.without(Rights::X));
            assert_eq!(e.with(Rights::RWX).rights(), Rights::RWX);
            assert_eq!(e.with(Rights::R), e);
        }
    }

    #[test]
    fn bits_are_those_of_the_manual() {
        assert_eq!(Entry::table(PhysAddr(0x1000)).0, 0x1007);
        assert_eq!(Entry::root(PhysAddr(0x1000), false, Kind::Ram, Rights::RX).0, 0x1005);
        assert_eq!(Entry::root(PhysAddr(0x20_0000), true, Kind::Ram, Rights::RW).0, 1 << 63 | 0x20_0087);
        assert_eq!(Entry::root(PhysAddr(0x20_0000), true, Kind::Device, Rights::RWX).0, 1 << 63 | 0x20_009f);
        assert_eq!(Entry::kernel(PhysAddr(0x1000), false).0, 1 << 63 | 0x1001);
    }

    #[test]
    fn parts_keep_the_memory_type() {
        let device = Entry::root(PhysAddr(0xfec0_0000), true, Kind::Device, Rights::RW);
        let page = device.part(0x3000, false, Rights::RW);
        assert_eq!(page.0, 1 << 63 | 0xfec0_301f);
        assert_eq!(device.split(3), page);
        assert!(!page.is_superpage());
        assert!(device.part(0, true, Rights::R).is_superpage());
    }
}
