//! Moments of a run, in the guest's time: the first instruction, the first output, the end.
//!
//! With `-v` each is a log entry with the fields `moment` and `guest_tsc`. The host's TSC is read at the exit itself
//! and turned into the guest's by their difference at the start, so that what the host does meanwhile is not counted
//! before the moment. Without `-v` nothing is read.

use core::arch::x86_64::_rdtsc;
use kvm_ioctls::{VcpuExit, VcpuFd};
use tracing::{Level, enabled, info};
use vmm_abi::console::{DOORBELL_RX, PORT_DOORBELL};

use crate::vm::read_tsc;

/// Watches for the moments of one vCPU.
pub struct Moments {
    /// Guest's TSC minus the host's; `None` if nobody wants to know.
    offset: Option<u64>,
    printed: bool,
}

fn host_tsc() -> u64 {
    // SAFETY: RDTSC is in every x86-64, and Linux leaves it to user mode.
    unsafe { _rdtsc() }
}

impl Moments {
    /// The vCPU is about to run for the first time.
    pub fn first_run(fd: &VcpuFd) -> Self {
        let wanted = enabled!(Level::INFO);
        let offset =
            if wanted { read_tsc(fd).ok().map(|guest| guest.wrapping_sub(host_tsc())) } else { None };
        let moments = Self { offset, printed: false };
        moments.tell("first run");
        moments
    }

    /// The guest has left to us. Reads the clock if this is a moment.
    pub fn exit(&mut self, exit: &VcpuExit) {
        if self.offset.is_some() && !self.printed && prints(exit) {
            self.printed = true;
            self.tell("first output");
        }
    }

    pub fn end(&self) {
        self.tell("end");
    }

    fn tell(&self, moment: &str) {
        if let Some(offset) = self.offset {
            let guest_tsc = host_tsc().wrapping_add(offset);
            info!(moment, guest_tsc, "guest's TSC");
        }
    }
}

/// Whether the guest has told the console device to print.
fn prints(exit: &VcpuExit) -> bool {
    matches!(exit, VcpuExit::IoOut(PORT_DOORBELL, value) if **value != DOORBELL_RX.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmm_abi::console::doorbell;

    #[test]
    fn only_output_is_output() {
        assert!(prints(&VcpuExit::IoOut(PORT_DOORBELL, &doorbell(1, 5).to_le_bytes())));
        assert!(!prints(&VcpuExit::IoOut(PORT_DOORBELL, &DOORBELL_RX.to_le_bytes())));
        assert!(!prints(&VcpuExit::IoOut(PORT_DOORBELL + 1, &doorbell(1, 5).to_le_bytes())));
        assert!(!prints(&VcpuExit::Hlt));
    }
}
