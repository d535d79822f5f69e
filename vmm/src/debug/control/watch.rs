//! Places where there is memory, but the guest's accesses come to us: their slot is read-only or gone ([`crate::slots`]).
//!
//! The accesses are made here, as the guest would have made them, and those that touch what is watched are told. Devices and the
//! debugger itself write to memory directly and are not noticed. What the guest does there with one instruction in several
//! steps, such as an atomic addition, is not atomic.

use crate::memory::GuestMemory;
use std::ops::Range;
use vm_memory::{Bytes, GuestAddress};

/// An access of the guest's, at most 8 bytes of it: KVM splits larger ones.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hit {
    /// Guest-physical.
    pub address: u64,
    pub write: bool,
    /// What was there, and what is there now: as many bytes as were touched.
    pub before: Vec<u8>,
    pub after: Vec<u8>,
}

/// What is watched.
#[derive(Default, Debug)]
pub struct Watches {
    /// Guest-physical pages whose accesses come to us: they begin here.
    pages: Vec<u64>,
    /// What is to be told: bytes, and whether of reading and of writing.
    places: Vec<(Range<u64>, Kinds)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kinds {
    pub read: bool,
    pub write: bool,
}

const PAGE: u64 = 4096;

/// What became of an access.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// It is none of ours.
    Foreign,
    /// It has been made and is not to be told.
    Made,
    Hit(Hit),
}

impl Watches {
    /// Replaces them. All places are in `pages`.
    pub fn set(&mut self, pages: Vec<u64>, places: Vec<(Range<u64>, Kinds)>) {
        *self = Self { pages, places };
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Makes the guest's write.
    pub(super) fn write(&self, memory: &GuestMemory, address: u64, data: &[u8]) -> Access {
        if !self.covers(address, data.len()) {
            return Access::Foreign;
        }
        let mut before = vec![0; data.len()];
        let at = GuestAddress(address);
        if memory.read_slice(&mut before, at).is_err() || memory.write_slice(data, at).is_err() {
            return Access::Foreign;
        }
        self.told(Hit { address, write: true, before, after: data.to_vec() })
    }

    /// Makes the guest's read.
    pub(super) fn read(&self, memory: &GuestMemory, address: u64, data: &mut [u8]) -> Access {
        if !self.covers(address, data.len()) || memory.read_slice(data, GuestAddress(address)).is_err() {
            return Access::Foreign;
        }
        self.told(Hit { address, write: false, before: data.to_vec(), after: data.to_vec() })
    }

    fn covers(&self, address: u64, len: usize) -> bool {
        let last = address.saturating_add((len as u64).saturating_sub(1));
        self.pages.iter().any(|&page| address / PAGE == page / PAGE && last / PAGE == page / PAGE)
    }

    fn told(&self, hit: Hit) -> Access {
        let end = hit.address + hit.after.len() as u64;
        let wants = |(place, kinds): &(Range<u64>, Kinds)| {
            let wanted = if hit.write { kinds.write } else { kinds.read };
            wanted && place.start < end && hit.address < place.end
        };
        if self.places.iter().any(wants) { Access::Hit(hit) } else { Access::Made }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITES: Kinds = Kinds { read: false, write: true };
    const READS: Kinds = Kinds { read: true, write: false };

    #[test]
    fn accesses_are_made_and_those_that_touch_a_place_told() {
        let memory = crate::memory::allocate(4 << 20).unwrap();
        let mut watches = Watches::default();
        assert_eq!(watches.write(&memory, 0x2010, &[1]), Access::Foreign);
        watches.set(vec![0x2000], vec![(0x2010..0x2014, WRITES), (0x2020..0x2021, READS)]);
        assert_eq!(watches.write(&memory, 0x2014, &[7]), Access::Made);
        assert_eq!(watches.write(&memory, 0x1fff, &[7]), Access::Foreign, "another page");
        let hit = Hit { address: 0x2012, write: true, before: vec![0, 0, 7, 0], after: vec![1, 2, 3, 4] };
        assert_eq!(watches.write(&memory, 0x2012, &[1, 2, 3, 4]), Access::Hit(hit));
        let mut data = [0; 4];
        assert_eq!(watches.read(&memory, 0x2012, &mut data), Access::Made);
        assert_eq!(data, [1, 2, 3, 4]);
        assert!(matches!(watches.read(&memory, 0x201f, &mut data), Access::Hit(Hit { write: false, .. })));
        assert_eq!(watches.write(&memory, 0x2020, &[7]), Access::Made);
        watches.clear();
        assert_eq!(watches.read(&memory, 0x2012, &mut data), Access::Foreign);
    }

    #[test]
    fn a_watched_page_outside_ram_is_not_ours() {
        let memory = crate::memory::allocate(4 << 20).unwrap();
        let mut watches = Watches::default();
        watches.set(vec![8 << 20], vec![(8 << 20..(8 << 20) + 8, WRITES)]);
        assert_eq!(watches.write(&memory, 8 << 20, &[1]), Access::Foreign);
    }
}
