//! Mapping nodes: slabs of them, and the trees they form.
//!
//! A node is 64 bytes in a slab. A slab is a frame of the space that the node's page is mapped in: a header of one node's
//! size (link to the next older slab, the space), then nodes. In the space's control frame, which is its first slab, the header is
//! longer. A node in use has a slot; [`Mem::for_each_node`] relies on that.
//!
//! Children of a node's own size are on a plain list. Children of 4 KiB of a superpage are on one of 512 lists, by
//! the part of the superpage that they map; the heads are in a frame of their own, the node's *index*, made when
//! the first such child comes. So taking back one page of a superpage looks at that page alone.
//! `PREV` of a node is the address of the word that points to it, be that a head or another node's `NEXT`.

use core::num::NonZeroU64;

use super::entry::Entry;
use super::frames::NoMemory;
use super::machine::{Machine, PhysAddr, VirtAddr};
use super::space::{Mem, Space, word};
use super::tables::Leaf;
use super::take::Part;
use ukernel_abi::layout::PAGE;

/// A mapping, by the address of its node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub(super) struct Node(NonZeroU64);

/// Words of a node.
pub(crate) mod field {
    /// The mapping that this one was made from, or 0. In a free node: the next free node.
    pub const PARENT: u64 = 0;
    /// First child of the same size.
    pub const CHILDREN: u64 = 8;
    pub const NEXT: u64 = 16;
    pub const PREV: u64 = 24;
    /// Address of the leaf; 0 in a free node.
    pub const SLOT: u64 = 32;
    /// Virtual address of the page; bit 0: it is a superpage.
    pub const PAGE: u64 = 40;
    /// Superpages only: index frame, or 0.
    pub const INDEX: u64 = 48;
    /// Ports and lines only (see `io`): which of the word's units; the space's next node for the same word. Their slot is the
    /// word from which the latter list starts.
    pub const UNITS: u64 = 48;
    pub const BESIDE: u64 = 56;
}

/// Header words of a slab.
pub(crate) mod slab {
    pub const OLDER: u64 = 0;
    pub const SPACE: u64 = 8;
}

const SUPERPAGE: u64 = 1;

impl Node {
    pub const SIZE: u64 = 64;

    #[inline(always)]
    pub fn from_word(word: u64) -> Option<Self> {
        NonZeroU64::new(word).map(Self)
    }
    #[inline(always)]
    pub const fn word(self) -> u64 {
        self.0.get()
    }
    #[inline(always)]
    pub const fn at(self, field: u64) -> PhysAddr {
        PhysAddr(self.0.get() + field)
    }
}

/// Where the node of the leaf at `slot` is written down: in the frame after the table's.
#[inline(always)]
pub(super) const fn companion(slot: PhysAddr) -> PhysAddr {
    slot.plus(PAGE)
}

impl<M: Machine> Mem<M> {
    #[inline(always)]
    pub(super) fn field(&self, node: Node, field: u64) -> u64 {
        self.load(node.at(field))
    }
    #[inline(always)]
    pub(super) fn set_field(&self, node: Node, field: u64, value: u64) {
        self.store(node.at(field), value);
    }
    #[inline(always)]
    pub(super) fn link(&self, node: Node, field: u64) -> Option<Node> {
        Node::from_word(self.field(node, field))
    }
    #[inline(always)]
    pub(super) fn slot(&self, node: Node) -> PhysAddr {
        PhysAddr(self.field(node, field::SLOT))
    }
    #[inline(always)]
    pub(super) fn leaf(&self, node: Node) -> Entry {
        Entry(self.load(self.slot(node)))
    }
    #[inline(always)]
    pub(super) fn is_superpage(&self, node: Node) -> bool {
        self.field(node, field::PAGE) & SUPERPAGE != 0
    }
    #[inline(always)]
    pub(super) fn va(&self, node: Node) -> VirtAddr {
        VirtAddr(self.field(node, field::PAGE) & !SUPERPAGE)
    }
    /// The node of the leaf at `slot`.
    #[inline(always)]
    pub(super) fn node_at(&self, slot: PhysAddr) -> Option<Node> {
        Node::from_word(self.load(companion(slot)))
    }
    /// The node of a leaf that maps something.
    #[inline(always)]
    pub(super) fn node_of(&self, leaf: Leaf) -> Node {
        match self.node_at(leaf.slot) {
            Some(node) => node,
            None => panic!("a leaf has no node"),
        }
    }
    /// The space that the node's page is mapped in.
    #[inline(always)]
    pub(super) fn space_of(&self, node: Node) -> Space {
        let space = self.load(PhysAddr(node.word()).frame().plus(slab::SPACE));
        match Space::of_slab(space) {
            Some(space) => space,
            None => panic!("a slab names no space"),
        }
    }

