//! Page-table walks, and tables made and freed.
//!
//! Tables that hold leaves (levels 1 and 2) are pairs of frames: for each entry of the table the word at the same place in the second frame
//! names the leaf's node. Top-level and level-3 tables are single frames.
//!
//! The information word of a table's frame (see `frames`) counts the entries in use and says which entry, one level up,
//! leads to the table, so that a table that becomes empty is freed at once, from the bottom up, without a walk:
//!
//! ```text
//! 63                                11   10    9            0
//! +-----------------------------------+------+--------------+
//! | address of the entry leading here | pair | entries used |
//! +-----------------------------------+------+--------------+
//! ```
//!
//! Entries of the top-level table that all spaces share are not counted. The top-level table is never
//! empty in this sense: no entry leads to it.

use super::entry::Entry;
use super::frames::NoMemory;
use super::machine::{Machine, PhysAddr, VirtAddr};
use super::space::{Mem, Space};
use ukernel_abi::layout::PAGE;

const COUNT: u64 = (1 << 10) - 1;
const IS_PAIR: u64 = 1 << 10;
const PARENT_SHIFT: u32 = 11;

/// A leaf, and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf {
    pub slot: PhysAddr,
    pub entry: Entry,
}

/// Nothing is mapped from the address looked up to `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hole {
    pub end: VirtAddr,
    /// It is a hole in a level-1 table: no superpage fits.
    pub in_table: bool,
}

/// The entry of `table` that is for `va`; the table's entries are for 2^`SHIFT` bytes each.
#[inline(always)]
fn entry_for<const SHIFT: u32>(table: PhysAddr, va: VirtAddr) -> PhysAddr {
    PhysAddr(table.0 | (va.0 >> (SHIFT - 3) & 0xff8))
}

const fn hole<const SHIFT: u32>(va: VirtAddr) -> Hole {
    Hole { end: VirtAddr((va.0 | ((1 << SHIFT) - 1)) + 1), in_table: SHIFT == 12 }
}

impl<M: Machine> Mem<M> {
    /// The leaf that translates `va`.
    #[inline(always)]
    pub(super) fn find(&self, space: Space, va: VirtAddr) -> Result<Leaf, Hole> {
        let level3 = self.step::<39>(self.cr3(space), va)?.entry.addr();
        let level2 = self.step::<30>(level3, va)?.entry.addr();
        let leaf = self.step::<21>(level2, va)?;
        if leaf.entry.is_superpage() {
            return Ok(leaf);
        }
        self.step::<12>(leaf.entry.addr(), va)
    }

    /// The level-1 entry for `va`, if there are tables for it and nothing is mapped.
    #[inline(always)]
    pub(super) fn empty_slot(&self, space: Space, va: VirtAddr) -> Option<PhysAddr> {
        let level3 = self.step::<39>(self.cr3(space), va).ok()?.entry.addr();
        let level2 = self.step::<30>(level3, va).ok()?.entry.addr();
        let table = self.step::<21>(level2, va).ok()?.entry;
        let slot = entry_for::<12>(table.addr(), va);
        (!table.is_superpage() && Entry(self.load(slot)).is_none()).then_some(slot)
    }

    #[inline(always)]
    fn step<const SHIFT: u32>(&self, table: PhysAddr, va: VirtAddr) -> Result<Leaf, Hole> {
        let slot = entry_for::<SHIFT>(table, va);
        let entry = Entry(self.load(slot));
        if entry.is_none() { Err(hole::<SHIFT>(va)) } else { Ok(Leaf { slot, entry }) }
    }

    /// The level-2 entry for `va`, with the tables above it.
    #[inline(always)]
    pub(super) fn slot_of_superpage(&self, space: Space, va: VirtAddr) -> Result<PhysAddr, NoMemory> {
        let level3 = self.subtable(space, entry_for::<39>(self.cr3(space), va), false)?;
        let level2 = self.subtable(space, entry_for::<30>(level3, va), true)?;
        Ok(entry_for::<21>(level2, va))
    }

    /// The level-1 entry for `va`, with the tables above it. Where there is a superpage, its entry.
    #[inline(always)]
    pub(super) fn slot_of_page(&self, space: Space, va: VirtAddr) -> Result<PhysAddr, NoMemory> {
        let slot = self.slot_of_superpage(space, va)?;
        if Entry(self.load(slot)).is_superpage() {
            return Ok(slot);
        }
        Ok(entry_for::<12>(self.subtable(space, slot, true)?, va))
    }

