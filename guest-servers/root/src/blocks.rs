//! The memory of a server, block by block.
//!
//! What a server that is started again has had stays its own, and it gets it again, block by block, when it asks for it again: its
//! device may not have been told yet that the server has died, and its clients still share their regions with it. So memory
//! that a device was ever given never becomes anybody else's.

use crate::machine::Machine;
use crate::memory::Memory;
use proto::Refusal;

/// What a block is for. A block is used again only for the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    Stack,
    /// A writable segment of the image, by its number.
    Data(u8),
    /// Heap, arenas.
    Ram,
    Dma,
    /// Shared with the server of this number.
    Region(u8),
    /// The page in which it notes that it is alive.
    Beat,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Block {
    phys: u64,
    log2: u32,
    what: Use,
    /// It has been given to the server as it runs now.
    given: bool,
}

/// Most blocks that are kept track of.
const MAX: usize = 40;

/// Blocks of one server. Of a server that is never started again only its regions are kept track of.
pub struct Blocks {
    list: [Option<Block>; MAX],
    /// Whether the server may be started again.
    keep: bool,
    /// Bytes of all blocks, given or kept.
    total: u64,
}

impl Blocks {
    pub const fn new(keep: bool) -> Self {
        Self { list: [None; MAX], keep, total: 0 }
    }

    /// Bytes of all blocks.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// A block of 2^`log2` bytes, the total staying within `budget`; its physical address. It may hold what it held before.
    pub fn take(
        &mut self,
        memory: &mut Memory,
        machine: &mut impl Machine,
        budget: u64,
        log2: u32,
        what: Use,
    ) -> Result<u64, Refusal> {
        let kept = |b: &&mut Block| !b.given && b.log2 == log2 && b.what == what;
        if let Some(block) = self.list.iter_mut().flatten().find(kept) {
            block.given = true;
            return Ok(block.phys);
        }
        if 1 << log2 > budget.saturating_sub(self.total) {
            return Err(Refusal::NoMemory);
        }
        let place = self.list.iter_mut().find(|place| place.is_none());
        let tracked = self.keep || matches!(what, Use::Region(_));
        if tracked && place.is_none() {
            return Err(Refusal::NoMemory);
        }
        let phys = memory.take(machine, log2)?;
        self.total += 1 << log2;
        if let Some(place) = place.filter(|_| tracked) {
            *place = Some(Block { phys, log2, what, given: true });
        }
        Ok(phys)
    }

    /// The server has died: it has nothing any more.
    pub fn forget(&mut self) {
        self.list.iter_mut().flatten().for_each(|block| block.given = false);
    }

    /// Physical address and log2 size of the region with this name that is shared with server `with`.
    pub fn region(&self, name: u64, with: u8) -> Option<(u64, u32)> {
        let is = |b: &&Block| b.given && b.what == Use::Region(with) && region_name(b.phys) == name;
        self.list.iter().flatten().find(is).map(|b| (b.phys, b.log2))
    }
}

/// By which name client and driver speak of the region at `phys`.
pub const fn region_name(phys: u64) -> u64 {
    phys >> 12
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::mock::Mock;

    const BUDGET: u64 = 1 << 20;

    #[test]
    fn a_server_gets_again_what_it_had() {
        let (mut mock, mut memory, mut blocks) = (Mock::new(&[]), Memory::EMPTY, Blocks::new(true));
        let mut take =
            |blocks: &mut Blocks, log2, what| blocks.take(&mut memory, &mut mock, BUDGET, log2, what);
        let first = take(&mut blocks, 14, Use::Dma).unwrap();
        let second = take(&mut blocks, 14, Use::Dma).unwrap();
        let ram = take(&mut blocks, 14, Use::Ram).unwrap();
        assert!(first != second && ram != first && ram != second);
        blocks.forget();
        assert_eq!(take(&mut blocks, 14, Use::Dma), Ok(first));
        assert_eq!(take(&mut blocks, 14, Use::Dma), Ok(second));
        assert_eq!(blocks.total(), 3 << 14, "it is counted once");
        let other = take(&mut blocks, 13, Use::Ram).unwrap();
        assert_ne!(other, ram, "another size");
        assert_eq!(take(&mut blocks, 14, Use::Ram), Ok(ram));
    }

    #[test]
    fn budgets_hold() {
        let (mut mock, mut memory, mut blocks) = (Mock::new(&[]), Memory::EMPTY, Blocks::new(true));
        assert!(blocks.take(&mut memory, &mut mock, BUDGET, 20, Use::Ram).is_ok());
        assert_eq!(blocks.take(&mut memory, &mut mock, BUDGET, 12, Use::Ram), Err(Refusal::NoMemory));
        blocks.forget();
        assert_eq!(blocks.take(&mut memory, &mut mock, BUDGET, 12, Use::Ram), Err(Refusal::NoMemory));
    }

    #[test]
    fn only_what_has_to_be_is_kept_track_of() {
        let (mut mock, mut memory, mut blocks) = (Mock::new(&[]), Memory::EMPTY, Blocks::new(false));
        for _ in 0..MAX + 1 {
            assert!(blocks.take(&mut memory, &mut mock, BUDGET, 12, Use::Ram).is_ok());
        }
        for _ in 0..MAX {
            assert!(blocks.take(&mut memory, &mut mock, BUDGET, 12, Use::Region(1)).is_ok());
        }
        assert_eq!(blocks.take(&mut memory, &mut mock, BUDGET, 12, Use::Region(1)), Err(Refusal::NoMemory));
        assert_eq!(mock.free % (2 << 20), 0, "nothing was taken for the refused one");
    }

    #[test]
    fn regions_are_for_one_server() {
        let (mut mock, mut memory, mut blocks) = (Mock::new(&[]), Memory::EMPTY, Blocks::new(false));
        let phys = blocks.take(&mut memory, &mut mock, BUDGET, 16, Use::Region(3)).unwrap();
        let name = region_name(phys);
        assert_eq!(blocks.region(name, 3), Some((phys, 16)));
        assert_eq!((blocks.region(name, 2), blocks.region(name + 1, 3)), (None, None));
        blocks.forget();
        assert_eq!(blocks.region(name, 3), None, "its owner has died");
    }
}
