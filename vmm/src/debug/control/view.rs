//! The machine whose vCPUs are parked, to look at.

use super::Control;
use crate::debug::registers::Registers;
use crate::debug::view::{NoMemory, View};
use crate::memory::GuestMemory;
use crate::vcpu::registers;
use crate::vm::read_tsc;
use kvm_bindings::{KVM_MP_STATE_INIT_RECEIVED, KVM_MP_STATE_SIPI_RECEIVED, KVM_MP_STATE_UNINITIALIZED};
use kvm_ioctls::VcpuFd;
use std::cell::RefCell;
use std::sync::Arc;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryRegion};

/// A view of it. Registers are asked for once and then remembered.
pub struct Parked {
    control: Arc<Control>,
    memory: GuestMemory,
    /// Memory that the guest does not know of.
    reserve: Option<GuestMemory>,
    /// By vCPU.
    registers: RefCell<Vec<Option<Known>>>,
}

type Known = Option<Registers>;

impl Parked {
    pub fn new(control: Arc<Control>, memory: GuestMemory) -> Self {
        let registers = RefCell::new(vec![None; control.vcpus()]);
        Self { control, memory, reserve: None, registers }
    }

    /// `memory` can be looked at, too.
    pub fn set_reserve(&mut self, memory: GuestMemory) {
        self.reserve = Some(memory);
    }

    /// To be called when a vCPU has run or has got other registers.
    pub fn forget(&self) {
        self.registers.borrow_mut().fill(None);
    }
}

impl View for Parked {
    fn vcpus(&self) -> usize {
        self.control.vcpus()
    }

    fn registers(&self, index: usize) -> Option<Registers> {
        if let Some(known) = self.registers.borrow().get(index)? {
            return known.clone();
        }
        // One that is not parked now may be so when it is asked for again.
        let read = self.control.with(index, |vcpu| started(vcpu).then(|| registers::read(vcpu).ok())).ok()?;
        let registers = read.flatten();
        self.registers.borrow_mut()[index] = Some(registers.clone());
        registers
    }

    fn tsc(&self, index: usize) -> Option<u64> {
        self.control.with(index, |vcpu| read_tsc(vcpu).ok()).ok()?
    }

    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), NoMemory> {
        let at = GuestAddress(address);
        let mut all = [Some(&self.memory), self.reserve.as_ref()].into_iter().flatten();
        let memory = all.find(|memory| memory.address_in_range(at)).ok_or(NoMemory(address))?;
        memory.read_slice(into, at).map_err(|_| NoMemory(address))
    }

    fn ram(&self) -> Vec<(u64, u64)> {
        self.memory.iter().map(|region| (region.start_addr().0, region.len())).collect()
    }
}

/// Whether it does not wait for INIT and SIPI.
fn started(vcpu: &VcpuFd) -> bool {
    let waiting = [KVM_MP_STATE_UNINITIALIZED, KVM_MP_STATE_INIT_RECEIVED, KVM_MP_STATE_SIPI_RECEIVED];
    vcpu.get_mp_state().is_ok_and(|state| !waiting.contains(&state.mp_state))
}
