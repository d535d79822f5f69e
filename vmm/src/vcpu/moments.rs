//! Moments of a run, in the guest's time: the first instruction, the first output, the end.
//!
//! With `-v` each is a log entry with the fields `moment` and `guest_tsc`. The host's TSC is read at the exit itself
//! and turned into the guest's by their difference at the start, so that what the host does meanwhile is not counted
//! before the moment. Without `-v` nothing is read.
//!
//! The moments are the machine's: output and end are told by the first vCPU that has them.

use kvm_ioctls::{VcpuExit, VcpuFd};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use tracing::{Level, enabled, info};
use vmm_abi::console::{DOORBELL_RX, PORT_BASE, PORT_DOORBELL, PORT_LOG2};
use vmm_abi::ports;

use crate::vm::{host_tsc, read_tsc};

/// Which moments of a machine have been.
#[derive(Default, Debug)]
pub struct Told {
    output: AtomicBool,
    end: AtomicBool,
    life: AtomicBool,
}

impl Told {
    /// Whether the guest has given a sign of life: it has used a console, or a virtio device.
    pub fn is_alive(&self) -> bool {
        self.life.load(Relaxed)
    }
}

/// Watches for the moments that one vCPU brings about.
pub struct Moments<'a> {
    /// Guest's TSC minus the host's; `None` if nobody wants to know.
    offset: Option<u64>,
    told: &'a Told,
}

impl<'a> Moments<'a> {
    /// For a vCPU that is about to run.
    pub fn new(fd: &VcpuFd, told: &'a Told) -> Self {
        let wanted = enabled!(Level::INFO);
        let offset =
            if wanted { read_tsc(fd).ok().map(|guest| guest.wrapping_sub(host_tsc())) } else { None };
        Self { offset, told }
    }

    /// The boot CPU is about to run for the first time.
    pub fn first_run(&self) {
        self.tell("first run");
    }

    /// The guest has left to us. Reads the clock if this is a moment.
    pub fn exit(&self, exit: &VcpuExit) {
        if !self.told.is_alive() && is_sign(exit) {
            self.told.life.store(true, Relaxed);
        }
        if self.offset.is_some()
            && !self.told.output.load(Relaxed)
            && prints(exit)
            && !self.told.output.swap(true, Relaxed)
        {
            self.tell("first output");
        }
    }

    /// The vCPU has stopped, and all others soon will.
    pub fn end(&self) {
        if !self.told.end.swap(true, Relaxed) {
            self.tell("end");
        }
    }

    fn tell(&self, moment: &str) {
        if let Some(offset) = self.offset {
            let guest_tsc = host_tsc().wrapping_add(offset);
            info!(moment, guest_tsc, "guest's TSC");
        }
    }
}

/// Whether that is a sign of life: that a driver of the guest is at work, even if it does not print. Reading is none, nor is a port that no driver of ours has: a kernel that has lost its way does both.
fn is_sign(exit: &VcpuExit) -> bool {
    const CONSOLE_END: u16 = PORT_BASE + (1 << PORT_LOG2);
    const UART_END: u16 = ports::UART + 8;
    match exit {
        VcpuExit::IoOut(port, _) => {
            matches!(*port, ports::DEBUG | PORT_BASE..CONSOLE_END | ports::UART..UART_END)
        }
        VcpuExit::MmioWrite(..) => true,
        _ => false,
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

    #[test]
    fn drivers_at_work_are_a_sign_of_life() {
        for port in [ports::DEBUG, PORT_BASE, PORT_DOORBELL, ports::UART, ports::UART + 7] {
            assert!(is_sign(&VcpuExit::IoOut(port, &[0])), "{port:#x}");
            assert!(!is_sign(&VcpuExit::IoIn(port, &mut [0])), "{port:#x}");
        }
        assert!(is_sign(&VcpuExit::MmioWrite(0xd000_0000, &[0; 4])));
        assert!(!is_sign(&VcpuExit::IoOut(0x80, &[0])) && !is_sign(&VcpuExit::Hlt));
    }
}