    /// Writes a node that has neither parent nor children yet, and its leaf. Whether the table has one leaf
    /// more is the caller's to count.
    #[inline(always)]
    pub(super) fn set_leaf(&self, node: Node, slot: PhysAddr, va: VirtAddr, entry: Entry) {
        self.set_field(node, field::PARENT, 0);
        self.set_field(node, field::CHILDREN, 0);
        self.set_field(node, field::SLOT, slot.0);
        if entry.is_superpage() {
            self.set_field(node, field::PAGE, va.0 | SUPERPAGE);
            self.set_field(node, field::INDEX, 0);
        } else {
            self.set_field(node, field::PAGE, va.0);
        }
        self.store(companion(slot), node.word());
        self.store(slot, entry.0);
    }

    /// Makes a node a root: it is on no list.
    #[inline(always)]
    pub(super) fn link_root(&self, node: Node) {
        self.set_field(node, field::NEXT, 0);
        self.set_field(node, field::PREV, node.at(field::NEXT).0);
    }

    /// Puts a node on the list of children that starts at `head`.
    #[inline(always)]
    pub(super) fn link_child(&self, node: Node, parent: Node, head: PhysAddr) {
        let first = self.load(head);
        self.set_field(node, field::PARENT, parent.word());
        self.set_field(node, field::NEXT, first);
        self.set_field(node, field::PREV, head.0);
        if let Some(first) = Node::from_word(first) {
            self.set_field(first, field::PREV, node.at(field::NEXT).0);
        }
        self.store(head, node.word());
    }

    #[inline(always)]
    pub(super) fn unlink(&self, node: Node) {
        let next = self.field(node, field::NEXT);
        let prev = self.field(node, field::PREV);
        self.store(PhysAddr(prev), next);
        if let Some(next) = Node::from_word(next) {
            self.set_field(next, field::PREV, prev);
        }
    }

    /// Head of the list of children for `part`, which maps what `leaf` of `parent` maps, or a 4-KiB part of it.
    #[inline(always)]
    pub(super) fn head_for(&self, parent: Node, leaf: Entry, part: Entry) -> Result<PhysAddr, NoMemory> {
        if leaf.is_superpage() && !part.is_superpage() {
            self.head_of_part(parent, part)
        } else {
            Ok(parent.at(field::CHILDREN))
        }
    }

    /// Head of the list of children of a superpage for a 4-KiB part of it.
    #[inline(always)]
    pub(super) fn head_of_part(&self, parent: Node, entry: Entry) -> Result<PhysAddr, NoMemory> {
        let index = match self.field(parent, field::INDEX) {
            0 => self.make_index(parent)?,
            index => PhysAddr(index),
        };
        Ok(index.plus(part_number(entry) * 8))
    }

    #[cold]
    fn make_index(&self, node: Node) -> Result<PhysAddr, NoMemory> {
        let index = self.alloc_charged(self.space_of(node))?;
        self.set_field(node, field::INDEX, index.0);
        Ok(index)
    }

    /// First child that maps a part of `part`. Children that are superpages map a part of everything.
    #[inline(always)]
    pub(super) fn first_child(&self, node: Node, part: Part) -> Option<Node> {
        let first = self.link(node, field::CHILDREN);
        if first.is_some() || !self.is_superpage(node) { first } else { self.first_part(node, part) }
    }

    /// The child of `parent` that comes after `node`, as [`Mem::first_child`] counts them.
    #[inline(always)]
    pub(super) fn next_child(&self, node: Node, parent: Node, part: Part) -> Option<Node> {
        let next = self.link(node, field::NEXT);
        if next.is_some() || !self.is_superpage(parent) {
            next
        } else if self.is_superpage(node) {
            self.first_part(parent, part)
        } else {
            let first = part_number(self.leaf(node)) + 1;
            self.first_part(parent, Part { first, ..part })
        }
    }

    /// First node on the lists of an index.
    fn first_part(&self, node: Node, part: Part) -> Option<Node> {
        let index = self.field(node, field::INDEX);
        if index == 0 {
            return None;
        }
        (part.first..part.end).find_map(|n| Node::from_word(self.load(PhysAddr(index + n * 8))))
    }

