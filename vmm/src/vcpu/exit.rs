//! What to do when the guest leaves to us.

use crate::memory::GuestMemory;
use crate::virtio::attach::Windows;
use devices::{Effect, PortBus};
use kvm_ioctls::VcpuExit;
use vm_memory::{Bytes, GuestAddress};

/// A word of the data area of a PC's firmware, and what it is for a reset without memory test.
const RESET_FLAG: GuestAddress = GuestAddress(0x472);
const RESET_WARM: u16 = 0x1234;

/// Whether the vCPU goes on.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Run,
    Stop(Stop),
}

/// Why a vCPU does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The guest wrote this value to the exit port.
    Exit(u32),
    /// The guest switched the machine off.
    PowerOff,
    /// The guest asked for a reset.
    Reset,
    /// The same, after it had said that it is to be a warm one.
    WarmReset,
    /// Triple fault.
    Shutdown,
    /// KVM cannot go on; see the details in the vCPU's page.
    InternalError,
    /// The CPU refused to enter the guest, for this reason.
    FailEntry(u64),
    /// Somebody asked for it.
    Kicked,
    /// KVM_RUN failed.
    RunFailed(kvm_ioctls::Error),
    /// An exit that our machine cannot cause.
    Unexpected(String),
}

/// Handles one exit.
pub fn handle(exit: VcpuExit<'_>, ports: &PortBus, windows: &Windows) -> Next {
    match exit {
        VcpuExit::IoOut(port, data) => match ports.write(port, data) {
            Some(Effect::None) => Next::Run,
            Some(Effect::Exit(value)) => Next::Stop(Stop::Exit(value)),
            Some(Effect::PowerOff) => Next::Stop(Stop::PowerOff),
            Some(Effect::Reset) => Next::Stop(Stop::Reset),
            None => {
                tracing::debug!(
                    port = format_args!("{port:#x}"),
                    ?data,
                    "write to a port that no device has"
                );
                Next::Run
            }
        },
        VcpuExit::IoIn(port, data) => {
            if !ports.read(port, data) {
                tracing::debug!(port = format_args!("{port:#x}"), "read of a port that no device has");
            }
            Next::Run
        }
        VcpuExit::MmioRead(address, data) => {
            if !windows.read(address, data) {
                tracing::debug!(
                    address = format_args!("{address:#x}"),
                    "read where there is neither RAM nor device"
                );
                data.fill(0xff);
            }
            Next::Run
        }
        VcpuExit::MmioWrite(address, data) => {
            if !windows.write(address, data) {
                tracing::debug!(
                    address = format_args!("{address:#x}"),
                    ?data,
                    "write where there is no RAM or device"
                );
            }
            Next::Run
        }
        VcpuExit::Shutdown => Next::Stop(Stop::Shutdown),
        VcpuExit::InternalError => Next::Stop(Stop::InternalError),
        VcpuExit::FailEntry(reason, _) => Next::Stop(Stop::FailEntry(reason)),
        // Both are KVM's way to say "try again".
        VcpuExit::Intr | VcpuExit::IrqWindowOpen => Next::Run,
        // HLT too: the interrupt controllers are KVM's, so it waits there.
        other => Next::Stop(Stop::Unexpected(format!("{other:?}"))),
    }
}

impl Stop {
    /// The same, in the light of what the guest has left in `memory`: whether a PC's firmware would leave out its tests after this
    /// reset. Linux says so of a reset after a panic, if its command line has `reboot=panic_warm`.
    pub fn with(self, memory: &GuestMemory) -> Self {
        let is_warm = || memory.read_obj::<u16>(RESET_FLAG).is_ok_and(|flag| flag == RESET_WARM);
        if self == Self::Reset && is_warm() { Self::WarmReset } else { self }
    }

    /// Whether the guest chose to end, so that nobody asks where it was.
    pub fn is_chosen(&self) -> bool {
        matches!(self, Self::Exit(_) | Self::PowerOff | Self::Reset | Self::WarmReset)
    }
}

