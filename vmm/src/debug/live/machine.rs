//! The vCPUs and the memory of a machine that stands still, as they are, to look at and to change.

use crate::debug::control::{Control, NotParked};
use crate::debug::debuggee::Error;
use crate::debug::registers::Registers;
use crate::debug::view::{NoMemory, View};
use crate::memory::GuestMemory;
use crate::slots::RESERVE;
use crate::vcpu::registers;
use crate::vm::read_tsc;
use kvm_bindings::kvm_regs;
use kvm_ioctls::VcpuFd;
use std::cell::RefCell;
use std::sync::Arc;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryRegion};

pub struct Machine {
    pub control: Arc<Control>,
    /// Registers that have been asked for since the machine stopped, by vCPU.
    known: RefCell<Vec<Option<Option<Registers>>>>,
    ram: GuestMemory,
    /// The debugger's own memory.
    reserve: GuestMemory,
}

impl From<NotParked> for Error {
    fn from(error: NotParked) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<NoMemory> for Error {
    fn from(error: NoMemory) -> Self {
        Self::Other(error.to_string())
    }
}

pub fn failed(what: &'static str) -> impl FnOnce(kvm_ioctls::Error) -> Error {
    move |error| Error::Other(format!("{what}: {error}"))
}

impl Machine {
    pub fn new(control: Arc<Control>, ram: GuestMemory, reserve: GuestMemory) -> Self {
        let known = RefCell::new(vec![None; control.vcpus()]);
        Self { control, known, ram, reserve }
    }

    /// Does `work` with a vCPU, whose registers it may change.
    pub fn with<R: Send + 'static>(
        &self,
        vcpu: usize,
        work: impl FnOnce(&mut VcpuFd) -> R + Send + 'static,
    ) -> Result<R, Error> {
        self.forget();
        Ok(self.control.with(vcpu, work)?)
    }

    /// What was known of the registers does not hold any more.
    pub fn forget(&self) {
        self.known.borrow_mut().fill(None);
    }

    pub fn general(&self, vcpu: usize) -> Result<kvm_regs, Error> {
        self.control.with(vcpu, |fd| fd.get_regs())?.map_err(failed("KVM_GET_REGS"))
    }

    pub fn set_general(&self, vcpu: usize, regs: kvm_regs) -> Result<(), Error> {
        self.with(vcpu, move |fd| fd.set_regs(&regs))?.map_err(failed("KVM_SET_REGS"))
    }

    pub fn set_registers(&self, vcpu: usize, wanted: Registers) -> Result<(), Error> {
        self.with(vcpu, move |fd| registers::write(fd, &wanted))?.map_err(failed("setting registers"))
    }

    pub fn ram(&self) -> &GuestMemory {
        &self.ram
    }

    fn memory(&self, address: u64) -> &GuestMemory {
        if address < RESERVE { &self.ram } else { &self.reserve }
    }

    pub fn write(&self, address: u64, from: &[u8]) -> Result<(), Error> {
        let written = self.memory(address).write_slice(from, GuestAddress(address));
        Ok(written.map_err(|_| NoMemory(address))?)
    }
}

impl View for Machine {
    fn vcpus(&self) -> usize {
        self.control.vcpus()
    }

    fn registers(&self, index: usize) -> Option<Registers> {
        if let Some(known) = self.known.borrow().get(index)? {
            return known.clone();
        }
        // One that is not parked now may be so when it is asked for again.
        let read = self.control.with(index, |vcpu| match registers::is_started(vcpu) {
            Ok(true) => registers::read(vcpu).ok(),
            _ => None,
        });
        let registers = read.ok()?;
        self.known.borrow_mut()[index] = Some(registers.clone());
        registers
    }

    fn tsc(&self, index: usize) -> Option<u64> {
        self.control.with(index, |vcpu| read_tsc(vcpu).ok()).ok()?
    }

    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), NoMemory> {
        self.memory(address).read_slice(into, GuestAddress(address)).map_err(|_| NoMemory(address))
    }

    fn ram(&self) -> Vec<(u64, u64)> {
        self.ram.iter().map(|region| (region.start_addr().0, region.len())).collect()
    }
}
