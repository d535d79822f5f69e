//! A machine for tests: memory and registers without KVM.

use super::vcpu::Vcpu;
use crate::debug::registers::Registers;
use crate::debug::view::{NoMemory, View};

pub struct Machine {
    pub memory: Vec<u8>,
    pub vcpus: Vec<Vcpu>,
}

impl Machine {
    /// With memory from 0 on, and no vCPU.
    pub fn new(bytes: usize) -> Self {
        Self { memory: vec![0; bytes], vcpus: Vec::new() }
    }

    pub fn put(&mut self, at: u64, bytes: &[u8]) {
        self.memory[at as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    pub fn put_u64(&mut self, at: u64, value: u64) {
        self.put(at, &value.to_le_bytes());
    }
}

impl View for Machine {
    fn vcpus(&self) -> usize {
        self.vcpus.len()
    }
    fn registers(&self, index: usize) -> Option<Registers> {
        self.vcpus[index].registers.clone()
    }
    fn tsc(&self, index: usize) -> Option<u64> {
        self.vcpus[index].tsc
    }
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), NoMemory> {
        let from =
            usize::try_from(address).ok().and_then(|at| self.memory.get(at..at.checked_add(into.len())?));
        into.copy_from_slice(from.ok_or(NoMemory(address))?);
        Ok(())
    }
    fn ram(&self) -> Vec<(u64, u64)> {
        vec![(0, self.memory.len() as u64)]
    }
}
