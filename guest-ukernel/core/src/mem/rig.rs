//! A machine of plain words to test on, and a check of everything that must hold of what is in them.

extern crate std;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

use super::entry::Entry;
use super::model::Mapping;
use super::node::{Node, companion, field};
use super::ports;
use super::space::word;
use super::{Kind, Machine, Mem, PhysAddr, Region, Space, Template, VirtAddr};
use ukernel_abi::layout::{PAGE, SUPERPAGE};

/// The pool's place in physical memory.
pub const POOL: u64 = 0x100_0000;
pub const TSS_SLOT: u16 = 385;
const SHARED: [(u16, u64); 5] = [(255, 0x7007), (273, 0x8003), (384, 0x9003), (TSS_SLOT, 0), (511, 0xb003)];

/// Memory as words, and every flush since [`Words::flushes`] was last emptied.
pub struct Words {
    words: Vec<Cell<u64>>,
    pub flushes: RefCell<BTreeSet<(u64, u64)>>,
}

impl Words {
    fn word(&self, at: PhysAddr) -> &Cell<u64> {
        assert!(at.0.is_multiple_of(8), "{at:x?} is not aligned");
        &self.words[(at.0 - POOL) as usize / 8]
    }
}

impl Machine for Words {
    fn load(&self, at: PhysAddr) -> u64 {
        self.word(at).get()
    }
    fn store(&self, at: PhysAddr, value: u64) {
        self.word(at).set(value);
    }
    fn set_bits(&self, at: PhysAddr, bits: u64) {
        self.store(at, self.load(at) | bits);
    }
    fn fill(&self, at: PhysAddr, words: u64, value: u64) {
        (0..words).for_each(|n| self.store(at.plus(n * 8), value));
    }
    fn flush(&self, cr3: PhysAddr, va: VirtAddr) {
        self.flushes.borrow_mut().insert((cr3.0, va.0));
    }
}

pub struct Rig {
    pub mem: Mem<Words>,
    /// Space 0 is σ0. A space that was destroyed is gone from here.
    pub spaces: Vec<Option<Space>>,
    pub frames_at_start: u64,
}

/// RAM of σ0's: three whole superpages and some pages of a fourth; and a device.
pub fn regions() -> [Region; 3] {
    let region = |start, end, kind| Region { start: PhysAddr(start), end: PhysAddr(end), kind };
    [
        region(0x20_0000, 0x80_4000, Kind::Ram),
        region(0xa0_0000, 0xa0_2000, Kind::Ram),
        region(0xfec0_0000, 0xfee0_0000, Kind::Device),
    ]
}

impl Rig {
    /// A machine with `frames` frames of kernel memory, and `spaces` spaces with a quota each.
    pub fn new(frames: u64, spaces: usize, quota: u32) -> Self {
        let words = (0..frames * PAGE / 8).map(|_| Cell::new(0)).collect();
        let mem = Mem::new(Words { words, flushes: RefCell::default() });
        mem.frames.init(PhysAddr(POOL)..PhysAddr(POOL + frames * PAGE));
        let (tss, entry) =
            mem.make_tss_table(TSS_SLOT, 2, PhysAddr(0x5000)).expect("the pool is large enough");
        let mut shared = SHARED;
        shared[3].1 = entry;
        mem.init(Template { shared, tss }, &regions());
        let frames_at_start = mem.frames.free_count();
        let spaces: Vec<_> = (0..spaces).map(|_| mem.new_space(None, quota).ok()).collect();
        let rig = Self { mem, spaces, frames_at_start };
        rig.mem.make_idempotent(rig.space(0));
        rig
    }

    pub fn space(&self, n: usize) -> Space {
        self.spaces[n].expect("lives")
    }

    /// Everything mapped, read from the tables. Panics if anything is not as it must be.
    pub fn mappings(&self) -> Vec<Mapping> {
        let mut leaves = BTreeMap::new();
        for (n, space) in self.spaces.iter().enumerate().filter_map(|(n, s)| s.map(|s| (n, s))) {
            let frames = self.walk(n, space, &mut leaves);
            self.check_quota(space, frames);
        }
        self.check_lists(&leaves);
        let place =
            |node: Node| leaves.get(&node.word()).map(|m| (m.space, m.va)).expect("a parent that is mapped");
        let with_parent = |(&node, m): (&u64, &Mapping)| {
            let node = Node::from_word(node).expect("not null");
            Mapping { parent: self.mem.link(node, field::PARENT).map(place), ..*m }
        };
        let mut all: Vec<_> = leaves.iter().map(with_parent).collect();
        all.sort();
        all
    }

    /// Collects the leaves of a space by node; returns the frames of its tables and indices.
    fn walk(&self, n: usize, space: Space, leaves: &mut BTreeMap<u64, Mapping>) -> u64 {
        let cr3 = self.mem.cr3(space);
        let shared: Vec<_> = self.mem.template.get().shared.iter().map(|s| u64::from(s.0)).collect();
        let mut frames = 0;
        let mut tables = std::vec![(cr3, 39, 0)];
        while let Some((table, shift, base)) = tables.pop() {
            let mut used = 0;
            for i in (0..512).filter(|i| shift != 39 || !shared.contains(i)) {
                let slot = table.plus(i * 8);
                let entry = Entry(self.mem.load(slot));
                let va = base + (i << shift);
                used += u64::from(!entry.is_none());
                let is_leaf = shift == 12 || entry.is_superpage();
                if shift <= 21 && (entry.is_none() || !is_leaf) {
                    assert_eq!(self.mem.load(companion(slot)), 0, "a node without a leaf at {va:x}");
                }
                if entry.is_none() {
                    continue;
                }
                if is_leaf {
                    frames += self.leaf(n, space, slot, va, shift, leaves);
                } else {
                    frames += if shift == 39 { 1 } else { 2 };
                    tables.push((entry.addr(), shift - 9, va));
                }
            }
            assert_eq!(self.mem.load(self.mem.frames.info_at(table)) & 0x3ff, used, "count of a table");
            assert!(used > 0 || shift == 39, "an empty table at {base:x}");
        }
        frames
    }

