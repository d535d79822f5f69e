//! What the thread of a vCPU notes when it is asked where the vCPU is: registers, and what is on the stacks.
//!
//! It has to be quick, since the guest stands still meanwhile: nothing is looked up here.

use super::unwind::{Registers, Stack};
use crate::debug::registers;
use crate::debug::view::{NoMemory, View};
use crate::inspect::Kernel;
use crate::inspect::paging::Translation;
use crate::memory::GuestMemory;
use crate::vcpu;
use kvm_bindings::{KVM_MP_STATE_HALTED, KVM_MP_STATE_RUNNABLE};
use kvm_ioctls::VcpuFd;
use vm_memory::{Bytes, GuestAddress};

/// Bytes of a stack that are copied.
const STACK: usize = 16 << 10;

/// The guest, as who takes samples has to know it.
pub struct Guest {
    pub memory: GuestMemory,
    /// `None`: it is another kernel.
    pub kernel: Option<Kernel>,
    pub vcpus: usize,
}

/// A sample.
pub struct Moment {
    /// The guest's TSC.
    pub tsc: u64,
    pub vcpu: usize,
    pub doing: Doing,
}

/// What a vCPU does.
pub enum Doing {
    Idle,
    /// Something of a kernel that we know nothing about.
    Foreign {
        user: bool,
    },
    Running(Box<Running>),
}

/// What runs.
#[derive(Default)]
pub struct Running {
    /// Whose thread it is; none's at the beginning.
    pub task: Option<u16>,
    /// What that was called when somebody looked for the first time: soon it may be another's number, or nobody's.
    pub name: Option<String>,
    /// Where that is in user mode, or was when it entered the kernel.
    pub user: Option<Place>,
    /// Where the kernel is.
    pub kernel: Option<Place>,
}

/// A place in code, and how it came there.
pub struct Place {
    pub registers: Registers,
    /// Of page tables.
    pub root: u64,
    pub stack: Stack,
}

impl Moment {
    /// Of a vCPU that has left the guest at `tsc`. `None` if it has not been started.
    pub fn of(fd: &VcpuFd, guest: &Guest, vcpu: usize, tsc: u64) -> Option<Self> {
        let doing = match fd.get_mp_state().ok()?.mp_state {
            KVM_MP_STATE_HALTED => Doing::Idle,
            KVM_MP_STATE_RUNNABLE => guest.doing(vcpu, &vcpu::registers::scan(fd).ok()?),
            _ => return None,
        };
        Some(Self { tsc, vcpu, doing })
    }
}

impl Guest {
    fn doing(&self, vcpu: usize, registers: &registers::Registers) -> Doing {
        let user = registers.in_user_mode();
        let Some(kernel) = &self.kernel else { return Doing::Foreign { user } };
        let view = Seen { guest: self, vcpu, registers };
        let mut running = Running::default();
        let current = kernel.running(&view, vcpu);
        if let Some(current) = &current {
            running.task = u16::try_from(current.thread.process.0).ok();
            running.user = kernel.registers(&view, current.thread).map(|of_thread| view.place(&of_thread));
        }
        // Code that saves vector registers for the kernel is in user mode, but is nobody's.
        if !user || current.is_none_or(|current| current.in_stub) {
            running.kernel = Some(view.place(registers));
        }
        Doing::Running(Box::new(running))
    }
}

/// The machine, with one vCPU out of the guest.
struct Seen<'a> {
    guest: &'a Guest,
    vcpu: usize,
    registers: &'a registers::Registers,
}

impl Seen<'_> {
    fn place(&self, registers: &registers::Registers) -> Place {
        let mut bytes = vec![0; STACK];
        // A thread's saved registers have nothing of control registers but CR3, and paging is on for it.
        let translation = Translation::of(&registers::Registers {
            cr0: self.registers.cr0,
            cr4: self.registers.cr4,
            efer: self.registers.efer,
            cr3: registers.cr3,
            ..Default::default()
        });
        let base = registers.rsp();
        let length = translation.read(self, base, &mut bytes);
        bytes.truncate(length);
        Place { registers: registers.into(), root: registers.cr3, stack: Stack { base, bytes } }
    }
}

impl View for Seen<'_> {
    fn vcpus(&self) -> usize {
        self.guest.vcpus
    }

    fn registers(&self, index: usize) -> Option<registers::Registers> {
        (index == self.vcpu).then(|| self.registers.clone())
    }

    fn tsc(&self, _: usize) -> Option<u64> {
        None
    }

    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), NoMemory> {
        self.guest.memory.read_slice(into, GuestAddress(address)).map_err(|_| NoMemory(address))
    }

    fn ram(&self) -> Vec<(u64, u64)> {
        Vec::new()
    }
}