/// What a failed KVM_RUN means.
pub fn handle_error(error: kvm_ioctls::Error, kicked: bool) -> Next {
    match error.errno() {
        libc::EINTR if kicked => Next::Stop(Stop::Kicked),
        libc::EINTR | libc::EAGAIN => Next::Run,
        _ => Next::Stop(Stop::RunFailed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use devices::acpi::PowerPort;
    use devices::exit::ExitPort;
    use std::sync::{Arc, Mutex};

    fn ports() -> PortBus {
        let mut ports = PortBus::default();
        ports.add(0xf4, 4, Arc::new(Mutex::new(ExitPort)));
        ports
    }

    #[test]
    fn the_exit_port_stops_the_machine() {
        assert_eq!(
            handle(VcpuExit::IoOut(0xf4, &[3]), &ports(), &Windows::default()),
            Next::Stop(Stop::Exit(3))
        );
    }

    #[test]
    fn power_off_and_reset_stop_the_machine() {
        let mut ports = PortBus::default();
        ports.add(0x600, 3, Arc::new(Mutex::new(PowerPort)));
        assert_eq!(
            handle(VcpuExit::IoOut(0x600, &[0x34]), &ports, &Windows::default()),
            Next::Stop(Stop::PowerOff)
        );
        assert_eq!(
            handle(VcpuExit::IoOut(0x602, &[1]), &ports, &Windows::default()),
            Next::Stop(Stop::Reset)
        );
    }

    #[test]
    fn a_reset_is_warm_when_the_guest_has_said_so() {
        let memory = crate::memory::allocate(4 << 20).unwrap();
        assert_eq!(Stop::Reset.with(&memory), Stop::Reset);
        memory.write_obj(RESET_WARM, RESET_FLAG).unwrap();
        assert_eq!(Stop::Reset.with(&memory), Stop::WarmReset);
        assert_eq!(Stop::PowerOff.with(&memory), Stop::PowerOff);
    }

    #[test]
    fn what_nobody_has_reads_as_all_ones_and_takes_any_write() {
        let mut data = [0; 4];
        assert_eq!(handle(VcpuExit::IoIn(0x80, &mut data), &ports(), &Windows::default()), Next::Run);
        assert_eq!(data, [0xff; 4]);
        let mut data = [0; 8];
        assert_eq!(
            handle(VcpuExit::MmioRead(0xd000_0000, &mut data), &ports(), &Windows::default()),
            Next::Run
        );
        assert_eq!(data, [0xff; 8]);
        assert_eq!(handle(VcpuExit::IoOut(0x80, &[1]), &ports(), &Windows::default()), Next::Run);
        assert_eq!(handle(VcpuExit::MmioWrite(0xd000_0000, &[1]), &ports(), &Windows::default()), Next::Run);
    }

    #[test]
    fn the_ends_of_a_machine_are_told_apart() {
        let stop = |exit| handle(exit, &ports(), &Windows::default());
        assert_eq!(stop(VcpuExit::Shutdown), Next::Stop(Stop::Shutdown));
        assert_eq!(stop(VcpuExit::InternalError), Next::Stop(Stop::InternalError));
        assert_eq!(stop(VcpuExit::FailEntry(0x8000_0021, 0)), Next::Stop(Stop::FailEntry(0x8000_0021)));
        assert!(matches!(stop(VcpuExit::Hlt), Next::Stop(Stop::Unexpected(_))));
        assert!(
            matches!(stop(VcpuExit::Unsupported(77)), Next::Stop(Stop::Unexpected(s)) if s.contains("77"))
        );
        assert_eq!(stop(VcpuExit::Intr), Next::Run);
    }

    #[test]
    fn only_a_kick_ends_an_interrupted_run() {
        let error = |errno| kvm_ioctls::Error::new(errno);
        assert_eq!(handle_error(error(libc::EINTR), false), Next::Run);
        assert_eq!(handle_error(error(libc::EAGAIN), false), Next::Run);
        assert_eq!(handle_error(error(libc::EINTR), true), Next::Stop(Stop::Kicked));
        assert_eq!(handle_error(error(libc::EFAULT), true), Next::Stop(Stop::RunFailed(error(libc::EFAULT))));
    }
}
