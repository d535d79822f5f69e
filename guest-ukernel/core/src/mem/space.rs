//! Address spaces: what belongs to a space as a whole.
//!
//! A space is a control frame and the tables below its top-level table. The control frame starts with the words below; the
//! rest of it is the first slab of the space's nodes. Nodes and slabs belong to the space whose page they describe, and so
//! does their cost: when the space goes, whole frames come back, and a task's memory never hangs on another's.

use core::cell::Cell;
use core::num::NonZeroU64;

use super::frames::{Frames, NoMemory};
use super::machine::{Machine, PhysAddr};
use super::node::{Node, field};
use super::ports::TssTable;
use super::root::Region;
use super::take::Part;

/// An address space, by its control frame. Copies are references: none may be used after [`Mem::destroy`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Space(pub(super) NonZeroU64);

/// Words of the control frame. Word 0 and 1 are those of every slab (see `node`).
pub(crate) mod word {
    /// Top-level table.
    pub const CR3: u64 = 16;
    /// Quota and what is used of it, in frames.
    pub const LIMIT: u64 = 24;
    pub const USED: u64 = 32;
    /// First free node; first node never used yet (at a multiple of the page size: there is none); newest slab.
    pub const FREE_NODES: u64 = 40;
    pub const FRESH_NODES: u64 = 48;
    pub const SLABS: u64 = 56;
    /// Bit n: may receive interrupt line n.
    pub const IRQS: u64 = 64;
    /// Bitmap of ports and lists of nodes for ports, or 0; see `ports`.
    pub const PORTS: u64 = 72;
    pub const PORT_LISTS: u64 = 96;
    /// First node for lines. Not zero: has all ports and lines for which it has no nodes. See `io`.
    pub const LINES: u64 = 104;
    pub const OWNS_IO: u64 = 112;
    /// Not zero: σ0, whose addresses are physical ones.
    pub const IDEMPOTENT: u64 = 80;
    /// The space that is charged as well, or 0.
    pub const PARENT: u64 = 88;
    /// Where the nodes begin.
    pub const END: u64 = 128;
}

/// The top-level table, and the control frame.
const OWN_FRAMES: u32 = 2;

/// What every space has in common with the others: entries of the top-level table.
pub const SHARED_SLOTS: usize = 5;

/// What new spaces are made from.
#[derive(Clone, Copy, Default, Debug)]
pub struct Template {
    /// Top-level entries that every space gets: index and value.
    pub shared: [(u16, u64); SHARED_SLOTS],
    /// Where the I/O bitmap of the TSS is mapped.
    pub tss: TssTable,
}

/// All of the kernel's memory management.
pub struct Mem<M> {
    pub frames: Frames<M>,
    pub(super) template: Cell<Template>,
    pub(super) regions: [Cell<Region>; Region::MAX],
    /// See [`Mem::take_lost_lines`].
    pub(super) lost_lines: Cell<u64>,
}

impl<M: Machine> Mem<M> {
    pub const fn new(machine: M) -> Self {
        Self {
            frames: Frames::new(machine),
            template: Cell::new(Template {
                shared: [(0, 0); SHARED_SLOTS],
                tss: TssTable { slot: 0, table: PhysAddr::NULL, cpus: 0 },
            }),
            regions: [const { Cell::new(Region::NONE) }; Region::MAX],
            lost_lines: Cell::new(0),
        }
    }

    /// Sets what new spaces are made from and what σ0 may hand out. Called once, after [`Frames::init`].
    pub fn init(&self, template: Template, regions: &[Region]) {
        self.template.set(template);
        for (slot, region) in self.regions.iter().zip(regions) {
            slot.set(*region);
        }
    }

    /// An empty space that may use `limit` frames of kernel memory, its own two included. What it uses is charged to `parent`, too,
    /// which must outlive it.
    pub fn new_space(&self, parent: Option<Space>, limit: u32) -> Result<Space, NoMemory> {
        if limit < OWN_FRAMES {
            return Err(NoMemory);
        }
        if let Some(parent) = parent {
            self.charge(parent, OWN_FRAMES)?;
        }
        let made = self.make_space(parent, limit);
        if let (Err(_), Some(parent)) = (&made, parent) {
            self.refund(parent, OWN_FRAMES);
        }
        made
    }