    /// The table that the entry at `slot` leads to, made if there is none.
    #[inline(always)]
    fn subtable(&self, space: Space, slot: PhysAddr, pair: bool) -> Result<PhysAddr, NoMemory> {
        let entry = Entry(self.load(slot));
        if !entry.is_none() {
            return Ok(entry.addr());
        }
        self.make_table(space, slot, pair).inspect_err(|_| self.prune(space, slot))
    }

    #[cold]
    fn make_table(&self, space: Space, slot: PhysAddr, pair: bool) -> Result<PhysAddr, NoMemory> {
        let table = if pair { self.alloc_pair_charged(space)? } else { self.alloc_charged(space)? };
        self.adopt_table(table, slot, pair, 0);
        self.store(slot, Entry::table(table).0);
        self.count_up(slot);
        Ok(table)
    }

    /// Writes the information word of a table that the entry at `slot` will lead to.
    pub(super) fn adopt_table(&self, table: PhysAddr, slot: PhysAddr, pair: bool, used: u64) {
        let pair = if pair { IS_PAIR } else { 0 };
        self.store(self.frames.info_at(table), slot.0 << PARENT_SHIFT | pair | used);
    }

    /// The entry at `slot` has come into use.
    #[inline(always)]
    pub(super) fn count_up(&self, slot: PhysAddr) {
        let info = self.frames.info_at(slot);
        self.store(info, self.load(info) + 1);
    }

    /// The entry at `slot` has gone out of use and is zero, as its companion. Frees its table, and those above, if that was the last;
    /// says whether it was. The caller flushes the TLB.
    #[inline(always)]
    pub(super) fn release(&self, space: Space, slot: PhysAddr) -> bool {
        let info = self.frames.info_at(slot);
        let state = self.load(info) - 1;
        self.store(info, state);
        state & COUNT == 0 && self.free_empty(space, slot)
    }

    /// Frees the table that holds `slot` if it is empty.
    #[cold]
    pub(super) fn prune(&self, space: Space, slot: PhysAddr) {
        if self.load(self.frames.info_at(slot)) & COUNT == 0 && self.free_empty(space, slot) {
            // Nothing was ever mapped by it, but processors remember tables, too; an address is as good as another for that.
            self.frames.machine.flush(self.cr3(space), VirtAddr(0));
        }
    }

    /// Frees the empty table that holds `slot`, and those above it that become empty.
    #[cold]
    fn free_empty(&self, space: Space, slot: PhysAddr) -> bool {
        let mut table = slot.frame();
        let mut freed = false;
        loop {
            let info = self.frames.info_at(table);
            let state = self.load(info);
            let parent = PhysAddr(state >> PARENT_SHIFT);
            if state & COUNT != 0 || parent.is_null() {
                return freed;
            }
            self.store(info, 0);
            self.store(parent, 0);
            self.free_table(space, table, state & IS_PAIR != 0);
            freed = true;
            table = parent.frame();
            let info = self.frames.info_at(table);
            self.store(info, self.load(info) - 1);
        }
    }

    fn free_table(&self, space: Space, table: PhysAddr, pair: bool) {
        if pair {
            self.frames.free_pair(table);
            self.refund(space, 2);
        } else {
            self.frames.free(table);
            self.refund(space, 1);
        }
    }

    /// A frame for the space's own use.
    pub(super) fn alloc_charged(&self, space: Space) -> Result<PhysAddr, NoMemory> {
        self.charge(space, 1)?;
        self.frames.alloc().inspect_err(|_| self.refund(space, 1))
    }

    /// A pair for the space's own use.
    pub(super) fn alloc_pair_charged(&self, space: Space) -> Result<PhysAddr, NoMemory> {
        self.charge(space, 2)?;
        self.frames.alloc_pair().inspect_err(|_| self.refund(space, 2))
    }
}

/// The entry after the one at `slot`, if it is in the same table.
#[inline(always)]
pub(super) fn next_in_table(slot: PhysAddr) -> Option<PhysAddr> {
    let next = slot.plus(8);
    (!next.0.is_multiple_of(PAGE)).then_some(next)
}
