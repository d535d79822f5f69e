//! All vCPUs of a machine, started and stopped together.

use super::thread::{Report, Vcpu, World};
use crate::kvm::KvmError;
use kvm_ioctls::VcpuFd;

/// vCPUs that run.
pub struct Group {
    /// By index.
    vcpus: Vec<Vcpu>,
}

/// What they left behind.
#[derive(Debug)]
pub struct Reports {
    /// By index; `None` from one that could not be stopped, or whose thread panicked.
    pub all: Vec<Option<Report>>,
    /// Index of the vCPU that stopped first.
    pub first: Option<usize>,
}

impl Group {
    /// Starts them. `done` is called with the index of each that has stopped, in its thread.
    pub fn start(
        vcpus: Vec<VcpuFd>,
        world: World,
        done: impl Fn(usize) + Clone + Send + 'static,
    ) -> Result<Self, KvmError> {
        // The boot CPU comes last: if the host has no thread to spare, nothing of the guest has run.
        let start = |(id, fd)| {
            let done = done.clone();
            Vcpu::start(id, fd, world.clone(), move || done(id))
        };
        let mut vcpus: Vec<_> = vcpus.into_iter().enumerate().rev().map(start).collect::<Result<_, _>>()?;
        vcpus.reverse();
        Ok(Self { vcpus })
    }

    pub fn len(&self) -> usize {
        self.vcpus.len()
    }

    pub fn is_empty(&self) -> bool {
        self.vcpus.is_empty()
    }

    /// Has all of them stop soon.
    pub fn kick(&self) {
        self.vcpus.iter().for_each(Vcpu::kick);
    }

    /// What the vCPUs left that have `stopped`, whose indices are in the order of their ends. The others are left to themselves.
    pub fn join(self, stopped: &[usize]) -> Reports {
        let all = self.vcpus.into_iter().enumerate();
        let all = all.map(|(id, vcpu)| if stopped.contains(&id) { vcpu.join() } else { None }).collect();
        Reports { all, first: stopped.first().copied() }
    }
}