    fn make_space(&self, parent: Option<Space>, limit: u32) -> Result<Space, NoMemory> {
        let cr3 = self.frames.alloc()?;
        let control = match self.frames.alloc_dirty() {
            Ok(frame) => frame,
            Err(error) => {
                self.frames.free(cr3);
                return Err(error);
            }
        };
        for (index, value) in self.template.get().shared {
            self.store(cr3.plus(u64::from(index) * 8), value);
        }
        let space = Space(NonZeroU64::new(control.0).ok_or(NoMemory)?);
        self.init_first_slab(space);
        self.set(space, word::CR3, cr3.0);
        self.set(space, word::LIMIT, limit.into());
        self.set(space, word::USED, OWN_FRAMES.into());
        self.set(space, word::PARENT, parent.map_or(0, |p| p.0.get()));
        for at in [word::IRQS, word::PORTS, word::IDEMPOTENT, word::LINES, word::OWNS_IO] {
            self.set(space, at, 0);
        }
        Ok(space)
    }

    /// Frees the space with all mappings, all that was mapped from them, tables, nodes and bitmaps. No processor may be using it.
    /// Frames of kernel pages mapped into it ([`Mem::map_kernel_page`]) stay their owner's.
    pub fn destroy(&self, space: Space) {
        self.for_each_node(space, |node| {
            if self.is_io(node) {
                self.take_units(node, u64::MAX, true);
            } else {
                if self.link(node, field::CHILDREN).is_some() || self.is_superpage(node) {
                    self.drop_children(node, Part::ALL);
                }
                self.remove(node);
            }
        });
        self.free_ports(space);
        let cr3 = self.cr3(space);
        for (index, _) in self.template.get().shared {
            self.store(cr3.plus(u64::from(index) * 8), 0);
        }
        self.store(self.frames.info_at(cr3), 0);
        self.frames.free(cr3);
        if let Some(parent) = self.payer(space) {
            let used = self.get(space, word::USED);
            self.refund(parent, used as u32);
        }
        self.free_slabs(space);
    }

    /// Physical address of the top-level table.
    #[inline(always)]
    pub fn cr3(&self, space: Space) -> PhysAddr {
        PhysAddr(self.get(space, word::CR3))
    }

    /// Makes σ0 of a space: its addresses are physical ones, and it has all the memory that [`Mem::init`] was told of.
    /// Ports and interrupt lines are given by [`Mem::own_all_io`].
    pub fn make_idempotent(&self, space: Space) {
        self.set(space, word::IDEMPOTENT, 1);
    }

    /// Charges `frames` to the space's quota and to those above it, for memory that the caller takes from [`Mem::frames`] on its behalf.
    pub fn charge(&self, space: Space, frames: u32) -> Result<(), NoMemory> {
        let mut at = Some(space);
        while let Some(space) = at {
            if self.get(space, word::USED) + u64::from(frames) > self.get(space, word::LIMIT) {
                return Err(NoMemory);
            }
            at = self.payer(space);
        }
        let mut at = Some(space);
        while let Some(space) = at {
            self.set(space, word::USED, self.get(space, word::USED) + u64::from(frames));
            at = self.payer(space);
        }
        Ok(())
    }

    /// Undoes [`Mem::charge`].
    pub fn refund(&self, space: Space, frames: u32) {
        let mut at = Some(space);
        while let Some(space) = at {
            self.set(space, word::USED, self.get(space, word::USED) - u64::from(frames));
            at = self.payer(space);
        }
    }

    #[inline(always)]
    fn payer(&self, space: Space) -> Option<Space> {
        NonZeroU64::new(self.get(space, word::PARENT)).map(Space)
    }

    /// Quota of the space and what is used of it, in frames.
    pub fn quota(&self, space: Space) -> (u32, u32) {
        (self.get(space, word::LIMIT) as u32, self.get(space, word::USED) as u32)
    }

    #[inline(always)]
    pub(super) fn is_idempotent(&self, space: Space) -> bool {
        self.get(space, word::IDEMPOTENT) != 0
    }

    #[inline(always)]
    pub(super) fn get(&self, space: Space, word: u64) -> u64 {
        self.load(space.at(word))
    }
    #[inline(always)]
    pub(super) fn set(&self, space: Space, word: u64, value: u64) {
        self.store(space.at(word), value);
    }
    #[inline(always)]
    pub(super) fn load(&self, at: PhysAddr) -> u64 {
        self.frames.machine.load(at)
    }
    #[inline(always)]
    pub(super) fn store(&self, at: PhysAddr, value: u64) {
        self.frames.machine.store(at, value);
    }
}

impl Space {
    #[inline(always)]
    pub(super) const fn at(self, word: u64) -> PhysAddr {
        PhysAddr(self.0.get() + word)
    }
    /// The control frame, as the head of the list of a space's slabs.
    pub(super) const fn frame(self) -> PhysAddr {
        PhysAddr(self.0.get())
    }
    pub(super) fn of_slab(slab: u64) -> Option<Self> {
        NonZeroU64::new(slab).map(Self)
    }
}

/// Nodes of the space in use are found by walking its slabs; see [`Node`].
const _: () = assert!(word::END.is_multiple_of(Node::SIZE));
