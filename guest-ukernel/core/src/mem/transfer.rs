//! Map and grant: pages of one space appear in another.
//!
//! A superpage stays one where both addresses are aligned to it and the item covers it; any other part of it arrives as pages.
//! Pages never become superpages again.
//!
//! What is in the receiver's way goes first, with all that was mapped from it, and the step is then tried afresh: what
//! went may have been the very thing to be sent, if the sender has it from the receiver. The one exception is a
//! page that the receiver already has from the same page of the sender's: it only gains rights (a write
//! fault after a read fault costs no more than that).

use super::entry::Entry;
use super::frames::NoMemory;
use super::machine::{Machine, PhysAddr, VirtAddr};
use super::node::{Node, companion, field};
use super::root::Found;
use super::space::{Mem, Space};
use super::tables::{Leaf, next_in_table};
use super::take::Part;
use super::window::{fit, memory};
use ukernel_abi::layout::{PAGE, SUPERPAGE, USER_END};
use ukernel_abi::{Fpage, MapItem, Rights};

/// Why an item was not mapped, or only a part of it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// The flexpage is none, or the window takes none, or not of that kind.
    BadItem,
    NoMemory,
}

impl From<NoMemory> for MapError {
    fn from(NoMemory: NoMemory) -> Self {
        Self::NoMemory
    }
}

/// What is to be mapped where. Addresses and length are multiples of the page size, and below `USER_END`.
pub(super) struct Transfer {
    pub from: Space,
    pub src: VirtAddr,
    pub to: Space,
    pub dst: VirtAddr,
    pub len: u64,
    /// With the right to read.
    pub rights: Rights,
    pub grant: bool,
}

/// How far a transfer has come, and what the next step need not look up again.
#[derive(Default)]
struct Cursor {
    done: u64,
    src: Option<Leaf>,
    dst: Option<PhysAddr>,
}

/// What became of a step.
enum Step {
    /// A leaf was made.
    Made,
    /// There is a leaf already that does, perhaps a larger one.
    There,
    /// Something was in the way and is gone.
    Again,
}

impl<M: Machine> Mem<M> {
    /// Maps or grants what an item of a message says. Parts that the sender does not have are left out. If memory runs out,
    /// what has been mapped stays mapped.
    #[inline(always)]
    pub fn map(&self, from: Space, item: MapItem, to: Space, window: Fpage) -> Result<(), MapError> {
        match self.map_page(from, item, to, window) {
            Some(()) => Ok(()),
            None => self.map_any(from, item, to, window),
        }
    }

    fn map_any(&self, from: Space, item: MapItem, to: Space, window: Fpage) -> Result<(), MapError> {
        match (memory(item.snd), memory(window)) {
            (Some(snd), Some(window)) => {
                let rights = item.snd.rights();
                if !rights.contains(Rights::R) {
                    return Ok(());
                }
                let at = fit(snd, window, item.base);
                let len = at.len.min(USER_END.saturating_sub(at.src)).min(USER_END.saturating_sub(at.dst));
                let (src, dst, grant) = (VirtAddr(at.src), VirtAddr(at.dst), item.is_grant());
                self.transfer(&Transfer { from, src, to, dst, len, rights, grant }).map_err(MapError::from)
            }
            (None, _) if !window.is_nil() => self.map_io(from, item, to),
            _ => Err(MapError::BadItem),
        }
    }

