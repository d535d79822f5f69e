//! What vCPUs leave for the debugger.

use crate::kvm::KvmError;
use crate::vcpu::exit::Stop;
use kvm_bindings::kvm_debug_exit_arch;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use super::watch::Hit;

/// Why a vCPU has parked.
#[derive(Debug, PartialEq)]
pub enum Trap {
    /// The guest wrote this (its first byte) to the debugger's port. RIP is behind the instruction.
    Port(u8),
    /// KVM_EXIT_DEBUG.
    Debug(kvm_debug_exit_arch),
    /// The guest has touched what is watched. The access has been made; an instruction with several leaves several.
    Watch(Hit),
    /// KVM cannot go on (its `suberror`); RIP is at the instruction. The vCPU may be sent on, if that was mended; the run ends with this if
    /// the debugger leaves before.
    InternalError(u32),
    /// The vCPU is at its end: a panic of the guest's kernel, a triple fault, or worse. The run ends with this when the debugger
    /// leaves.
    Crashed(Stop),
    /// The machine is no more. `ukvmm` exits with this status, or dies of a signal.
    Over(Option<u8>),
}

/// A queue of them, with the vCPU that each is of.
pub(super) struct Traps {
    queue: Mutex<Vec<(usize, Trap)>>,
    ready: OwnedFd,
}

impl Traps {
    pub fn new() -> Result<Self, KvmError> {
        use rustix::event::{EventfdFlags, eventfd};
        let ready = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).map_err(|e| {
            KvmError::Call { what: "eventfd", source: kvm_ioctls::Error::new(e.raw_os_error()) }
        })?;
        Ok(Self { queue: Mutex::default(), ready })
    }

    pub fn put(&self, vcpu: usize, traps: impl IntoIterator<Item = Trap>) {
        self.lock().extend(traps.into_iter().map(|trap| (vcpu, trap)));
        self.notify();
    }

    pub fn take(&self) -> Vec<(usize, Trap)> {
        // In this order: what is put after the queue has been emptied makes it readable again. Nothing to read is no error.
        let _ = rustix::io::read(&self.ready, &mut [0; 8]);
        std::mem::take(&mut *self.lock())
    }

    pub fn notify(&self) {
        // Fails only if it is readable already.
        let _ = rustix::io::write(&self.ready, &1u64.to_ne_bytes());
    }

    pub fn ready(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(usize, Trap)>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, poll};

    fn is_ready(traps: &Traps) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(traps.ready(), PollFlags::IN)];
        poll(&mut fds, Some(&Default::default())).unwrap() == 1
    }

    #[test]
    fn it_is_readable_until_all_are_taken() {
        let traps = Traps::new().unwrap();
        assert!(!is_ready(&traps) && traps.take().is_empty());
        traps.put(1, [Trap::Port(2), Trap::InternalError(1)]);
        traps.put(0, [Trap::Over(Some(3))]);
        assert!(is_ready(&traps));
        assert_eq!(traps.take(), [(1, Trap::Port(2)), (1, Trap::InternalError(1)), (0, Trap::Over(Some(3)))]);
        assert!(!is_ready(&traps));
        traps.notify();
        assert!(is_ready(&traps) && traps.take().is_empty() && !is_ready(&traps));
    }
}
