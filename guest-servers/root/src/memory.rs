//! The free memory that root hands out.
//!
//! It comes from σ0 by superpages, whatever is asked for: a superpage costs one mapping on its way to root,
//! its pages would cost 512. What servers do not need of one stays in root's pool.

use crate::machine::Machine;
use proto::Refusal;
use proto::sigma0::{Block, Request, Status};
use userlib::ranges::Ranges;

/// log2 of a superpage.
const SUPERPAGE: u32 = 21;

pub struct Memory {
    pool: Ranges,
    /// Bytes that σ0 has; not asked for yet.
    sigma0: Option<u64>,
}

impl Memory {
    pub const EMPTY: Self = Self { pool: Ranges::EMPTY, sigma0: None };

    /// 2^`log2` bytes, aligned to their size; the physical address.
    pub fn take(&mut self, machine: &mut impl Machine, log2: u32) -> Result<u64, Refusal> {
        if log2 >= SUPERPAGE {
            return self.fetch(machine, log2);
        }
        if let Some(phys) = self.pool.take(log2) {
            return Ok(phys);
        }
        match self.fetch(machine, SUPERPAGE) {
            Ok(phys) => {
                self.pool.insert(phys..phys + (1 << SUPERPAGE)).map_err(|_| Refusal::NoMemory)?;
                self.pool.take(log2).ok_or(Refusal::NoMemory)
            }
            // Nothing as large is left in one piece.
            Err(_) => self.fetch(machine, log2),
        }
    }

    /// Bytes that nobody has.
    pub fn free(&mut self, machine: &mut impl Machine) -> Result<u64, Refusal> {
        Ok(self.sigma0(machine)? + self.pool.total())
    }

    fn fetch(&mut self, machine: &mut impl Machine, log2: u32) -> Result<u64, Refusal> {
        let Block { phys, .. } = Block::try_from(&machine.sigma0(Request::Free { log2 })?)?;
        self.sigma0 = self.sigma0.map(|free| free.saturating_sub(1 << log2));
        Ok(phys)
    }

    fn sigma0(&mut self, machine: &mut impl Machine) -> Result<u64, Refusal> {
        if let Some(free) = self.sigma0 {
            return Ok(free);
        }
        let Status { free, .. } = Status::try_from(&machine.sigma0(Request::Status)?)?;
        self.sigma0 = Some(free);
        Ok(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::mock::Mock;

    #[test]
    fn small_blocks_come_from_one_superpage() {
        let (mut mock, mut memory) = (Mock::new(&[]), Memory::EMPTY);
        let before = memory.free(&mut mock).unwrap();
        let blocks: Vec<_> = (0..4).map(|_| memory.take(&mut mock, 16).unwrap()).collect();
        assert!(blocks.iter().all(|b| b >> 21 == blocks[0] >> 21));
        assert_eq!(mock.free, (64 << 20) - (2 << 20), "one request to σ0");
        assert_eq!(memory.free(&mut mock), Ok(before - (4 << 16)));
    }

    #[test]
    fn large_blocks_come_as_they_are() {
        let (mut mock, mut memory) = (Mock::new(&[]), Memory::EMPTY);
        assert_eq!(memory.take(&mut mock, 23).map(|phys| phys % (8 << 20)), Ok(0));
        assert_eq!(mock.free, 56 << 20);
        assert_eq!(memory.free(&mut mock), Ok(56 << 20));
    }

    #[test]
    fn the_last_memory_is_given_in_small_pieces() {
        let (mut mock, mut memory) = (Mock::new(&[]), Memory::EMPTY);
        mock.free = 1 << 20;
        assert!(memory.take(&mut mock, 16).is_ok());
        assert_eq!(mock.free, (1 << 20) - (64 << 10));
        assert_eq!(memory.take(&mut mock, 21), Err(Refusal::NoMemory));
        while memory.take(&mut mock, 12).is_ok() {}
        assert_eq!((mock.free, memory.free(&mut mock)), (0, Ok(0)));
    }
}
