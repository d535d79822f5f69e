//! Runs the probe guest.

use super::guest::{
    self, MEMORY, PORT_CYCLES, PORT_DONE, PORT_FAILED, PORT_SYSCALL, SYSCALL_FAULT, SYSCALL_NATIVE,
    SetUpError,
};
use crate::kvm::KvmError;
use crate::memory::{self, MemoryError};
use crate::vcpu::exit::Stop;
use crate::vcpu::group::Group;
use crate::vcpu::kick;
use crate::vcpu::thread::{Report, World};
use crate::virtio::attach::Windows;
use crate::vm::Vm;
use devices::{Effect, PortBus, PortDevice};
use kvm_ioctls::Kvm;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// It takes milliseconds.
const TIMEOUT: Duration = Duration::from_secs(3);

/// What happens when user mode executes SYSCALL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyscallKind {
    /// It enters kernel mode at LSTAR.
    Native,
    /// It arrives as a page fault at LSTAR.
    Fault,
}

/// What the guest found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    pub syscall: SyscallKind,
    /// Cycles from user mode to kernel mode and back, at least.
    pub round_trip_cycles: u32,
    pub tsc_khz: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error(transparent)]
    Kvm(#[from] KvmError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error(transparent)]
    SetUp(#[from] SetUpError),
    #[error("it did not end within {} s", TIMEOUT.as_secs())]
    Timeout,
    #[error("it did not run right: {0}")]
    Wrong(String),
}

/// What it has written to its ports.
#[derive(Clone, Copy, Default, Debug)]
struct Results {
    syscall: u32,
    cycles: u32,
    failed: bool,
}

impl PortDevice for Results {
    fn read(&mut self, _: u16, data: &mut [u8]) {
        data.fill(0);
    }
    fn write(&mut self, offset: u16, data: &[u8]) -> Effect {
        let value = <[u8; 4]>::try_from(data).map(u32::from_le_bytes).unwrap_or(0);
        match PORT_SYSCALL + offset {
            PORT_SYSCALL => self.syscall = value,
            PORT_CYCLES => self.cycles = value,
            PORT_FAILED => {
                self.failed = true;
                return Effect::Exit(1);
            }
            PORT_DONE => return Effect::Exit(0),
            _ => {}
        }
        Effect::None
    }
}

/// Runs it.
pub fn run(kvm: Kvm) -> Result<Probe, ProbeError> {
    kick::install()?;
    let vm = Vm::new(&kvm, memory::allocate(MEMORY)?)?;
    let vcpus = vm.create_vcpus(&kvm, 1, false)?;
    let tsc_khz = vm.boot_info(&vcpus)?.tsc_khz as u32;
    for vcpu in &vcpus {
        guest::set_up(vm.memory(), vcpu, guest::program())?;
    }
    let results = Arc::new(Mutex::new(Results::default()));
    let mut ports = PortBus::default();
    ports.add(PORT_SYSCALL, PORT_DONE + 4 - PORT_SYSCALL, results.clone());
    let (sender, done) = channel();
    // The receiver outlives the thread unless we are gone already.
    let world = World::new(ports, Windows::default(), vm.memory().clone(), None);
    let vcpus = Group::start(vcpus, world, move |_| {
        let _ = sender.send(());
    })?;
    let in_time = done.recv_timeout(TIMEOUT).is_ok();
    if !in_time {
        vcpus.kick();
    }
    let report = vcpus.join(&[0]).all.pop().flatten();
    let report = report.ok_or_else(|| ProbeError::Wrong("its thread panicked".into()))?;
    let results = *results.lock().unwrap_or_else(PoisonError::into_inner);
    judge(&report, results, in_time, tsc_khz)
}

fn judge(report: &Report, results: Results, in_time: bool, tsc_khz: u32) -> Result<Probe, ProbeError> {
    let syscall = match (&report.stop, results.syscall) {
        _ if !in_time => return Err(ProbeError::Timeout),
        (Stop::Exit(0), SYSCALL_NATIVE) => SyscallKind::Native,
        (Stop::Exit(0), SYSCALL_FAULT) => SyscallKind::Fault,
        (stop, _) => {
            let at = report.at.as_ref().map_or(String::new(), |at| format!(" at rip {:#x}", at.regs.rip));
            return Err(ProbeError::Wrong(format!("{stop:?}{at}, {results:?}")));
        }
    };
    Ok(Probe { syscall, round_trip_cycles: results.cycles, tsc_khz })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(stop: Stop) -> Report {
        Report { stop, at: None, suberror: 0, last: None }
    }

    #[test]
    fn only_a_guest_that_ended_right_counts() {
        let results = |syscall| Results { syscall, cycles: 5, failed: false };
        let good = judge(&report(Stop::Exit(0)), results(SYSCALL_FAULT), true, 1).unwrap();
        assert_eq!(good, Probe { syscall: SyscallKind::Fault, round_trip_cycles: 5, tsc_khz: 1 });
        assert!(judge(&report(Stop::Exit(0)), results(SYSCALL_NATIVE), true, 1).is_ok());
        assert!(matches!(judge(&report(Stop::Kicked), results(1), false, 1), Err(ProbeError::Timeout)));
        for (stop, syscall) in [(Stop::Exit(1), 1), (Stop::Exit(0), 0), (Stop::Shutdown, 1)] {
            assert!(matches!(judge(&report(stop), results(syscall), true, 1), Err(ProbeError::Wrong(_))));
        }
    }
}
