//! Rings of the TSC channel: which server has which (`vmm_abi::trace`).
//!
//! The rings are in a boot module of which servers get nothing but their own ring. A server that is started again gets the ring that it had
//! before: what its predecessor recorded may not have been read yet, and there are few.

use crate::machine::Machine;
use proto::Refusal;
use ukernel_abi::kip::Kip;
use ukernel_abi::layout::SUPERPAGE;
use vmm_abi::trace::{self, MODULE, RING_SIZE, USER_RINGS};

/// Whose the rings for user level are.
#[derive(Default)]
pub struct Rings {
    /// Of each ring: the server's number.
    owners: [Option<usize>; USER_RINGS as usize],
}

impl Rings {
    /// Physical address of the ring of server `index`, which root then has.
    pub fn take(&mut self, machine: &mut impl Machine, index: usize) -> Result<u64, Refusal> {
        let is_its = |owner: &Option<usize>| *owner == Some(index);
        let known = self.owners.iter().position(is_its);
        let number =
            known.or_else(|| self.owners.iter().position(Option::is_none)).ok_or(Refusal::NoMemory)?;
        let phys = place(machine.kip(), number)?;
        machine.map(phys, RING_SIZE)?;
        self.owners[number] = Some(index);
        Ok(phys)
    }
}

/// Physical address of ring `number` for user level. `NoMemory` if the module does not reach that far; one that does not begin at a large page, so that
/// its rings could not be mapped by such, is not ukvmm's.
fn place(kip: &Kip, number: usize) -> Result<u64, Refusal> {
    let module = kip.module(MODULE).filter(|m| m.phys.is_multiple_of(SUPERPAGE)).ok_or(Refusal::NotFound)?;
    let offset = trace::ring(u64::from(kip.cpus) + number as u64);
    match module.size.checked_sub(offset) {
        Some(rest) if rest >= RING_SIZE => Ok(module.phys + offset),
        _ => Err(Refusal::NoMemory),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::mock::Mock;

    /// A machine with one CPU and a module of so many rings, and where they begin.
    fn machine(rings: u64) -> (Mock, u64) {
        let mock = Mock::new(&[]).with_module(MODULE, rings * RING_SIZE);
        let phys = mock.kip().module(MODULE).unwrap().phys;
        (mock, phys)
    }

    #[test]
    fn each_server_has_one_behind_those_of_the_cpus() {
        let ((mut mock, phys), mut rings) = (machine(1 + USER_RINGS), Rings::default());
        for index in [3, 0, 3, 7, 0] {
            let number = [3, 0, 7].iter().position(|i| *i == index).unwrap() as u64;
            assert_eq!(rings.take(&mut mock, index), Ok(phys + trace::ring(1 + number)), "server {index}");
        }
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        let ((mut mock, _), mut rings) = (machine(1 + USER_RINGS), Rings::default());
        for index in 0..USER_RINGS as usize {
            assert!(rings.take(&mut mock, index).is_ok());
        }
        assert_eq!(rings.take(&mut mock, 100), Err(Refusal::NoMemory));
        assert!(rings.take(&mut mock, 0).is_ok(), "it has had it before");
    }

    #[test]
    fn a_module_may_be_too_small_or_absent() {
        let ((mut mock, phys), mut rings) = (machine(2), Rings::default());
        assert_eq!(rings.take(&mut mock, 0), Ok(phys + RING_SIZE));
        assert_eq!(rings.take(&mut mock, 1), Err(Refusal::NoMemory));
        let mut without = Mock::new(&[]);
        assert_eq!(Rings::default().take(&mut without, 0), Err(Refusal::NotFound));
    }
}
