//! `fpage_unmap`: takes rights to a flexpage away from all who have them from the space.
//!
//! Where the flexpage is a part of a superpage, descendants' superpages are split first, and with `flush` the space's own. What cannot be
//! split, because there is no memory for it, is treated whole: pagers map again at the next fault.

use super::entry::Entry;
use super::machine::{Machine, VirtAddr};
use super::node::{Node, part_number};
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
        // The entry for `va`, if it is in the same table as the last one.
        let mut near = None;
        while va < end {
            let leaf = match near.map(|slot| Leaf { slot, entry: Entry(self.load(slot)) }) {
                Some(leaf) if leaf.entry.is_none() => {
                    va = va.plus(PAGE);
                    near = next_in_table(leaf.slot);
                    continue;
                }
                Some(leaf) => leaf,
                None => match self.find(space, va) {
                    Ok(leaf) => leaf,
                    Err(hole) => {
                        va = hole.end;
                        continue;
                    }
                },
            };
            let superpage = leaf.entry.is_superpage();
            let size = if superpage { SUPERPAGE - va.in_superpage() } else { PAGE };
            let stop = va.plus(size).min(end);
            let whole = !superpage || stop.0 - va.0 == SUPERPAGE;
            near = if superpage { None } else { next_in_table(leaf.slot) };
            if !rights_hit(leaf, rights) {
                va = stop;
                continue;
            }
            let node = self.node_of(leaf);
            if flush && !whole && self.split(node).is_ok() {
                continue;
            }
            let part = if whole || flush { Part::ALL } else { part_between(leaf, va, stop) };
            self.take_from_children(node, part, rights);
            if flush && self.take_from(node, rights) {
                near = None;
            }
            va = stop;
        }
    }

    /// Takes rights from a page that nobody has them from (any more). Says whether its table was freed.
    fn take_from(&self, node: Node, rights: Rights) -> bool {
        if rights.contains(Rights::R) {
            self.remove(node)
        } else {
            self.demote(node, rights);
            false
        }
    }
}

/// Whether the leaf has any of the rights. If not, nothing below it has.
fn rights_hit(leaf: Leaf, rights: Rights) -> bool {
    !leaf.entry.rights().intersection(rights).is_empty()
}

/// The part of a superpage's leaf from `start` to `end`, which is in the superpage or its end.
fn part_between(leaf: Leaf, start: VirtAddr, end: VirtAddr) -> Part {
    debug_assert_eq!(part_number(leaf.entry), 0, "superpages are aligned");
    let first = start.in_superpage() / PAGE;
    Part { first, end: first + (end.0 - start.0) / PAGE }
}
