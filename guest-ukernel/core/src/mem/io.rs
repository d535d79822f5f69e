//! Who has I/O ports and interrupt lines, and from whom.
//!
//! Ports and lines are *units*: port *p* is unit *p*, line *n* is unit 65536 + *n*. Their mapping database is made of the same nodes and trees as
//! that of memory, but a node stands for up to 64 units of one *word* (an aligned 64 of them): those that a space has
//! from one other node. So taking a part of what was mapped clears bits and splits nothing, and needs no memory.
//!
//! - A space's nodes for a word are on a list. They have no unit in common: what a receiver has already stays as it has it.
//! - A child has no unit that its parent has not.
//! - A node without units goes, but for roots: the space that owns everything from the start has a root for a word as soon as the word is
//!   passed on or given up, and has all of a word for which there is no node.
//! - What the processor asks (the I/O bitmap, see `ports`) and what the kernel asks ([`Mem::has_irq`]) is written from the nodes.

use super::frames::NoMemory;
use super::machine::{Machine, PhysAddr};
use super::node::{Node, field};
use super::ports::PORTS;
use super::space::{Mem, Space, word};
use super::transfer::MapError;
use ukernel_abi::{Fpage, FpageKind, MapItem};

/// Marks a node for units in [`field::PAGE`], which else holds the number of the word, as a page number.
const IO: u64 = 1 << 1;
const WORD_SHIFT: u32 = 12;
/// The word of the interrupt lines, after those of the ports.
const LINES: u64 = PORTS / 64;

impl<M: Machine> Mem<M> {
    /// Gives the space all ports and interrupt lines, which are nobody else's yet. Called at boot.
    pub fn own_all_io(&self, space: Space) -> Result<(), NoMemory> {
        let bitmap = self.bitmap_of(space)?;
        self.frames.machine.fill(bitmap, PORTS / 64, 0);
        self.set(space, word::IRQS, u64::MAX);
        self.set(space, word::OWNS_IO, 1);
        Ok(())
    }

    /// Whether threads of the space may receive interrupt line `line`.
    #[inline(always)]
    pub fn has_irq(&self, space: Space, line: u8) -> bool {
        line < 64 && self.get(space, word::IRQS) >> line & 1 != 0
    }

    /// Lines that some space has lost since this was last asked: bit n for line n. Whoever is attached to one may have no right to it any more.
    pub fn take_lost_lines(&self) -> u64 {
        self.lost_lines.take()
    }

    /// Maps or grants ports or lines. They have no addresses, so they go where they are.
    ///
    /// A grant ends what others have from the sender.
    #[cold]
    pub(super) fn map_io(&self, from: Space, item: MapItem, to: Space) -> Result<(), MapError> {
        let mut units = Units::of(item.snd).ok_or(MapError::BadItem)?;
        while let Some((word, bits)) = units.next_word() {
            if from != to {
                self.send_units(from, to, word, bits, item.is_grant())?;
            }
        }
        Ok(())
    }

    fn send_units(&self, from: Space, to: Space, word: u64, bits: u64, grant: bool) -> Result<(), NoMemory> {
        let mut next = self.first_or_root(from, word)?;
        while let Some(node) = next {
            next = self.link(node, field::BESIDE);
            if grant {
                self.take_units(node, bits, false);
            }
            let given = self.field(node, field::UNITS) & bits & !self.units(to, word);
            if given != 0 {
                let parent = if grant { self.link(node, field::PARENT) } else { Some(node) };
                self.add_units(to, word, given, parent)?;
            }
            if grant {
                self.lose_units(node, bits);
            }
        }
        Ok(())
    }

    /// Takes ports or lines from everybody who has them from the space, and with `flush` from the space itself. False if the flexpage is none.
    #[cold]
    pub(super) fn unmap_io(&self, space: Space, fpage: Fpage, flush: bool) -> bool {
        let Some(mut units) = Units::of(fpage) else { return false };
        while let Some((word, bits)) = units.next_word() {
            // Without memory for the root of a word the owner keeps it; nobody else has any of it.
            let mut next = if flush { self.first_or_root(space, word) } else { Ok(self.first(space, word)) }
                .unwrap_or_default();
            while let Some(node) = next {
                next = self.link(node, field::BESIDE);
                self.take_units(node, bits, flush);
            }
        }
        true
    }

    pub(super) fn is_io(&self, node: Node) -> bool {
        self.field(node, field::PAGE) & IO != 0
    }

    /// Takes units from everybody who has them from `top`, directly or not, and with `flush` from `top` itself: children before parents.
    pub(super) fn take_units(&self, top: Node, bits: u64, flush: bool) {
        let mut node = top;
        loop {
            while let Some(child) = self.first_with(bits, self.link(node, field::CHILDREN)) {
                node = child;
            }
            loop {
                if node == top {
                    if flush {
                        self.lose_units(top, bits);
                    }
                    return;
                }
                let parent = self.parent(node);
                let next = self.first_with(bits, self.link(node, field::NEXT));
                self.lose_units(node, bits);
                match next {
                    Some(next) => {
                        node = next;
                        break;
                    }
                    None => node = parent,
                }
            }
        }
    }

