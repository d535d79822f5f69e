//! A machine whose vCPUs have ended, to look at.

use super::vcpu::Vcpu;
use crate::debug::registers::Registers;
use crate::debug::view::{NoMemory, View};
use crate::memory::GuestMemory;
use crate::vcpu::group::Reports;
use crate::vcpu::thread::Report;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryRegion};

pub struct Dead<'a> {
    memory: &'a GuestMemory,
    /// By index; nothing is known of one that could not be stopped.
    vcpus: Vec<Vcpu>,
}

impl<'a> Dead<'a> {
    pub fn new(memory: &'a GuestMemory, reports: &Reports) -> Self {
        let last = |report: &Option<Report>| report.as_ref().and_then(|report| report.last.clone());
        Self { memory, vcpus: reports.all.iter().map(|report| last(report).unwrap_or_default()).collect() }
    }
}

impl View for Dead<'_> {
    fn vcpus(&self) -> usize {
        self.vcpus.len()
    }

    fn registers(&self, index: usize) -> Option<Registers> {
        self.vcpus.get(index)?.registers.clone()
    }

    fn tsc(&self, index: usize) -> Option<u64> {
        self.vcpus.get(index)?.tsc
    }

    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), NoMemory> {
        self.memory.read_slice(into, GuestAddress(address)).map_err(|_| NoMemory(address))
    }

    fn ram(&self) -> Vec<(u64, u64)> {
        self.memory.iter().map(|region| (region.start_addr().0, region.len())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::allocate;
    use crate::vcpu::exit::Stop;

    #[test]
    fn it_is_seen_as_it_was() {
        let memory = allocate((3 << 30) + (4 << 20)).unwrap();
        memory.write_obj(7u8, GuestAddress(0xa_0000)).unwrap();
        let last = Some(Vcpu { registers: Some(Registers { rip: 9, ..Default::default() }), tsc: Some(5) });
        let report = Report { stop: Stop::Shutdown, at: None, suberror: 0, last };
        let dead = Dead::new(&memory, &Reports { all: vec![Some(report), None], first: Some(0) });
        assert_eq!((dead.vcpus(), dead.tsc(0), dead.tsc(1)), (2, Some(5), None));
        assert_eq!((dead.registers(0).unwrap().rip, dead.registers(1)), (9, None));
        assert_eq!(dead.ram(), [(0, 3 << 30), (4 << 30, 4 << 20)]);
        let mut byte = [0];
        dead.read(0xa_0000, &mut byte).unwrap();
        assert_eq!(byte, [7]);
        assert_eq!(dead.read(3 << 30, &mut byte), Err(NoMemory(3 << 30)));
    }
}
