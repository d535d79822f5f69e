//! `ukvmm doctor`: what this host's KVM is, what works on it, what is missing, and how to get it.
//!
//! Which kind of KVM it is, is found out by running a guest, not by looking at names.
//!
//! - [`report`]: findings, and how they are printed
//! - [`host`]: what the host's files tell; [`jail`]: what of our jail works
//! - [`guest`]: the probe guest: its code and tables
//! - [`probe`]: runs it
//! - [`debugging`]: tries what a debugger relies on

pub mod debugging;
pub mod guest;
pub mod host;
pub mod jail;
pub mod probe;
pub mod report;

use crate::kvm::{self, KvmError};
use kvm_ioctls::{Cap, Kvm};
use probe::{Probe, SyscallKind};
use report::{Finding, Report};
use vmm_abi::boot::CPUS_MAX;
use vmm_abi::exit;

/// What guests run better with, and what it is good for.
const WANTED: &[(Cap, &str, &str)] = &[
    (Cap::Ioeventfd, "KVM_CAP_IOEVENTFD", "doorbells without an exit to ukvmm; Linux has it since 2.6.32"),
    (
        Cap::TscDeadlineTimer,
        "KVM_CAP_TSC_DEADLINE_TIMER",
        "exact timers; guests fall back to one-shot timers",
    ),
    (Cap::SetIdentityMapAddr, "KVM_CAP_SET_IDENTITY_MAP_ADDR", "old Intel CPUs; Linux has it since 2.6.31"),
];

/// Prints the report. Returns the exit status: 0 if guests can run.
pub fn run() -> u8 {
    let mut report = Report::default();
    let device = kvm::device();
    match kvm::open_device(&device) {
        Ok(kvm) => check(&mut report, &device, kvm),
        Err(error) => {
            report.add(Finding::bad("device", error.to_string()));
            if let Some(owner) = host::owner(&device) {
                report.add(Finding::note("permission", owner));
            }
        }
    }
    report.add(host::huge_pages());
    report.add(host::tsc());
    jail::findings().into_iter().for_each(|finding| report.add(finding));
    let usable = report.is_usable();
    let verdict = if usable { "guests can run here" } else { "guests cannot run here" };
    println!("{report}\n{verdict}");
    if usable { 0 } else { exit::NO_KVM }
}

/// Whether a kernel can run here that was not made to be emulated. A probe that fails says nothing about that.
pub fn check_stock() -> Result<(), KvmError> {
    match probe::run(kvm::open()?) {
        Ok(Probe { syscall: SyscallKind::Fault, .. }) => Err(KvmError::EmulatedKernelMode),
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!("what kind of KVM this is cannot be told: {error}");
            Ok(())
        }
    }
}

/// Whether this KVM runs the guest's kernel mode natively; `None` if that cannot be told.
pub fn is_native() -> Option<bool> {
    let probe = probe::run(kvm::open().ok()?).ok()?;
    Some(probe.syscall == SyscallKind::Native)
}

fn check(report: &mut Report, device: &str, kvm: Kvm) {
    let version = kvm.get_api_version();
    match kvm::check(device, version, |_| true) {
        Ok(()) => report.add(Finding::good("device", format!("{device}, KVM API version {version}"))),
        Err(error) => return report.add(Finding::bad("device", error.to_string())),
    }
    if let Some(owner) = host::owner(device) {
        report.add(Finding::good("permission", owner));
    }
    capabilities(report, |cap| kvm.check_extension(cap));
    report.add(vcpus(kvm.get_max_vcpus(), kvm.get_nr_vcpus()));
    match probe::run(kvm) {
        Ok(probe) => describe(report, &probe),
        Err(error) => report.add(Finding::bad("probe guest", error.to_string())),
    }
    report.add(debugging(kvm::open().map_err(Into::into).and_then(debugging::run)));
}

