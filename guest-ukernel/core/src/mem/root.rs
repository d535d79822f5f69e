//! Roots of the mapping trees: σ0's mappings, made when first used, and the kernel's own pages in user spaces.
//!
//! σ0's space is the physical address space: what it maps to others appears in it on the spot, as superpages where the whole superpage is
//! its to give. What it has not mapped to anybody it cannot touch itself: it has no pager, and needs nothing but its image.

use super::entry::{Entry, Kind};
use super::frames::NoMemory;
use super::machine::{Machine, PhysAddr, VirtAddr};
use super::space::{Mem, Space};
use super::tables::{Hole, Leaf};
use super::transfer::Transfer;
use ukernel_abi::Rights;
use ukernel_abi::layout::{PAGE, SUPERPAGE, USER_END};

/// Physical memory that σ0 may hand out. What is in no region cannot be mapped by anybody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// Page-aligned.
    pub start: PhysAddr,
    pub end: PhysAddr,
    pub kind: Kind,
}

impl Region {
    /// Number of regions that the kernel can be told of.
    pub const MAX: usize = 32;
    pub const NONE: Self = Self { start: PhysAddr::NULL, end: PhysAddr::NULL, kind: Kind::Ram };

    fn contains(&self, start: u64, size: u64) -> bool {
        start >= self.start.0 && start < self.end.0 && size <= self.end.0 - start
    }
}

/// What σ0 finds at an address of its own where nothing is mapped yet.
pub(super) enum Found {
    Leaf(Leaf),
    Hole(Hole),
}

impl<M: Machine> Mem<M> {
    /// Makes σ0's mapping at `va`, where `hole` is.
    #[cold]
    pub(super) fn make_idempotent_leaf(
        &self,
        space: Space,
        va: VirtAddr,
        hole: Hole,
    ) -> Result<Found, NoMemory> {
        let page = va.0 & !(PAGE - 1);
        let superpage = va.0 & !(SUPERPAGE - 1);
        let regions = || self.regions.iter().map(|cell| cell.get()).take_while(|r| *r != Region::NONE);
        let Some(region) = regions().find(|r| r.contains(page, PAGE)) else {
            // σ0 may have mapped something else beyond the hole.
            let next =
                regions().map(|r| r.start).filter(|start| start.0 > page && start.0 < hole.end.0).min();
            return Ok(Found::Hole(Hole { end: next.map_or(hole.end, |start| VirtAddr(start.0)), ..hole }));
        };
        let large = !hole.in_table && region.contains(superpage, SUPERPAGE);
        let at = if large { superpage } else { page };
        self.make_root(space, VirtAddr(at), Entry::root(PhysAddr(at), large, region.kind, Rights::RWX))?;
        match self.find(space, va) {
            Ok(leaf) => Ok(Found::Leaf(leaf)),
            Err(hole) => Ok(Found::Hole(hole)),
        }
    }

    /// Maps a leaf that is nobody's child. There is nothing at `va`.
    fn make_root(&self, space: Space, va: VirtAddr, entry: Entry) -> Result<(), NoMemory> {
        let slot = if entry.is_superpage() {
            self.slot_of_superpage(space, va)?
        } else {
            self.slot_of_page(space, va)?
        };
        let node = self.alloc_node(space).inspect_err(|_| self.prune(space, slot))?;
        self.link_root(node);
        self.set_leaf(node, slot, va, entry);
        self.count_up(slot);
        Ok(())
    }

    /// Maps a kernel-owned frame at `va`, at or above `USER_END`, where user code can neither unmap nor pass it on. Rights without
    /// reading are no rights: the page is then for the kernel alone.
    pub fn map_kernel_page(
        &self,
        space: Space,
        va: VirtAddr,
        frame: PhysAddr,
        rights: Rights,
    ) -> Result<(), NoMemory> {
        debug_assert!(va.0 >= USER_END);
        self.make_root(space, va, Entry::root(frame, false, Kind::Ram, rights))
    }

    /// Undoes [`Mem::map_kernel_page`] and returns the frame, which is dirty.
    pub fn unmap_kernel_page(&self, space: Space, va: VirtAddr) -> Option<PhysAddr> {
        debug_assert!(va.0 >= USER_END);
        let leaf = self.find(space, va).ok()?;
        self.remove(self.node_at(leaf.slot)?);
        Some(leaf.entry.addr())
    }

    /// Maps `len` bytes of σ0's from `phys` on at `va` in `space`, at boot: images that are not where σ0 has them.
    pub fn map_image(
        &self,
        sigma0: Space,
        phys: PhysAddr,
        space: Space,
        va: VirtAddr,
        len: u64,
        rights: Rights,
    ) -> Result<(), NoMemory> {
        let src = VirtAddr(phys.0);
        self.transfer(&Transfer { from: sigma0, src, to: space, dst: va, len, rights, grant: false })
    }

    /// What `va` translates to, and with what rights.
    pub fn lookup(&self, space: Space, va: VirtAddr) -> Option<(PhysAddr, Rights)> {
        let leaf = self.find(space, va).ok()?;
        let mask = if leaf.entry.is_superpage() { SUPERPAGE - 1 } else { PAGE - 1 };
        Some((leaf.entry.addr().plus(va.0 & mask), leaf.entry.rights()))
    }
}