    /// Checks a leaf and its node; returns the frames of its index.
    fn leaf(
        &self,
        n: usize,
        space: Space,
        slot: PhysAddr,
        va: u64,
        shift: u32,
        leaves: &mut BTreeMap<u64, Mapping>,
    ) -> u64 {
        let entry = Entry(self.mem.load(slot));
        let node = self.mem.node_at(slot).expect("a leaf has a node");
        assert_eq!(self.mem.slot(node), slot);
        assert_eq!(self.mem.va(node).0, va);
        assert_eq!(self.mem.space_of(node), space);
        assert_eq!(self.mem.is_superpage(node), shift == 21);
        let (phys, rights) = (entry.addr().0, entry.rights().0);
        let mapping = Mapping { space: n, va, size: 1 << shift, phys, rights, parent: None };
        assert!(leaves.insert(node.word(), mapping).is_none(), "a node with two leaves");
        u64::from(shift == 21 && self.mem.field(node, field::INDEX) != 0)
    }

    /// Tables and indices, the two frames of the space, its slabs and its bitmap are what it is charged.
    fn check_quota(&self, space: Space, frames: u64) {
        let mut slabs = 0;
        let mut slab = PhysAddr(self.mem.get(space, word::SLABS));
        while slab != space.frame() {
            slabs += 1;
            slab = PhysAddr(self.mem.load(slab));
        }
        let ports = if self.mem.get(space, word::PORTS) != 0 { ports::FRAMES.into() } else { 0 };
        let (limit, used) = self.mem.quota(space);
        assert_eq!(u64::from(used), 2 + frames + slabs + ports);
        assert!(used <= limit);
    }

    /// Every node is on the one list where it is looked for, and has no right that its parent has not.
    fn check_lists(&self, leaves: &BTreeMap<u64, Mapping>) {
        let mem = &self.mem;
        let mut seen = BTreeSet::new();
        for (&parent, mapping) in leaves {
            let parent = Node::from_word(parent).expect("not null");
            let mut heads = std::vec![parent.at(field::CHILDREN)];
            if mapping.size == SUPERPAGE && mem.field(parent, field::INDEX) != 0 {
                heads.extend((0..512).map(|i| PhysAddr(mem.field(parent, field::INDEX) + i * 8)));
            }
            for (n, head) in heads.into_iter().enumerate() {
                let mut prev = head;
                while let Some(child) = Node::from_word(mem.load(prev)) {
                    let c = leaves.get(&child.word()).expect("a child that is mapped");
                    assert!(seen.insert(child.word()), "a child on two lists");
                    assert_eq!(mem.link(child, field::PARENT), Some(parent));
                    assert_eq!(mem.field(child, field::PREV), prev.0);
                    assert_eq!(
                        c.rights & !mapping.rights,
                        0,
                        "a child with more rights: {c:x?} of {mapping:x?}"
                    );
                    let (size, offset) =
                        if n == 0 { (mapping.size, 0) } else { (PAGE, (n as u64 - 1) * PAGE) };
                    assert_eq!((c.size, c.phys), (size, mapping.phys + offset));
                    prev = child.at(field::NEXT);
                }
            }
        }
        for (&node, mapping) in leaves {
            let root = mem.field(Node::from_word(node).expect("not null"), field::PARENT) == 0;
            assert_ne!(root, seen.contains(&node), "{mapping:x?}");
        }
    }

    /// Panics if a processor may still use a translation of `before` that is not one of `after`, and forgets the flushes.
    pub fn check_flushes(&self, before: &[Mapping], after: &[Mapping]) {
        let pages: BTreeMap<_, _> = after.iter().map(|m| ((m.space, m.va), m)).collect();
        let valid = |m: &Mapping, va: u64| {
            let (_, now) = pages.range(..=(m.space, va)).next_back()?;
            let phys = now.phys + (va - now.va);
            (now.space == m.space && va < now.va + now.size && phys == m.phys + (va - m.va)).then_some(())?;
            (m.rights & !now.rights == 0).then_some(())
        };
        let flushes = self.mem.frames.machine.flushes.take();
        for m in before {
            let Some(space) = self.spaces[m.space] else { continue };
            let cr3 = self.mem.cr3(space).0;
            let flushed = flushes.range((cr3, m.va)..(cr3, m.va + m.size)).next().is_some();
            let unchanged = || (m.va..m.va + m.size).step_by(PAGE as usize).all(|va| valid(m, va).is_some());
            assert!(flushed || unchanged(), "{m:x?} was not flushed");
        }
    }

    /// Destroys all spaces. Panics unless all memory is back, and as clean as it must be.
    pub fn check_end(mut self) {
        for space in core::mem::take(&mut self.spaces).into_iter().flatten() {
            self.mem.destroy(space);
        }
        let frames = &self.mem.frames;
        assert_eq!(frames.free_count(), self.frames_at_start, "frames were lost");
        let mut pairs = Vec::new();
        while let Ok(pair) = frames.alloc_pair() {
            pairs.push((pair, 2));
        }
        while let Ok(frame) = frames.alloc() {
            pairs.push((frame, 1));
        }
        for (frame, n) in pairs {
            assert!(
                (0..n * 512).all(|i| self.mem.load(frame.plus(i * 8)) == 0),
                "frame {frame:x?} is not clean"
            );
        }
        assert_eq!(frames.free_count(), 0);
    }
}
