//! Where a run was: the host, its KVM and its clock. All of it is found out before the guest starts: afterwards we may not open files any more.

use crate::doctor::probe::{self, Probe, SyscallKind};
use crate::kvm;
use crate::kvm::host::{field, has_flag};
use crate::profile::clock;
use serde::Serialize;
use std::fs;

/// The machine that `ukvmm` runs on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Host {
    /// `Linux 6.12.1 #1 SMP …`.
    pub kernel: String,
    /// The processor's name for itself.
    pub cpu: Option<String>,
    /// Processors that we may use.
    pub cpus: usize,
}

/// What runs guests there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Kvm {
    pub device: String,
    /// `vmx`, `svm`; `emulated`: no hardware virtualisation, guest kernel mode is emulated; `native`: hardware virtualisation of a kind that the processor does not name; `none`: there is no usable KVM.
    pub kind: &'static str,
    /// Whether the host is a virtual machine itself, as far as its processor says.
    pub nested: Option<bool>,
    /// Why there is none, or it could not be told.
    pub problem: Option<String>,
}

/// The time stamp counter of the host, by which guests tell the time.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Tsc {
    /// As KVM tells the guest.
    pub khz: Option<u32>,
    /// Measured during the run by the host's raw monotonic clock, if the run took at least 10 ms.
    pub measured_khz: Option<f64>,
    /// Millionths by which the measured frequency is higher.
    pub drift_ppm: Option<f64>,
    /// It runs at one rate, whatever the processor does (CPUID 80000007H, EDX bit 8).
    pub invariant: bool,
    /// The clock that the host's kernel goes by.
    pub clocksource: Option<String>,
    /// The host's kernel has found that all its processors count alike: it would not offer the counter as a clock otherwise.
    pub synchronised: Option<bool>,
}

/// All three.
#[derive(Clone, PartialEq, Debug)]
pub struct Place {
    pub host: Host,
    pub kvm: Kvm,
    pub tsc: Tsc,
}

const CLOCKS: &str = "/sys/devices/system/clocksource/clocksource0/";

impl Place {
    /// Looks around. A probe guest is run for it, which takes milliseconds.
    pub fn here() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        // That there is a KVM is known, even if the probe fails.
        let probe = |kvm| probe::run(kvm).map_err(|error| error.to_string());
        let probed = kvm::open().map(probe).map_err(|error| error.to_string());
        let khz = probed.as_ref().ok().and_then(|probe| probe.as_ref().ok()).map(|probe| probe.tsc_khz);
        Self { host: Host::of(&cpuinfo), kvm: Kvm::of(probed, &cpuinfo), tsc: Tsc::of(khz) }
    }
}

impl Host {
    fn of(cpuinfo: &str) -> Self {
        let name = rustix::system::uname();
        let parts = [name.sysname(), name.release(), name.version()];
        let parts: Vec<_> = parts.iter().map(|part| part.to_string_lossy()).collect();
        Self {
            kernel: parts.join(" "),
            cpu: field(cpuinfo, "model name").map(Into::into),
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
        }
    }
}

impl Kvm {
    /// `probed`: why there is no KVM, or what the probe guest came to.
    fn of(probed: Result<Result<Probe, String>, String>, cpuinfo: &str) -> Self {
        let has = |flag| has_flag(cpuinfo, flag);
        let (kind, problem) = match probed {
            Err(problem) => ("none", Some(problem)),
            Ok(Err(problem)) => ("unknown", Some(problem)),
            Ok(Ok(Probe { syscall: SyscallKind::Fault, .. })) => ("emulated", None),
            Ok(Ok(_)) if has("vmx") => ("vmx", None),
            Ok(Ok(_)) if has("svm") => ("svm", None),
            Ok(Ok(_)) => ("native", None),
        };
        Self {
            device: kvm::device(),
            kind,
            nested: field(cpuinfo, "flags").map(|_| has("hypervisor")),
            problem,
        }
    }
}

impl Tsc {
    fn of(khz: Option<u32>) -> Self {
        let read = |name| fs::read_to_string([CLOCKS, name].concat()).ok();
        Self {
            khz,
            measured_khz: None,
            drift_ppm: None,
            invariant: clock::is_invariant(),
            clocksource: read("current_clocksource").map(|name| name.trim().into()),
            synchronised: read("available_clocksource")
                .map(|names| names.split_whitespace().any(|name| name == "tsc")),
        }
    }

    /// The same, once the frequency has been measured.
    pub fn measured(self, khz: Option<f64>) -> Self {
        let nominal = self.khz.filter(|khz| *khz > 0).map(f64::from);
        let drift_ppm = khz.zip(nominal).map(|(khz, nominal)| (khz / nominal - 1.0) * 1e6);
        Self { measured_khz: khz, drift_ppm, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTEL: &str =
        "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu vmx hypervisor\n\nflags\t\t: svm\n";

    fn kind(
        probed: Result<Result<SyscallKind, String>, String>,
        cpuinfo: &str,
    ) -> (&'static str, Option<bool>) {
        let probe = |syscall| Probe { syscall, round_trip_cycles: 1, tsc_khz: 1 };
        let kvm = Kvm::of(probed.map(|run| run.map(probe)), cpuinfo);
        assert_eq!(kvm.problem.is_some(), matches!(kvm.kind, "none" | "unknown"));
        (kvm.kind, kvm.nested)
    }

    #[test]
    fn kinds_of_kvm_are_told_apart() {
        assert_eq!(kind(Ok(Ok(SyscallKind::Native)), INTEL), ("vmx", Some(true)));
        assert_eq!(kind(Ok(Ok(SyscallKind::Native)), "flags : fpu svm"), ("svm", Some(false)));
        assert_eq!(kind(Ok(Ok(SyscallKind::Native)), ""), ("native", None));
        assert_eq!(kind(Ok(Ok(SyscallKind::Fault)), INTEL).0, "emulated");
        assert_eq!(kind(Ok(Err("slow".into())), INTEL).0, "unknown");
        assert_eq!(kind(Err("absent".into()), INTEL).0, "none");
    }

    #[test]
    fn drift_is_how_far_the_measured_frequency_is_off() {
        let tsc = Tsc { khz: Some(2_000_000), ..Tsc::of(None) };
        let drift = tsc.clone().measured(Some(2_000_020.0)).drift_ppm.unwrap();
        assert!((drift - 10.0).abs() < 1e-6, "{drift}");
        assert_eq!(tsc.clone().measured(None).drift_ppm, None);
        assert_eq!(Tsc { khz: None, ..tsc }.measured(Some(1.0)).drift_ppm, None);
    }

    #[test]
    fn this_host_says_who_it_is() {
        let host = Host::of(INTEL);
        assert!(host.kernel.starts_with("Linux ") && host.cpus > 0, "{host:?}");
        assert_eq!(host.cpu.as_deref(), Some("Some CPU"));
    }
}
