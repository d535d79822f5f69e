//! Opens `/dev/kvm` and checks that it can do what a guest needs.
//!
//! - [`host`]: what this machine says of itself
//! - [`advice`]: what to do where there is no usable KVM

pub mod advice;
pub mod host;

use advice::{Advice, INSTEAD};
use host::Host;
use kvm_ioctls::{Cap, Kvm, VmFd};
use std::ffi::CString;
use std::io;
use vmm_abi::exit;

const DEFAULT_DEVICE: &str = "/dev/kvm";
/// Names another device than [`DEFAULT_DEVICE`]: for hosts that have it elsewhere, and for tests of its absence.
pub const DEVICE_VARIABLE: &str = "UKVMM_KVM_DEVICE";
/// The only version of the interface that there has been since Linux 2.6.22.
const API_VERSION: i32 = 12;

/// What no guest runs without, and the Linux that has it.
pub const NEEDED: &[(Cap, &str, &str)] = &[
    (Cap::UserMemory, "KVM_CAP_USER_MEMORY", "2.6.25"),
    (Cap::Irqchip, "KVM_CAP_IRQCHIP (interrupt controllers)", "2.6.25"),
    (Cap::SetTssAddr, "KVM_CAP_SET_TSS_ADDR", "2.6.25"),
    (Cap::ExtCpuid, "KVM_CAP_EXT_CPUID", "2.6.26"),
    (Cap::Ioeventfd, "KVM_CAP_IOEVENTFD (doorbells by eventfd)", "2.6.32"),
    (Cap::Irqfd, "KVM_CAP_IRQFD (interrupts by eventfd)", "2.6.32"),
    (Cap::GetTscKhz, "KVM_CAP_GET_TSC_KHZ", "2.6.39"),
    (Cap::ImmediateExit, "KVM_CAP_IMMEDIATE_EXIT", "4.11"),
];

#[derive(Debug, thiserror::Error)]
pub enum KvmError {
    #[error("{device} does not exist: this machine offers no KVM{advice}")]
    Absent { device: String, advice: Advice },
    #[error("no permission to open {device}{advice}")]
    Permission { device: String, advice: Advice },
    #[error("KVM makes no virtual machine (KVM_CREATE_VM): the CPU's virtualisation is in use{advice}")]
    Busy { advice: Advice },
    #[error("cannot open {device}: {source}")]
    Open { device: String, source: io::Error },
    #[error("{device} is not KVM: it does not answer KVM_GET_API_VERSION")]
    NotKvm { device: String },
    #[error("{device} has KVM API version {version}, version {API_VERSION} is needed")]
    Version { device: String, version: i32 },
    #[error("this KVM is too old: it lacks {capability}, which Linux has since {since}{advice}")]
    Missing { capability: &'static str, since: &'static str, advice: Advice },
    #[error("--cpus {asked}: this KVM gives a virtual machine {most} virtual CPUs at most")]
    TooManyCpus { asked: u8, most: usize },
    #[error(
        "this KVM cannot run a stock kernel: there is no hardware virtualisation (VMX, SVM) behind it, so it emulates the \
         guest's kernel mode, and a stock kernel uses instructions that the emulation lacks\n  - run it on a machine with VMX or \
         SVM (`ukvmm doctor` says more; ukvmm's own kernel runs here, with --servers)\n  - {INSTEAD}"
    )]
    EmulatedKernelMode,
    #[error("KVM: {what} failed: {source}")]
    Call { what: &'static str, source: kvm_ioctls::Error },
}

impl KvmError {
    /// The exit status that it ends `ukvmm` with.
    pub fn status(&self) -> u8 {
        match self {
            Self::Call { .. } | Self::TooManyCpus { .. } => exit::VMM,
            _ => exit::NO_KVM,
        }
    }
}

/// For `map_err`: an ioctl that failed and what it was for.
pub fn failed(what: &'static str) -> impl Fn(kvm_ioctls::Error) -> KvmError {
    move |source| KvmError::Call { what, source }
}

/// The device that is used.
pub fn device() -> String {
    std::env::var(DEVICE_VARIABLE).unwrap_or_else(|_| DEFAULT_DEVICE.into())
}

