//! Has a vCPU run other code for a moment, as if nothing had been: a debugger's, in the guest's kernel mode.
//!
//! Not only registers belong to where a vCPU is. One that sleeps (HLT) would go on sleeping at the new place; and an interrupt
//! that KVM is about to deliver, whatever the interrupt flag says, would be delivered there.

use super::registers::{set_flat_segments, set_sregs};
use kvm_bindings::{KVM_MP_STATE_RUNNABLE, kvm_mp_state, kvm_regs, kvm_sregs, kvm_vcpu_events};
use kvm_ioctls::{Error, VcpuFd};

/// Where the vCPU was.
pub struct Excursion {
    regs: kvm_regs,
    sregs: kvm_sregs,
    mp_state: kvm_mp_state,
    events: kvm_vcpu_events,
}

/// Where it is to go.
#[derive(Clone, Copy, Debug)]
pub struct Destination {
    /// Of the guest's kernel: flat segments of its GDT.
    pub cs: u16,
    pub ss: u16,
    pub cr3: u64,
    /// With what in the general registers. Interrupts are best off there (rflags = 2).
    pub regs: kvm_regs,
}

impl Excursion {
    /// Sends a vCPU that has been started and is not in the guest to another place.
    pub fn begin(vcpu: &VcpuFd, to: Destination) -> Result<Self, Error> {
        let before = Self {
            regs: vcpu.get_regs()?,
            sregs: vcpu.get_sregs()?,
            mp_state: vcpu.get_mp_state()?,
            events: vcpu.get_vcpu_events()?,
        };
        before.leave(vcpu, to).or_else(|error| before.put_back(vcpu).and(Err(error)))?;
        Ok(before)
    }

    /// Puts the vCPU back where it was. It has left the guest.
    pub fn end(self, vcpu: &VcpuFd) -> Result<(), Error> {
        self.put_back(vcpu)
    }

    fn leave(&self, vcpu: &VcpuFd, to: Destination) -> Result<(), Error> {
        let mut sregs = self.sregs;
        set_flat_segments(&mut sregs, to.cs, to.ss);
        sregs.cr3 = to.cr3;
        sregs.interrupt_bitmap = [0; 4];
        let mut events = self.events;
        (events.exception.injected, events.exception.pending) = (0, 0);
        (events.interrupt.injected, events.interrupt.shadow) = (0, 0);
        (events.nmi.injected, events.nmi.masked) = (0, 1);
        set_sregs(vcpu, sregs)?;
        vcpu.set_regs(&to.regs)?;
        vcpu.set_vcpu_events(&events)?;
        vcpu.set_mp_state(kvm_mp_state { mp_state: KVM_MP_STATE_RUNNABLE })
    }

    fn put_back(&self, vcpu: &VcpuFd) -> Result<(), Error> {
        set_sregs(vcpu, self.sregs)?;
        vcpu.set_regs(&self.regs)?;
        // Last: setting registers drops what was pending.
        vcpu.set_vcpu_events(&self.events)?;
        vcpu.set_mp_state(self.mp_state)
    }
}