    /// Takes a page out of its space. The node has no children. Says whether the table that the leaf was in went too.
    pub(super) fn remove(&self, node: Node) -> bool {
        let slot = self.slot(node);
        let space = self.space_of(node);
        let page = self.field(node, field::PAGE);
        self.store(slot, 0);
        self.store(companion(slot), 0);
        self.unlink(node);
        if page & SUPERPAGE != 0 {
            self.free_index(node, space);
        }
        let table_gone = self.release(space, slot);
        self.frames.machine.flush(self.cr3(space), VirtAddr(page & !SUPERPAGE));
        self.free_node(space, node);
        table_gone
    }

    /// Frees the index of a superpage; its lists are empty.
    pub(super) fn free_index(&self, node: Node, space: Space) {
        let index = self.field(node, field::INDEX);
        if index != 0 {
            self.frames.free(PhysAddr(index));
            self.refund(space, 1);
        }
    }

    /// A node for a page of `space`, its words undefined.
    #[inline(always)]
    pub(super) fn alloc_node(&self, space: Space) -> Result<Node, NoMemory> {
        if let Some(node) = Node::from_word(self.get(space, word::FREE_NODES)) {
            self.set(space, word::FREE_NODES, self.field(node, field::PARENT));
            return Ok(node);
        }
        let fresh = self.get(space, word::FRESH_NODES);
        if !fresh.is_multiple_of(PAGE) {
            self.set(space, word::FRESH_NODES, fresh + Node::SIZE);
            return Node::from_word(fresh).ok_or(NoMemory);
        }
        self.alloc_slab(space)
    }

    #[inline(always)]
    pub(super) fn free_node(&self, space: Space, node: Node) {
        self.set_field(node, field::SLOT, 0);
        self.set_field(node, field::PARENT, self.get(space, word::FREE_NODES));
        self.set(space, word::FREE_NODES, node.word());
    }

    /// The first node of a new slab.
    #[cold]
    fn alloc_slab(&self, space: Space) -> Result<Node, NoMemory> {
        self.charge(space, 1)?;
        let Ok(frame) = self.frames.alloc_dirty() else {
            self.refund(space, 1);
            return Err(NoMemory);
        };
        self.store(frame.plus(slab::OLDER), self.get(space, word::SLABS));
        self.store(frame.plus(slab::SPACE), space.frame().0);
        self.set(space, word::SLABS, frame.0);
        self.set(space, word::FRESH_NODES, frame.0 + 2 * Node::SIZE);
        Node::from_word(frame.0 + Node::SIZE).ok_or(NoMemory)
    }

    pub(super) fn init_first_slab(&self, space: Space) {
        self.store(space.at(slab::OLDER), 0);
        self.store(space.at(slab::SPACE), space.frame().0);
        self.set(space, word::SLABS, space.frame().0);
        self.set(space, word::FREE_NODES, 0);
        self.set(space, word::FRESH_NODES, space.at(word::END).0);
    }

    /// Calls `f` with every node in use. It may remove nodes, not add any.
    pub(super) fn for_each_node(&self, space: Space, f: impl Fn(Node)) {
        let fresh = self.get(space, word::FRESH_NODES);
        let mut frame = PhysAddr(self.get(space, word::SLABS));
        // Nodes of the newest slab from `fresh` on have never been used.
        let mut end = if fresh.is_multiple_of(PAGE) { frame.0 + PAGE } else { fresh };
        while !frame.is_null() {
            let header = if frame == space.frame() { word::END } else { Node::SIZE };
            let mut at = frame.0 + header;
            while at < end {
                if let Some(node) = Node::from_word(at)
                    && self.field(node, field::SLOT) != 0
                {
                    f(node);
                }
                at += Node::SIZE;
            }
            frame = PhysAddr(self.load(frame.plus(slab::OLDER)));
            end = frame.0 + PAGE;
        }
    }

    /// Frees the slabs, and with the oldest the space itself.
    pub(super) fn free_slabs(&self, space: Space) {
        let mut frame = PhysAddr(self.get(space, word::SLABS));
        while !frame.is_null() {
            let older = PhysAddr(self.load(frame.plus(slab::OLDER)));
            self.frames.free_dirty(frame);
            frame = older;
        }
    }
}

/// Which 4-KiB part of a superpage a leaf maps.
#[inline(always)]
pub(super) const fn part_number(entry: Entry) -> u64 {
    entry.0 >> 12 & 511
}
