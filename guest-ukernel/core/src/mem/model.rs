//! What map, grant and unmap mean, written for clearness: a list of leaves, searched from end to end.

extern crate std;
use std::collections::BTreeMap;
use std::vec::Vec;

use super::{Kind, Region};
use ukernel_abi::Rights;
use ukernel_abi::layout::{PAGE, SUPERPAGE};

/// A mapped page, as the model and the real thing both show it. Spaces are numbers; 0 is σ0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mapping {
    pub space: usize,
    pub va: u64,
    pub size: u64,
    pub phys: u64,
    pub rights: u8,
    /// Space and address of the mapping that this one was made from.
    pub parent: Option<(usize, u64)>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Leaf {
    id: u64,
    space: usize,
    va: u64,
    size: u64,
    phys: u64,
    rights: Rights,
    parent: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
pub struct Send {
    pub from: usize,
    pub src: u64,
    pub to: usize,
    pub dst: u64,
    pub len: u64,
    pub rights: Rights,
    pub grant: bool,
}

pub struct Model {
    leaves: Vec<Leaf>,
    next_id: u64,
    regions: Vec<Region>,
}

impl Model {
    pub fn new(regions: &[Region]) -> Self {
        Self { leaves: Vec::new(), next_id: 0, regions: regions.into() }
    }

    pub fn mappings(&self) -> Vec<Mapping> {
        let places: BTreeMap<_, _> = self.leaves.iter().map(|l| (l.id, (l.space, l.va))).collect();
        let show = |l: &Leaf| Mapping {
            space: l.space,
            va: l.va,
            size: l.size,
            phys: l.phys,
            rights: l.rights.0,
            parent: l.parent.map(|id| places[&id]),
        };
        let mut all: Vec<_> = self.leaves.iter().map(show).collect();
        all.sort();
        all
    }

    pub fn map(&mut self, s: Send) {
        let mut done = 0;
        while done < s.len {
            let (src, dst) = (s.src + done, s.dst + done);
            let Some(leaf) = self.source(s.from, src) else {
                done += PAGE;
                continue;
            };
            let aligned = (src | dst) % SUPERPAGE == 0 && s.len - done >= SUPERPAGE;
            let size = if leaf.size == SUPERPAGE && aligned { SUPERPAGE } else { PAGE };
            if self.send(s, leaf, src, dst, size) {
                done += size;
            }
        }
    }

    pub fn unmap(&mut self, space: usize, start: u64, len: u64, rights: Rights, flush: bool) {
        let (mut va, end) = (start, start + len);
        while va < end {
            let Some(leaf) = self.at(space, va) else {
                va += PAGE;
                continue;
            };
            let stop = end.min(leaf.va + leaf.size);
            let whole = stop - va == leaf.size;
            if flush && !whole && leaf.rights.intersection(rights) != Rights::NONE {
                self.split(leaf);
                continue;
            }
            let phys = leaf.phys + (va - leaf.va);
            for child in self.children(leaf.id) {
                if !whole && child.size == SUPERPAGE && child.rights.intersection(rights) != Rights::NONE {
                    self.split(child);
                }
            }
            for child in self.children(leaf.id) {
                if child.phys < phys + (stop - va) && phys < child.phys + child.size {
                    self.take(child.id, rights);
                }
            }
            if flush {
                self.take_one(leaf.id, rights);
            }
            va = stop;
        }
    }

    pub fn destroy(&mut self, space: usize) {
        while let Some(leaf) = self.leaves.iter().find(|l| l.space == space).copied() {
            self.take(leaf.id, Rights::RWX);
        }
    }

    fn at(&self, space: usize, va: u64) -> Option<Leaf> {
        self.leaves.iter().find(|l| l.space == space && va >= l.va && va < l.va + l.size).copied()
    }

    fn children(&self, id: u64) -> Vec<Leaf> {
        self.leaves.iter().filter(|l| l.parent == Some(id)).copied().collect()
    }

    fn leaf(&mut self, id: u64) -> &mut Leaf {
        self.leaves.iter_mut().find(|l| l.id == id).expect("lives")
    }

    fn add(&mut self, leaf: Leaf) {
        self.leaves.push(Leaf { id: self.next_id, ..leaf });
        self.next_id += 1;
    }

    /// The sender's page at `va`; σ0's are made when they are wanted.
    fn source(&mut self, space: usize, va: u64) -> Option<Leaf> {
        if let Some(leaf) = self.at(space, va) {
            return Some(leaf);
        }
        let region = *self.regions.iter().find(|r| va >= r.start.0 && va < r.end.0).filter(|_| space == 0)?;
        let base = va / SUPERPAGE * SUPERPAGE;
        let empty = !self.leaves.iter().any(|l| l.space == 0 && l.va / SUPERPAGE * SUPERPAGE == base);
        let large = empty && region.start.0 <= base && base + SUPERPAGE <= region.end.0;
        let (va, size) = if large { (base, SUPERPAGE) } else { (va, PAGE) };
        let rights = if region.kind == Kind::Ram { Rights::RWX } else { Rights::RW };
        self.add(Leaf { id: 0, space, va, size, phys: va, rights, parent: None });
        self.at(space, va)
    }

    /// Whether the page was sent; if not, something that was in the way is gone.
    fn send(&mut self, s: Send, src: Leaf, src_va: u64, va: u64, size: u64) -> bool {
        let phys = src.phys + (src_va - src.va);
        let rights = src.rights.intersection(s.rights);
        let old: Vec<_> = self
            .leaves
            .iter()
            .filter(|l| l.space == s.to && l.va < va + size && va < l.va + l.size)
            .copied()
            .collect();
        let Some(&first) = old.first() else {
            if !s.grant {
                self.add(Leaf { id: 0, space: s.to, va, size, phys, rights, parent: Some(src.id) });
            } else if src.size > size {
                self.split(src);
                return false;
            } else {
                for child in self.children(src.id) {
                    self.take(child.id, src.rights.without(rights));
                }
                *self.leaf(src.id) = Leaf { space: s.to, va, rights, ..src };
            }
            return true;
        };
        let same_frame = first.size >= size && first.phys + (va - first.va) == phys;
        if first.id == src.id && same_frame {
            return true;
        }
        if same_frame && first.parent == Some(src.id) && !s.grant {
            if first.rights.contains(rights) {
                return true;
            }
            if first.size == size {
                self.leaf(first.id).rights = first.rights.union(rights);
                return true;
            }
        }
        if first.size > size {
            self.split(first);
        } else {
            old.iter().for_each(|l| self.take(l.id, Rights::RWX));
        }
        false
    }

    /// A superpage becomes pages, and so do those made from it.
    fn split(&mut self, leaf: Leaf) {
        for child in self.children(leaf.id) {
            if child.size == SUPERPAGE {
                self.split(child);
            }
        }
        self.leaves.retain(|l| l.id != leaf.id);
        for offset in (0..SUPERPAGE).step_by(PAGE as usize) {
            let (id, phys) = (self.next_id, leaf.phys + offset);
            self.add(Leaf { va: leaf.va + offset, phys, size: PAGE, ..leaf });
            for l in self.leaves.iter_mut().filter(|l| l.parent == Some(leaf.id) && l.phys == phys) {
                l.parent = Some(id);
            }
        }
    }

    /// Takes rights from a page, if it still lives, and all below it.
    fn take(&mut self, id: u64, rights: Rights) {
        for child in self.children(id) {
            self.take(child.id, rights);
        }
        self.take_one(id, rights);
    }

    fn take_one(&mut self, id: u64, rights: Rights) {
        if rights.contains(Rights::R) {
            self.leaves.retain(|l| l.id != id);
        } else {
            let leaf = self.leaf(id);
            leaf.rights = leaf.rights.without(rights);
        }
    }
}