fn capabilities(report: &mut Report, has: impl Fn(Cap) -> bool) {
    let mut complete = true;
    for &(cap, capability, since) in kvm::NEEDED {
        if !has(cap) {
            complete = false;
            report.add(Finding::bad("capability", kvm::missing(capability, since).to_string()));
        }
    }
    if complete {
        report.add(Finding::good("capabilities", "all that guests need".into()));
    }
    for &(cap, name, use_) in WANTED {
        match has(cap) {
            true => report.add(Finding::good("capability", name.into())),
            false => report.add(Finding::note("capability", format!("{name} is missing ({use_})"))),
        }
    }
}

/// `most`: KVM_CAP_MAX_VCPUS; `recommended`: KVM_CAP_NR_VCPUS, which is the number of the host's CPUs.
fn vcpus(most: usize, recommended: usize) -> Finding {
    let possible = most.min(CPUS_MAX.into());
    let limit = if possible < most { format!("KVM would allow {most}") } else { "as KVM allows".into() };
    let text = format!("--cpus up to {possible} ({limit}); up to {recommended} run at the same time here");
    Finding::good("vCPUs", text)
}

/// Whether GDB can be of use. Guests run without.
fn debugging(tried: Result<(), debugging::Fault>) -> Finding {
    match tried {
        Ok(()) => Finding::good(
            "debugging",
            "stops, breakpoints, steps and watchpoints work, in user and kernel mode (--gdb)".into(),
        ),
        Err(fault) => Finding::note("debugging", format!("--gdb will not work as it should: {fault}")),
    }
}

fn describe(report: &mut Report, probe: &Probe) {
    let kind = match probe.syscall {
        SyscallKind::Native => {
            "hardware virtualisation (VMX, SVM): guest kernel mode is native, SYSCALL enters it".to_string()
        }
        SyscallKind::Fault => {
            "no hardware virtualisation: guest kernel mode is emulated, SYSCALL arrives as a page fault. \
             Guests run, their kernels slowly; a host with VMX or SVM runs them at full speed"
                .to_string()
        }
    };
    report.add(Finding::good("kind", kind));
    let us = probe.round_trip_cycles as f64 / f64::from(probe.tsc_khz) * 1e3;
    report.add(Finding::good(
        "kernel entry",
        format!("{} cycles = {us:.1} µs from user mode to kernel mode and back", probe.round_trip_cycles),
    ));
    report.add(Finding::good("tsc frequency", format!("{} kHz", probe.tsc_khz)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(has: impl Fn(Cap) -> bool) -> Report {
        let mut report = Report::default();
        capabilities(&mut report, has);
        report
    }

    #[test]
    fn a_needed_capability_decides_and_a_wanted_one_does_not() {
        assert!(findings(|_| true).is_usable());
        let report = findings(|cap| cap != Cap::Irqfd);
        assert!(!report.is_usable() && report.to_string().contains("KVM_CAP_IRQFD"), "{report}");
        let report = findings(|cap| cap != Cap::TscDeadlineTimer);
        assert!(
            report.is_usable() && report.to_string().contains("TSC_DEADLINE_TIMER is missing"),
            "{report}"
        );
    }

    #[test]
    fn the_smaller_limit_of_vcpus_is_told() {
        let text = |most, recommended| vcpus(most, recommended).text;
        assert_eq!(
            text(1024, 2),
            "--cpus up to 64 (KVM would allow 1024); up to 2 run at the same time here"
        );
        assert!(text(8, 8).starts_with("--cpus up to 8 (as KVM allows)"));
    }

    #[test]
    fn a_guest_runs_though_it_cannot_be_debugged() {
        let mut report = Report::default();
        report.add(debugging(Err(debugging::Fault::Nothing("watchpoints"))));
        assert!(report.is_usable() && report.to_string().contains("watchpoints: nothing has happened"));
        assert!(debugging(Ok(())).text.contains("work"));
    }

    #[test]
    fn the_kinds_are_told_apart() {
        for (syscall, expected) in [(SyscallKind::Native, "is native"), (SyscallKind::Fault, "is emulated")] {
            let mut report = Report::default();
            describe(&mut report, &Probe { syscall, round_trip_cycles: 2600, tsc_khz: 2_600_000 });
            let text = report.to_string();
            assert!(text.contains(expected) && text.contains("= 1.0 µs"), "{text}");
        }
    }
}
