//! Bytes of the guest's memory that are the debugger's for now: breakpoints, and instructions of the kernel's ways out.
//!
//! What is in such a place is nobody's business but ours: who reads gets the guest's byte, and who writes changes that. If the guest itself writes
//! there, ours is gone, and what it has written stays.

use super::machine::Machine;
use crate::debug::debuggee::Error;
use crate::debug::view::View;
use std::collections::BTreeMap;

struct Patch {
    theirs: u8,
    ours: u8,
    /// How many want it: a page may be in several address spaces.
    users: u32,
}

/// By physical address.
#[derive(Default)]
pub struct Patches(BTreeMap<u64, Patch>);

impl Patches {
    /// Puts `ours` at `at`. It is to be taken back as often as it was put.
    pub fn put(&mut self, machine: &Machine, at: u64, ours: u8) -> Result<(), Error> {
        if self.holds(machine, at) {
            if let Some(patch) = self.0.get_mut(&at) {
                patch.users += 1;
            }
            return Ok(());
        }
        let users = self.0.get(&at).map_or(0, |patch| patch.users);
        let mut theirs = [0];
        machine.read(at, &mut theirs)?;
        machine.write(at, &[ours])?;
        self.0.insert(at, Patch { theirs: theirs[0], ours, users: users + 1 });
        Ok(())
    }

    pub fn take(&mut self, machine: &Machine, at: u64) -> Result<(), Error> {
        let there = self.holds(machine, at);
        let Some(patch) = self.0.get_mut(&at) else { return Ok(()) };
        patch.users -= 1;
        if patch.users > 0 {
            return Ok(());
        }
        let theirs = patch.theirs;
        self.0.remove(&at);
        if there { machine.write(at, &[theirs]) } else { Ok(()) }
    }

    /// Whether our byte is there.
    pub fn holds(&self, machine: &Machine, at: u64) -> bool {
        let mut byte = [0];
        let ours = |patch: &Patch| machine.read(at, &mut byte).is_ok() && byte[0] == patch.ours;
        self.0.get(&at).is_some_and(ours)
    }

    /// The guest's byte at a place that has ours.
    pub fn theirs(&self, at: u64) -> Option<u8> {
        Some(self.0.get(&at)?.theirs)
    }

    /// Lets the guest have its byte for a moment; [`Self::back`] ends it.
    pub fn lift(&self, machine: &Machine, at: u64) -> Result<(), Error> {
        match self.0.get(&at) {
            Some(patch) if self.holds(machine, at) => machine.write(at, &[patch.theirs]),
            _ => Ok(()),
        }
    }

    pub fn back(&self, machine: &Machine, at: u64) -> Result<(), Error> {
        match self.0.get(&at) {
            Some(patch) => machine.write(at, &[patch.ours]),
            None => Ok(()),
        }
    }

    /// Makes `bytes`, which were read at `at`, what the guest has there.
    pub fn hide(&self, at: u64, bytes: &mut [u8]) {
        for (&place, patch) in self.0.range(at..at.saturating_add(bytes.len() as u64)) {
            let byte = &mut bytes[(place - at) as usize];
            if *byte == patch.ours {
                *byte = patch.theirs;
            }
        }
    }

    /// Writes what the guest is to have at `at`.
    pub fn write(&mut self, machine: &Machine, at: u64, bytes: &[u8]) -> Result<(), Error> {
        let end = at.saturating_add(bytes.len() as u64);
        let places: Vec<u64> = self.0.range(at..end).map(|(&place, _)| place).collect();
        let mut bytes = bytes.to_vec();
        for place in places.into_iter().filter(|&place| self.holds(machine, place)).collect::<Vec<_>>() {
            if let Some(patch) = self.0.get_mut(&place) {
                patch.theirs = std::mem::replace(&mut bytes[(place - at) as usize], patch.ours);
            }
        }
        machine.write(at, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debug::control::Control;
    use crate::events::Mailbox;
    use crate::memory;

    const AT: u64 = 0x1000;

    /// A machine without vCPUs, with this in its memory.
    fn machine(bytes: &[u8]) -> Machine {
        let control = Control::new(&[], false, Mailbox::new().unwrap().0).unwrap();
        let machine =
            Machine::new(control, memory::allocate(4 << 20).unwrap(), memory::allocate(4 << 20).unwrap());
        machine.write(AT, bytes).unwrap();
        machine
    }

    fn bytes<const N: usize>(machine: &Machine) -> [u8; N] {
        let mut bytes = [0; N];
        machine.read(AT, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_byte_is_put_and_taken_as_often_as_it_is_wanted() {
        let (machine, mut patches) = (machine(&[1, 2, 3]), Patches::default());
        patches.put(&machine, AT + 1, 0xcc).unwrap();
        patches.put(&machine, AT + 1, 0xcc).unwrap();
        assert_eq!((bytes(&machine), patches.theirs(AT + 1)), ([1, 0xcc, 3], Some(2)));
        patches.take(&machine, AT + 1).unwrap();
        assert_eq!(bytes(&machine), [1, 0xcc, 3]);
        patches.take(&machine, AT + 1).unwrap();
        patches.take(&machine, AT + 1).unwrap();
        assert_eq!((bytes(&machine), patches.theirs(AT + 1)), ([1, 2, 3], None));
    }

    #[test]
    fn nobody_sees_it_and_what_is_written_is_beneath() {
        let (machine, mut patches) = (machine(&[1, 2, 3]), Patches::default());
        patches.put(&machine, AT + 1, 0xcc).unwrap();
        let mut seen: [u8; 3] = bytes(&machine);
        patches.hide(AT, &mut seen);
        assert_eq!(seen, [1, 2, 3]);
        patches.write(&machine, AT, &[7, 8, 9]).unwrap();
        assert_eq!(bytes(&machine), [7, 0xcc, 9]);
        patches.lift(&machine, AT + 1).unwrap();
        assert_eq!(bytes(&machine), [7, 8, 9]);
        patches.back(&machine, AT + 1).unwrap();
        assert_eq!(bytes(&machine), [7, 0xcc, 9]);
        patches.take(&machine, AT + 1).unwrap();
        assert_eq!(bytes(&machine), [7, 8, 9]);
    }

    #[test]
    fn what_the_guest_has_written_stays() {
        let (machine, mut patches) = (machine(&[1]), Patches::default());
        patches.put(&machine, AT, 0xcc).unwrap();
        machine.write(AT, &[5]).unwrap();
        assert!(!patches.holds(&machine, AT));
        patches.take(&machine, AT).unwrap();
        assert_eq!(bytes(&machine), [5]);
        assert!(patches.put(&machine, 1 << 40, 0xcc).is_err(), "there is no memory");
    }
}