    /// The first node of the list from `node` on that has any of the units.
    fn first_with(&self, bits: u64, mut node: Option<Node>) -> Option<Node> {
        while let Some(at) = node
            && self.field(at, field::UNITS) & bits == 0
        {
            node = self.link(at, field::NEXT);
        }
        node
    }

    /// Takes units from a node from which nobody has them (any more).
    fn lose_units(&self, node: Node, bits: u64) {
        let (space, word) = (self.space_of(node), self.field(node, field::PAGE) >> WORD_SHIFT);
        let had = self.field(node, field::UNITS);
        self.set_field(node, field::UNITS, had & !bits);
        if word == LINES {
            self.lost_lines.set(self.lost_lines.get() | had & bits);
        }
        if had & !bits == 0 && self.field(node, field::PARENT) != 0 {
            self.unlink(node);
            let mut at = self.slot(node);
            while self.load(at) != node.word() {
                at = PhysAddr(self.load(at) + field::BESIDE);
            }
            self.store(at, self.field(node, field::BESIDE));
            self.free_node(space, node);
        }
        self.show_units(space, word);
    }

    /// Gives a space units that it has not: from `parent`, or as a root.
    fn add_units(&self, to: Space, word: u64, bits: u64, parent: Option<Node>) -> Result<(), NoMemory> {
        if word != LINES {
            self.bitmap_of(to)?;
        }
        let mut same = self.first(to, word);
        while let Some(node) = same
            && self.link(node, field::PARENT) != parent
        {
            same = self.link(node, field::BESIDE);
        }
        match same {
            Some(node) => self.set_field(node, field::UNITS, self.field(node, field::UNITS) | bits),
            None => self.make_units(to, word, bits, parent)?,
        }
        self.show_units(to, word);
        Ok(())
    }

    fn make_units(&self, to: Space, word: u64, bits: u64, parent: Option<Node>) -> Result<(), NoMemory> {
        let node = self.alloc_node(to)?;
        let list = self.list(to, word);
        self.set_field(node, field::PARENT, 0);
        self.set_field(node, field::CHILDREN, 0);
        self.set_field(node, field::SLOT, list.0);
        self.set_field(node, field::PAGE, word << WORD_SHIFT | IO);
        self.set_field(node, field::UNITS, bits);
        self.set_field(node, field::BESIDE, self.load(list));
        self.store(list, node.word());
        match parent {
            Some(parent) => self.link_child(node, parent, parent.at(field::CHILDREN)),
            None => self.link_root(node),
        }
        Ok(())
    }

    /// The first node of a word. If the space owns all of it and has none, one is made.
    fn first_or_root(&self, space: Space, word: u64) -> Result<Option<Node>, NoMemory> {
        if self.first(space, word).is_none() && self.get(space, word::OWNS_IO) != 0 {
            self.make_units(space, word, u64::MAX, None)?;
        }
        Ok(self.first(space, word))
    }

    /// The space's units of a word.
    pub(super) fn units(&self, space: Space, word: u64) -> u64 {
        let mut next = self.first(space, word);
        let mut units = if next.is_none() && self.get(space, word::OWNS_IO) != 0 { u64::MAX } else { 0 };
        while let Some(node) = next {
            units |= self.field(node, field::UNITS);
            next = self.link(node, field::BESIDE);
        }
        units
    }

    /// Writes down which units of a word the space has, where it is asked.
    fn show_units(&self, space: Space, word: u64) {
        let units = self.units(space, word);
        if word == LINES {
            self.set(space, word::IRQS, units);
        } else {
            self.store(PhysAddr(self.get(space, word::PORTS) + word * 8), !units);
        }
    }

    fn first(&self, space: Space, word: u64) -> Option<Node> {
        let has_list = word == LINES || self.get(space, word::PORTS) != 0;
        if has_list { Node::from_word(self.load(self.list(space, word))) } else { None }
    }

    /// Where the list of the space's nodes for a word begins. For ports it must have a bitmap.
    fn list(&self, space: Space, word: u64) -> PhysAddr {
        if word == LINES {
            space.at(word::LINES)
        } else {
            PhysAddr(self.get(space, word::PORT_LISTS) + word * 8)
        }
    }
}

/// Units from `first` up to `end`.
struct Units {
    first: u64,
    end: u64,
}

impl Units {
    /// What a flexpage of ports or lines covers.
    fn of(fpage: Fpage) -> Option<Self> {
        let start = match fpage.kind() {
            Some(FpageKind::Ports) => 0,
            Some(FpageKind::Irqs) => PORTS,
            _ => return None,
        };
        let first = start + fpage.base();
        fpage.is_valid().then(|| Self { first, end: first + fpage.size() })
    }

    /// The next word, and which of its units are meant. A flexpage is aligned to its size, so it is a part of one word, or whole words.
    fn next_word(&mut self) -> Option<(u64, u64)> {
        let count = (self.end - self.first).min(64);
        if count == 0 {
            return None;
        }
        let at = self.first;
        self.first += count;
        Some((at / 64, u64::MAX >> (64 - count) << (at % 64)))
    }
}

#[cfg(test)]
#[path = "io_tests.rs"]
mod tests;
