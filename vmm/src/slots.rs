//! Which of the guest's memory KVM maps for it, and how: what a debugger changes while all vCPUs are parked.
//!
//! A page may be made read-only, so that writes come to us, or absent, so that reads do as well. KVM keeps memory in slots, of which
//! each is a range that is mapped in one way and cannot change while it is there (Linux, `Documentation/virt/kvm/api.rst`,
//! KVM_SET_USER_MEMORY_REGION); so the slot that such a page is in is replaced by up to three. Besides, memory may be added
//! that the guest does not know of.

use crate::kvm::KvmError;
use crate::memory::{self, GuestMemory, MemoryError};
use crate::vm::Vm;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use vm_memory::{GuestMemoryBackend, GuestMemoryRegion};

/// Guest-physical address of the debugger's own memory: above all RAM that there may be, and below what every KVM takes (2^39).
pub const RESERVE: u64 = 0x60_0000_0000;
const PAGE: u64 = 4096;

/// What of a page's accesses comes to us.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Protection {
    Writes,
    All,
}

#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    #[error(transparent)]
    Kvm(#[from] KvmError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error("this KVM cannot have read-only memory (KVM_CAP_READONLY_MEM)")]
    NoReadOnly,
    #[error("there is no RAM at {0:#x}")]
    NoRam(u64),
}

/// A range of memory that is mapped in one way.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Piece {
    range: Range<u64>,
    read_only: bool,
}

/// The memory slots of a machine.
pub struct Slots {
    vm: Arc<Vm>,
    reserve: Option<GuestMemory>,
    protected: BTreeMap<u64, Protection>,
    /// By number. RAM only; the reserve's comes first.
    slots: BTreeMap<u32, Piece>,
}

/// Slot of the reserve. RAM has the others.
const RESERVE_SLOT: u32 = Vm::FIRST_FREE_SLOT;

impl Slots {
    /// Of a machine whose memory is as it was made.
    pub fn new(vm: Arc<Vm>) -> Self {
        let slots = (0..)
            .zip(regions(vm.memory()))
            .map(|(number, range)| (number, Piece { range, read_only: false }));
        let slots = slots.collect();
        Self { vm, reserve: None, protected: BTreeMap::new(), slots }
    }

    /// Memory for the debugger from [`RESERVE`] on, `bytes` of it (a multiple of the page size). It can be had once and stays.
    pub fn reserve(&mut self, bytes: u64) -> Result<&GuestMemory, SlotError> {
        let memory = match self.reserve.take() {
            Some(memory) => memory,
            None => {
                let memory = memory::allocate_at(RESERVE, bytes)?;
                self.vm.set_slot(RESERVE_SLOT, &memory, RESERVE..RESERVE + bytes, false)?;
                memory
            }
        };
        Ok(self.reserve.insert(memory))
    }

    /// Has the accesses to these pages of RAM come to us, and those to all others not. Addresses of pages.
    pub fn protect(&mut self, pages: BTreeMap<u64, Protection>) -> Result<(), SlotError> {
        let ram = regions(self.vm.memory());
        if let Some(&page) = pages.keys().find(|page| !ram.iter().any(|ram| ram.contains(page))) {
            return Err(SlotError::NoRam(page));
        }
        if !self.vm.has_read_only_memory() && pages.values().any(|&p| p == Protection::Writes) {
            return Err(SlotError::NoReadOnly);
        }
        let wanted: Vec<_> = ram.into_iter().flat_map(|ram| pieces(ram, &pages)).collect();
        let gone: Vec<_> =
            self.slots.iter().filter(|(_, piece)| !wanted.contains(piece)).map(|(&n, _)| n).collect();
        for number in gone {
            self.vm.remove_slot(number)?;
            self.slots.remove(&number);
        }
        for piece in wanted {
            if !self.slots.values().any(|there| *there == piece) {
                let number =
                    (0..).find(|n| *n != RESERVE_SLOT && !self.slots.contains_key(n)).unwrap_or(u32::MAX);
                self.vm.set_slot(number, self.vm.memory(), piece.range.clone(), piece.read_only)?;
                self.slots.insert(number, piece);
            }
        }
        self.protected = pages;
        Ok(())
    }

    /// The pages whose accesses come to us.
    pub fn protected(&self) -> &BTreeMap<u64, Protection> {
        &self.protected
    }
}

fn regions(memory: &GuestMemory) -> Vec<Range<u64>> {
    memory.iter().map(|region| region.start_addr().0..region.start_addr().0 + region.len()).collect()
}

/// `ram` without its absent pages, cut at those that are read-only.
fn pieces(ram: Range<u64>, protected: &BTreeMap<u64, Protection>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut start = ram.start;
    for (&page, &protection) in protected.range(ram.clone()) {
        if start < page {
            pieces.push(Piece { range: start..page, read_only: false });
        }
        start = page + PAGE;
        if protection == Protection::Writes {
            pieces.push(Piece { range: page..start, read_only: true });
        }
    }
    if start < ram.end {
        pieces.push(Piece { range: start..ram.end, read_only: false });
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ram_is_cut_where_it_is_protected() {
        let cut = |pages: &[(u64, Protection)]| -> Vec<_> {
            let pages = pages.iter().copied().collect();
            pieces(0..0x10000, &pages)
                .into_iter()
                .map(|p| (p.range.start, p.range.end, p.read_only))
                .collect()
        };
        use Protection::{All, Writes};
        assert_eq!(cut(&[]), [(0, 0x10000, false)]);
        assert_eq!(
            cut(&[(0x3000, Writes), (0x4000, All)]),
            [(0, 0x3000, false), (0x3000, 0x4000, true), (0x5000, 0x10000, false)]
        );
        assert_eq!(cut(&[(0, All), (0xf000, Writes)]), [(0x1000, 0xf000, false), (0xf000, 0x10000, true)]);
        assert_eq!(cut(&[(0x20000, Writes)]), [(0, 0x10000, false)], "of other RAM");
    }
}