    pub(super) fn transfer(&self, t: &Transfer) -> Result<(), NoMemory> {
        let mut at = Cursor::default();
        while at.done < t.len {
            let va = t.src.plus(at.done);
            let src = match at.src {
                Some(leaf) => leaf,
                None => match self.source(t.from, va)? {
                    Found::Leaf(leaf) => leaf,
                    Found::Hole(hole) => {
                        at = Cursor { done: hole.end.0 - t.src.0, ..Cursor::default() };
                        continue;
                    }
                },
            };
            let superpage = src.entry.is_superpage();
            let dst = t.dst.plus(at.done);
            if superpage && (va.0 | dst.0) & (SUPERPAGE - 1) == 0 && t.len - at.done >= SUPERPAGE {
                match self.send_superpage(t, src, dst)? {
                    Step::Made | Step::There => {
                        at = Cursor { done: at.done + SUPERPAGE, ..Cursor::default() }
                    }
                    Step::Again => at = Cursor { done: at.done, ..Cursor::default() },
                }
                continue;
            }
            let slot = match at.dst {
                Some(slot) => slot,
                None => self.slot_of_page(t.to, dst)?,
            };
            match self.send_page(t, src, va, slot, dst).inspect_err(|_| self.prune(t.to, slot))? {
                Step::Made => self.advance(&mut at, va, src, slot, t.grant),
                Step::There => at = Cursor { done: at.done + PAGE, ..Cursor::default() },
                Step::Again => at = Cursor { done: at.done, ..Cursor::default() },
            }
        }
        Ok(())
    }

    /// Moves on by a page, of which a leaf was made at `slot`.
    #[inline(always)]
    fn advance(&self, at: &mut Cursor, va: VirtAddr, src: Leaf, slot: PhysAddr, grant: bool) {
        at.done += PAGE;
        at.dst = next_in_table(slot);
        at.src = if grant {
            None
        } else if src.entry.is_superpage() {
            (va.plus(PAGE).in_superpage() != 0).then_some(src)
        } else {
            next_in_table(src.slot)
                .map(|slot| Leaf { slot, entry: Entry(self.load(slot)) })
                .filter(|leaf| !leaf.entry.is_none())
        };
    }

    /// The sender's leaf at `va`.
    #[inline(always)]
    fn source(&self, from: Space, va: VirtAddr) -> Result<Found, NoMemory> {
        match self.find(from, va) {
            Ok(leaf) => Ok(Found::Leaf(leaf)),
            Err(hole) if self.is_idempotent(from) => self.make_idempotent_leaf(from, va, hole),
            Err(hole) => Ok(Found::Hole(hole)),
        }
    }

    /// One page, or one page of a superpage.
    #[inline(always)]
    fn send_page(
        &self,
        t: &Transfer,
        src: Leaf,
        va: VirtAddr,
        slot: PhysAddr,
        dst: VirtAddr,
    ) -> Result<Step, NoMemory> {
        let offset = if src.entry.is_superpage() { va.in_superpage() } else { 0 };
        let entry = src.entry.part(offset, false, t.rights);
        let old = Entry(self.load(slot));
        if old.is_none() {
            if t.grant {
                return self.grant(t.to, src, slot, dst, entry);
            }
            let parent = self.node_of(src);
            let head = self.head_for(parent, src.entry, entry)?;
            self.add_child(t.to, parent, head, slot, dst, entry)?;
            return Ok(Step::Made);
        }
        self.send_over(t, src, slot, dst, entry)
    }

    /// One whole superpage.
    fn send_superpage(&self, t: &Transfer, src: Leaf, dst: VirtAddr) -> Result<Step, NoMemory> {
        let slot = self.slot_of_superpage(t.to, dst)?;
        let entry = src.entry.part(0, true, t.rights);
        let old = Entry(self.load(slot));
        if old.is_none() {
            let sent = if t.grant {
                self.grant(t.to, src, slot, dst, entry)
            } else {
                let parent = self.node_of(src);
                self.add_child(t.to, parent, parent.at(field::CHILDREN), slot, dst, entry)
                    .map(|()| Step::Made)
            };
            return sent.inspect_err(|_| self.prune(t.to, slot));
        }
        if old.is_superpage() {
            return self.send_over(t, src, slot, dst, entry);
        }
        self.clear_table(old.addr());
        Ok(Step::Again)
    }

    #[inline(always)]
    pub(super) fn add_child(
        &self,
        to: Space,
        parent: Node,
        head: PhysAddr,
        slot: PhysAddr,
        va: VirtAddr,
        entry: Entry,
    ) -> Result<(), NoMemory> {
        let node = self.alloc_node(to)?;
        self.set_leaf(node, slot, va, entry);
        self.link_child(node, parent, head);
        self.count_up(slot);
        Ok(())
    }

