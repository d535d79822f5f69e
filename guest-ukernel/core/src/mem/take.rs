//! Taking rights from a subtree, without recursion: a tree is as deep as programs make it.

use super::machine::Machine;
use super::node::{Node, field};
use super::space::Mem;
use ukernel_abi::Rights;

/// The 4-KiB parts `first` to `end - 1` of a superpage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part {
    pub first: u64,
    pub end: u64,
}

impl Part {
    pub const ALL: Self = Self { first: 0, end: 512 };
}

impl<M: Machine> Mem<M> {
    /// Takes `rights` from everything that was mapped from `part` of the node's page, directly or not, but not from the page itself.
    /// Without the right to read nothing remains. Superpages of which a part is hit are split first; without memory for that they are hit whole.
    pub(super) fn take_from_children(&self, node: Node, part: Part, rights: Rights) {
        if part != Part::ALL {
            self.split_children(node, rights);
        }
        if rights.contains(Rights::R) {
            self.drop_children(node, part);
        } else {
            self.demote_children(node, part, rights);
        }
    }

    /// Removes everything that was mapped from `part` of the node's page: children before parents.
    pub(super) fn drop_children(&self, top: Node, part: Part) {
        let part_of = |parent| if parent == top { part } else { Part::ALL };
        let Some(mut node) = self.first_child(top, part) else { return };
        loop {
            while let Some(child) = self.first_child(node, Part::ALL) {
                node = child;
            }
            // The node has no children (any more). Remove it, and its parents as long as it was their last.
            loop {
                let parent = self.parent(node);
                let next = self.next_child(node, parent, part_of(parent));
                self.remove(node);
                match next {
                    Some(next) => {
                        node = next;
                        break;
                    }
                    None if parent == top => return,
                    None => node = parent,
                }
            }
        }
    }

    /// Takes `rights`, not reading, from everything that was mapped from `part` of the node's page: parents before children.
    fn demote_children(&self, top: Node, part: Part, rights: Rights) {
        let part_of = |parent| if parent == top { part } else { Part::ALL };
        let Some(mut node) = self.first_child(top, part) else { return };
        loop {
            let below = if self.demote(node, rights) { self.first_child(node, Part::ALL) } else { None };
            let mut next = below;
            while next.is_none() {
                let parent = self.parent(node);
                next = self.next_child(node, parent, part_of(parent));
                if next.is_none() {
                    if parent == top {
                        return;
                    }
                    node = parent;
                }
            }
            let Some(next) = next else { return };
            node = next;
        }
    }

    /// Takes `rights`, not reading, from a page. Says whether it had any of them: if not, nobody below it has.
    pub(super) fn demote(&self, node: Node, rights: Rights) -> bool {
        let slot = self.slot(node);
        let entry = self.leaf(node);
        if entry.rights().intersection(rights).is_empty() {
            return false;
        }
        self.store(slot, entry.without(rights).0);
        self.frames.machine.flush(self.cr3(self.space_of(node)), self.va(node));
        true
    }

    /// The node's parent; it has one.
    #[inline(always)]
    pub(super) fn parent(&self, node: Node) -> Node {
        match self.link(node, field::PARENT) {
            Some(parent) => parent,
            None => panic!("the top of a subtree has no parent"),
        }
    }
}
