//! `fpage_unmap`: takes rights to a flexpage away from all who have them from the space.
//!
//! Where the flexpage is a part of a superpage, descendants' superpages are split first, and with `flush` the space's own. What cannot be
//! split, because there is no memory for it, is treated whole: pagers map again at the next fault.

use super::entry::Entry;
use super::machine::{Machine, PhysAddr, VirtAddr};
use super::node::{Node, field, part_number};
use super::space::{Mem, Space};
use super::tables::{Leaf, next_in_table};
use super::take::Part;
use super::window::memory;
use ukernel_abi::layout::{PAGE, SUPERPAGE, USER_END};
use ukernel_abi::{Fpage, Rights};

impl<M: Machine> Mem<M> {
    /// Takes the rights of `fpage` from all mappings made from that part of the space, and with `flush` from the space itself.
    /// False if it is no valid flexpage.
    #[inline(always)]
    pub fn unmap(&self, space: Space, fpage: Fpage, flush: bool) -> bool {
        match memory(fpage) {
            Some(range) => {
                let end = VirtAddr((range.base + range.size).min(USER_END));
                self.unmap_memory(space, VirtAddr(range.base), end, fpage.rights(), flush);
                true
            }
            None => self.unmap_io(space, fpage, flush),
        }
    }

    fn unmap_memory(&self, space: Space, start: VirtAddr, end: VirtAddr, rights: Rights, flush: bool) {
        let mut va = start;
        while va < end {
            va = match self.find(space, va) {
                Err(hole) => hole.end,
                Ok(leaf) if leaf.entry.is_superpage() => self.unmap_superpage(leaf, va, end, rights, flush),
                Ok(leaf) => self.unmap_pages(space, leaf.slot, va, end, rights, flush),
            };
        }
    }

    /// Takes rights from the superpage that `va` is in, as far as `end`. Returns where to go on: at `va` if it has been split.
    #[cold]
    fn unmap_superpage(
        &self,
        leaf: Leaf,
        va: VirtAddr,
        end: VirtAddr,
        rights: Rights,
        flush: bool,
    ) -> VirtAddr {
        let stop = va.plus(SUPERPAGE - va.in_superpage()).min(end);
        let whole = stop.0 - va.0 == SUPERPAGE;
        if rights_hit(leaf.entry, rights) {
            let node = self.node_of(leaf);
            if flush && !whole && self.split(node).is_ok() {
                return va;
            }
            let part = if whole || flush { Part::ALL } else { part_between(leaf, va, stop) };
            self.take_from_children(node, part, rights);
            if flush {
                self.take_from_page(node, rights);
            }
        }
        stop
    }

    /// Takes rights from the pages whose entries begin at `first`, as far as `end` or the end of the table. Returns where to go on.
    fn unmap_pages(
        &self,
        space: Space,
        first: PhysAddr,
        start: VirtAddr,
        end: VirtAddr,
        rights: Rights,
        flush: bool,
    ) -> VirtAddr {
        let (mut slot, mut va) = (first, start);
        loop {
            let entry = Entry(self.load(slot));
            if !entry.is_none() && rights_hit(entry, rights) {
                let node = self.node_of(Leaf { slot, entry });
                if self.link(node, field::CHILDREN).is_some() {
                    self.take_from_children(node, Part::ALL, rights);
                }
                if flush && !rights.contains(Rights::R) {
                    self.store(slot, entry.without(rights).0);
                    self.frames.machine.flush(self.cr3(space), va);
                } else if flush && self.remove(node) {
                    // With the table.
                    return va.plus(PAGE);
                }
            }
            va = va.plus(PAGE);
            match next_in_table(slot) {
                Some(next) if va < end => slot = next,
                _ => return va,
            }
        }
    }

    /// Takes rights from a page that nobody has them from (any more).
    fn take_from_page(&self, node: Node, rights: Rights) {
        if rights.contains(Rights::R) {
            self.remove(node);
        } else {
            self.demote(node, rights);
        }
    }
}

/// Whether the leaf has any of the rights. If not, nothing below it has.
#[inline(always)]
fn rights_hit(entry: Entry, rights: Rights) -> bool {
    !entry.rights().intersection(rights).is_empty()
}

/// The part of a superpage's leaf from `start` to `end`, which is in the superpage or its end.
fn part_between(leaf: Leaf, start: VirtAddr, end: VirtAddr) -> Part {
    debug_assert_eq!(part_number(leaf.entry), 0, "superpages are aligned");
    let first = start.in_superpage() / PAGE;
    Part { first, end: first + (end.0 - start.0) / PAGE }
}