    /// Sends a page or superpage where there is a leaf already: gives it more rights if it is the same page from
    /// the same source, else gets it out of the way.
    #[cold]
    fn send_over(
        &self,
        t: &Transfer,
        src: Leaf,
        slot: PhysAddr,
        dst: VirtAddr,
        entry: Entry,
    ) -> Result<Step, NoMemory> {
        let old = Entry(self.load(slot));
        let node = self.node_of(Leaf { slot, entry: old });
        let part_of_superpage = old.is_superpage() && !entry.is_superpage();
        let offset = if part_of_superpage { dst.in_superpage() } else { 0 };
        let same_frame = old.addr().plus(offset) == entry.addr();
        if slot == src.slot && same_frame {
            return Ok(Step::There);
        }
        let parent = self.field(node, field::PARENT);
        if same_frame && parent == self.node_of(src).word() && !t.grant {
            if old.rights().contains(entry.rights()) {
                return Ok(Step::There);
            }
            if !part_of_superpage {
                self.store(slot, old.with(entry.rights()).0);
                return Ok(Step::There);
            }
        }
        if part_of_superpage {
            self.split(node)?;
        } else {
            self.drop_children(node, Part::ALL);
            self.remove(node);
        }
        Ok(Step::Again)
    }

    /// Empties a level-1 table of the receiver's, to make room for a superpage.
    fn clear_table(&self, table: PhysAddr) {
        let mut slot = Some(table);
        while let Some(at) = slot {
            slot = next_in_table(at);
            if let Some(node) = self.node_at(at) {
                self.drop_children(node, Part::ALL);
                if self.remove(node) {
                    return;
                }
            }
        }
    }

    /// Moves a page: its node's place in the tree goes to a node of the receiver's. A part of a superpage is split off first.
    #[cold]
    fn grant(
        &self,
        to: Space,
        src: Leaf,
        slot: PhysAddr,
        va: VirtAddr,
        entry: Entry,
    ) -> Result<Step, NoMemory> {
        let node = self.node_of(src);
        if src.entry.is_superpage() && !entry.is_superpage() {
            self.split(node)?;
            return Ok(Step::Again);
        }
        let lost = src.entry.rights().without(entry.rights());
        self.take_from_children(node, Part::ALL, lost);
        let new = self.alloc_node(to)?;
        let from = self.space_of(node);
        let index = if entry.is_superpage() { self.field(node, field::INDEX) } else { 0 };
        if index != 0 {
            if let Err(error) = self.charge(to, 1) {
                self.free_node(to, new);
                return Err(error);
            }
            self.refund(from, 1);
        }
        self.set_leaf(new, slot, va, entry);
        self.count_up(slot);
        self.take_place(node, new, index);
        self.store(src.slot, 0);
        self.store(companion(src.slot), 0);
        self.release(from, src.slot);
        self.frames.machine.flush(self.cr3(from), self.va(node));
        self.free_node(from, node);
        Ok(Step::Made)
    }

    /// Puts `new` where `old` is in its tree, with its children and its index.
    fn take_place(&self, old: Node, new: Node, index: u64) {
        match self.link(old, field::PARENT) {
            Some(parent) => {
                let head = PhysAddr(self.field(old, field::PREV));
                self.unlink(old);
                self.link_child(new, parent, head);
            }
            None => self.link_root(new),
        }
        if let Some(first) = self.link(old, field::CHILDREN) {
            self.set_field(new, field::CHILDREN, first.word());
            self.set_field(first, field::PREV, new.at(field::CHILDREN).0);
            self.reparent(first, new);
        }
        if index != 0 {
            self.set_field(new, field::INDEX, index);
            for n in 0..SUPERPAGE / PAGE {
                if let Some(first) = Node::from_word(self.load(PhysAddr(index + n * 8))) {
                    self.reparent(first, new);
                }
            }
        }
    }
}