/// Opens KVM and checks version and capabilities.
pub fn open() -> Result<Kvm, KvmError> {
    let device = device();
    let kvm = open_device(&device)?;
    check(&device, kvm.get_api_version(), |cap| kvm.check_extension(cap))?;
    Ok(kvm)
}

/// Opens KVM.
pub fn open_device(device: &str) -> Result<Kvm, KvmError> {
    let path = CString::new(device).map_err(|_| unopened(device, libc::ENOENT))?;
    Kvm::new_with_path(&path).map_err(|error| unopened(device, error.errno()))
}

/// What it means that opening `device` failed.
fn unopened(device: &str, errno: i32) -> KvmError {
    let host = Host::look();
    let device = device.to_string();
    match errno {
        libc::ENOENT | libc::ENODEV | libc::ENXIO | libc::ENOTDIR => {
            KvmError::Absent { device, advice: Advice::absent(&host) }
        }
        libc::EACCES | libc::EPERM => {
            let advice = Advice::permission(&host, host::owner(&device).as_ref());
            KvmError::Permission { device, advice }
        }
        _ => KvmError::Open { device, source: io::Error::from_raw_os_error(errno) },
    }
}

/// Makes a virtual machine with nothing in it.
pub fn create_vm(kvm: &Kvm) -> Result<VmFd, KvmError> {
    kvm.create_vm().map_err(not_created)
}

fn not_created(error: kvm_ioctls::Error) -> KvmError {
    match error.errno() {
        libc::EBUSY => KvmError::Busy { advice: Advice::busy(&Host::look()) },
        _ => failed("creating a virtual machine (KVM_CREATE_VM)")(error),
    }
}

/// Whether a KVM with this version and these capabilities will do.
pub fn check(device: &str, version: i32, has: impl Fn(Cap) -> bool) -> Result<(), KvmError> {
    match version {
        API_VERSION => {}
        v if v < 0 => return Err(KvmError::NotKvm { device: device.into() }),
        version => return Err(KvmError::Version { device: device.into(), version }),
    }
    match NEEDED.iter().find(|(cap, ..)| !has(*cap)) {
        Some(&(_, capability, since)) => Err(missing(capability, since)),
        None => Ok(()),
    }
}

/// This KVM lacks a capability that Linux has since some version.
pub fn missing(capability: &'static str, since: &'static str) -> KvmError {
    KvmError::Missing { capability, since, advice: Advice::old(&Host::look()) }
}

/// Whether a KVM that allows `most` vCPUs will do for `asked`.
pub fn check_cpus(asked: u8, most: usize) -> Result<(), KvmError> {
    if usize::from(asked) > most { Err(KvmError::TooManyCpus { asked, most }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_capability_is_named() {
        let error = check("/dev/kvm", 12, |cap| cap != Cap::ImmediateExit).unwrap_err().to_string();
        assert!(error.contains("KVM_CAP_IMMEDIATE_EXIT") && error.contains("4.11"), "{error}");
        assert!(check("/dev/kvm", 12, |_| true).is_ok());
    }

    #[test]
    fn more_cpus_than_kvm_allows_are_refused() {
        let error = check_cpus(5, 4).unwrap_err();
        assert_eq!((error.status(), error.to_string().contains("--cpus 5")), (exit::VMM, true), "{error}");
        assert!(check_cpus(4, 4).is_ok());
    }

    #[test]
    fn another_version_or_device_is_refused() {
        assert!(matches!(check("d", 11, |_| true), Err(KvmError::Version { version: 11, .. })));
        assert!(matches!(check("d", -1, |_| true), Err(KvmError::NotKvm { .. })));
    }

    #[test]
    fn an_absent_device_and_a_forbidden_one_differ() {
        assert!(matches!(open_device("/absent/kvm"), Err(KvmError::Absent { .. })));
        assert!(matches!(open_device("nul\0"), Err(KvmError::Absent { .. })));
        assert!(matches!(unopened("d", libc::EACCES), KvmError::Permission { .. }));
    }

    #[test]
    fn a_cpu_that_somebody_else_uses_is_no_usable_kvm() {
        let error = not_created(kvm_ioctls::Error::new(libc::EBUSY));
        assert_eq!((error.status(), error.to_string().contains("in use")), (exit::NO_KVM, true), "{error}");
        assert_eq!(not_created(kvm_ioctls::Error::new(libc::ENOMEM)).status(), exit::VMM);
    }
}
