//! A superpage becomes 512 pages, when rights to a part of it go, or something else is mapped over a part of it.
//!
//! The superpages that others have from it become pages first, from the bottom up: there will be no node left that could be their parent.
//! Each is split in the memory of the space that has it. Where there is none, that space loses the superpage.

use super::entry::Entry;
use super::frames::NoMemory;
use super::machine::VirtAddr;
use super::machine::{Machine, PhysAddr};
use super::node::companion;
use super::node::{Node, field};
use super::space::{Mem, Space};
use super::take::Part;
use ukernel_abi::Rights;
use ukernel_abi::layout::{PAGE, SUPERPAGE};

/// What a superpage becomes: a table, and a list of as many nodes as it has entries.
struct Parts {
    table: PhysAddr,
    nodes: Option<Node>,
}

impl<M: Machine> Mem<M> {
    /// Splits the superpage, and the superpages below it. Its smaller children become children of the pages that they are a part of.
    /// With an error nothing has changed.
    #[cold]
    pub(super) fn split(&self, top: Node) -> Result<(), NoMemory> {
        let parts = self.prepare_split(top)?;
        let mut node = top;
        loop {
            if let Some(child) = self.link(node, field::CHILDREN) {
                node = child;
            } else if node == top {
                self.split_one(top, parts);
                return Ok(());
            } else {
                let parent = self.parent(node);
                match self.prepare_split(node) {
                    Ok(parts) => self.split_one(node, parts),
                    Err(NoMemory) => {
                        self.drop_children(node, Part::ALL);
                        self.remove(node);
                    }
                }
                node = parent;
            }
        }
    }

    /// Splits those of the superpage's children of its own size that have any of `rights`, as far as there is memory.
    #[cold]
    pub(super) fn split_children(&self, node: Node, rights: Rights) {
        let mut next = self.link(node, field::CHILDREN);
        while let Some(child) = next {
            next = self.link(child, field::NEXT);
            if !self.leaf(child).rights().intersection(rights).is_empty() {
                // Without memory it is treated whole.
                let _ = self.split(child);
            }
        }
    }

    /// The memory to split a superpage.
    fn prepare_split(&self, node: Node) -> Result<Parts, NoMemory> {
        let space = self.space_of(node);
        // Has the parent make its index, if it has none.
        if let Some(parent) = self.link(node, field::PARENT) {
            self.head_of_part(parent, self.leaf(node).split(0))?;
        }
        let table = self.alloc_pair_charged(space)?;
        match self.alloc_nodes(space, SUPERPAGE / PAGE) {
            Ok(nodes) => Ok(Parts { table, nodes }),
            Err(error) => {
                self.frames.free_pair(table);
                self.refund(space, 2);
                Err(error)
            }
        }
    }

    /// Splits a superpage that has no children of its own size (any more).
    fn split_one(&self, node: Node, parts: Parts) {
        let space = self.space_of(node);
        let parent = self.link(node, field::PARENT);
        let entry = self.leaf(node);
        let Parts { table, nodes: mut spare } = parts;
        let index = PhysAddr(self.field(node, field::INDEX));
        for n in 0..SUPERPAGE / PAGE {
            let Some(page) = spare else { break };
            spare = self.link(page, field::NEXT);
            let va = self.va(node).plus(n * PAGE);
            self.split_off(page, table.plus(n * 8), va, entry.split(n), parent);
            if !index.is_null() {
                self.rehang(index.plus(n * 8), page);
            }
        }
        self.unlink(node);
        self.replace_by_table(node, space, table);
    }

    /// Makes one page of a superpage.
    fn split_off(&self, page: Node, slot: PhysAddr, va: VirtAddr, entry: Entry, parent: Option<Node>) {
        self.set_leaf(page, slot, va, entry);
        match parent {
            Some(parent) => {
                let Ok(head) = self.head_of_part(parent, entry) else {
                    panic!("a part of a superpage has no list");
                };
                self.link_child(page, parent, head);
            }
            None => self.link_root(page),
        }
    }

    /// Moves the list of children at `head` to `parent`, which has none.
    fn rehang(&self, head: PhysAddr, parent: Node) {
        let Some(first) = Node::from_word(self.load(head)) else { return };
        self.store(head, 0);
        self.set_field(parent, field::CHILDREN, first.word());
        self.set_field(first, field::PREV, parent.at(field::CHILDREN).0);
        self.reparent(first, parent);
    }

    /// Names `parent` in all nodes of the list from `first` on.
    pub(super) fn reparent(&self, first: Node, parent: Node) {
        let mut child = Some(first);
        while let Some(node) = child {
            self.set_field(node, field::PARENT, parent.word());
            child = self.link(node, field::NEXT);
        }
    }

    /// Puts a full table in the place of a superpage, whose node goes.
    fn replace_by_table(&self, node: Node, space: Space, table: PhysAddr) {
        let slot = self.slot(node);
        self.adopt_table(table, slot, true, SUPERPAGE / PAGE);
        self.store(slot, Entry::table(table).0);
        self.store(companion(slot), 0);
        self.free_index(node, space);
        self.frames.machine.flush(self.cr3(space), self.va(node));
        self.free_node(space, node);
    }

    /// A list of `count` nodes, linked by `NEXT`.
    fn alloc_nodes(&self, space: Space, count: u64) -> Result<Option<Node>, NoMemory> {
        let mut list = None;
        for _ in 0..count {
            match self.alloc_node(space) {
                Ok(node) => {
                    self.set_field(node, field::NEXT, list.map_or(0, Node::word));
                    list = Some(node);
                }
                Err(error) => {
                    while let Some(node) = list {
                        list = self.link(node, field::NEXT);
                        self.free_node(space, node);
                    }
                    return Err(error);
                }
            }
        }
        Ok(list)
    }
}
