//! The guest's rings: where they are in its memory, and all of them emptied in one go.

use super::ring::{Place, Wait};
use crate::memory::GuestMemory;
use profile::file::{Ring, RingEnd};
use vm_memory::{GuestAddress, GuestMemoryBackend};
use vmm_abi::trace::{self, RING_SIZE, USER_RINGS};

pub struct Rings {
    memory: GuestMemory,
    /// In the order of their addresses.
    all: Vec<(Ring, GuestAddress, Place)>,
    /// Used again and again.
    buffer: Vec<u8>,
}

impl Rings {
    /// Those of a machine with `cpus` CPUs, in the module at this physical address.
    pub fn new(memory: GuestMemory, module: u64, cpus: u8) -> Self {
        let user = (0..USER_RINGS as u16).map(Ring::User);
        let rings = (0..cpus.into()).map(Ring::Cpu).chain(user);
        let place = |(n, ring)| (ring, GuestAddress(module + trace::ring(n)), Place::default());
        Self { memory, all: (0..).zip(rings).map(place).collect(), buffer: Vec::new() }
    }

    /// Takes out what is there and hands it on, ring by ring, and how many records were dropped behind it.
    pub fn take(&mut self, wait: Wait, mut hand_on: impl FnMut(Ring, &[u8], u64)) {
        for (ring, address, place) in &mut self.all {
            // The module is in RAM, all of it: the loader has put it there.
            let Ok(slice) = self.memory.get_slice(*address, RING_SIZE as usize) else { continue };
            self.buffer.clear();
            place.take(&slice, wait, &mut self.buffer);
            let dropped = place.look_for_dropped(&slice);
            if !self.buffer.is_empty() || dropped > 0 {
                hand_on(*ring, &self.buffer, dropped);
            }
        }
    }

    /// What has become of the records, of those rings that were used.
    pub fn ends(&self) -> impl Iterator<Item = RingEnd> {
        self.all.iter().filter_map(|(ring, _, place)| {
            let &Place { taken: records, dropped, incomplete, .. } = place;
            let end = RingEnd { ring: *ring, records, dropped, incomplete };
            (end.records | end.dropped | end.incomplete != 0).then_some(end)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::allocate;
    use std::mem::offset_of;
    use vm_memory::Bytes;
    use vmm_abi::trace::{Event, Record, slot};

    const MODULE: u64 = 2 * RING_SIZE;

    #[test]
    fn every_ring_is_its_own() {
        let memory = allocate(MODULE + trace::module_size(2)).unwrap();
        // The second vCPU's, and the first of user level.
        for (ring, count) in [(1, 1), (2, 2)] {
            let at = MODULE + trace::ring(ring);
            for n in 0..count {
                let record = Record::new(Event::EXIT, 1, n + 1, 0, ring, 0);
                memory.write_obj(record.to_words(), GuestAddress(at + slot(n))).unwrap();
            }
            memory.write_obj(count, GuestAddress(at + offset_of!(trace::Ring, claimed) as u64)).unwrap();
        }
        let full = MODULE + trace::ring(9) + offset_of!(trace::Ring, dropped) as u64;
        memory.write_obj(7u64, GuestAddress(full)).unwrap();
        let mut rings = Rings::new(memory, MODULE, 2);
        let mut taken = Vec::new();
        rings.take(Wait::No, |ring, records, dropped| taken.push((ring, records.len(), dropped)));
        assert_eq!(taken, [(Ring::Cpu(1), 32, 0), (Ring::User(0), 64, 0), (Ring::User(7), 0, 7)]);
        let end = |ring, records, dropped| RingEnd { ring, records, dropped, incomplete: 0 };
        let ends: Vec<_> = rings.ends().collect();
        assert_eq!(ends, [end(Ring::Cpu(1), 1, 0), end(Ring::User(0), 2, 0), end(Ring::User(7), 0, 7)]);
    }
}
