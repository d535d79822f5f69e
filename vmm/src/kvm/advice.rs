//! What to do where there is no usable KVM.
//!
//! The one place that says so: errors end with it, and so `ukvmm doctor` has it too. It depends on what kind of machine this is, since
//! who reads "enable it in the firmware" in a container has been told nothing.

use super::host::{Extension, Host, Owner};
use std::fmt;

/// What works without any KVM.
pub const INSTEAD: &str = "or do without KVM: --accel lab runs the same in the lab, where the CPU is emulated, slow, and no \
                           measure of anything";

/// For machines whose users may all use KVM, such as those of CI services.
const UDEV_RULE: &str = r#"echo 'KERNEL=="kvm", GROUP="kvm", MODE="0666", OPTIONS+="static_node=kvm"' | sudo tee /etc/udev/rules.d/99-kvm.rules && sudo udevadm control --reload-rules && sudo udevadm trigger --name-match=kvm"#;

/// Things to try, the most likely first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advice(Vec<String>);

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.0.iter().map(String::as_str).chain([INSTEAD]);
        lines.into_iter().try_for_each(|line| write!(f, "\n  - {line}"))
    }
}

impl Advice {
    /// There is no device.
    pub fn absent(host: &Host) -> Self {
        let mut lines = Vec::new();
        if host.is_container {
            lines.push(
                "this is a container: start it with --device /dev/kvm (docker, podman), if its host has that"
                    .into(),
            );
        }
        match (host.extension, host.has_module) {
            (Some(_), true) => lines.push(
                "KVM's module is loaded: the device is missing; mknod /dev/kvm c 10 232, or look at what keeps udev from it".into(),
            ),
            (Some(extension), false) => lines.push(format!(
                "the CPU has {}: load KVM's module, sudo modprobe {} (dmesg says why, if it refuses)",
                extension.name(),
                extension.module()
            )),
            (None, _) => lines.push(host.without_extension()),
        }
        Self(lines)
    }

    /// We may not open the device, of which this is the owner.
    pub fn permission(host: &Host, owner: Option<&Owner>) -> Self {
        let mut lines = Vec::new();
        match owner {
            Some(Owner { group, group_may: true, is_member: true }) => lines.push(format!(
                "you are in the group {group}, but were not when this session began: log in again, or run newgrp {group}"
            )),
            Some(Owner { group, group_may: true, is_member: false }) => lines.push(format!(
                "join the group {group}: sudo usermod -aG {group} $USER; then log in again, or run newgrp {group}"
            )),
            _ => {}
        }
        if host.is_container {
            lines.push(
                "this is a container: start it with --device /dev/kvm --group-add and the group's id".into(),
            );
        }
        // The last resort of a person, but a CI service's job cannot log in again.
        let rule = format!("let every user of this machine use it: {UDEV_RULE}");
        lines.insert(if host.is_ci { 0 } else { lines.len() }, rule);
        Self(lines)
    }

    /// The CPU's virtualisation is in use.
    pub fn busy(host: &Host) -> Self {
        let who = match host.others.as_slice() {
            [] => "another hypervisor (VirtualBox, VMware, …)".into(),
            others => others.join(" and "),
        };
        Self(vec![format!(
            "end the virtual machines of {who}: only one hypervisor at a time can have the CPU"
        )])
    }

    /// It lacks what a newer one has.
    pub fn old(host: &Host) -> Self {
        Self(vec![format!("run a newer Linux than this ({})", host.release)])
    }
}

impl Extension {
    fn name(self) -> &'static str {
        match self {
            Self::Vmx => "VMX",
            Self::Svm => "SVM",
        }
    }

    fn module(self) -> &'static str {
        match self {
            Self::Vmx => "kvm_intel",
            Self::Svm => "kvm_amd",
        }
    }
}

impl Host {
    /// The CPU does not show that it could have virtual machines.
    fn without_extension(&self) -> String {
        let (missing, module, firmware) = match self.maker {
            Some(Extension::Vmx) => ("no VMX", "kvm_intel", "Intel VT-x"),
            Some(Extension::Svm) => ("no SVM", "kvm_amd", "SVM or AMD-V"),
            None => ("neither VMX nor SVM", "kvm_intel or kvm_amd", "virtualisation"),
        };
        match self.is_guest {
            true => format!(
                "this is a virtual machine, and its CPU shows {missing}: turn on nested virtualisation in its host (for KVM: \
                 nested=1 of the host's {module} and a CPU model that passes it on, such as -cpu host), or rent a machine that has it"
            ),
            false => format!(
                "the CPU shows {missing}: enable it in the firmware (BIOS), where it is called {firmware}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absent(host: Host) -> String {
        Advice::absent(&host).to_string()
    }

    #[test]
    fn a_missing_device_has_a_reason_that_depends_on_the_machine() {
        let host = Host { extension: Some(Extension::Vmx), ..Host::default() };
        assert!(absent(host.clone()).contains("modprobe kvm_intel"), "{}", absent(host));
        let host = Host { extension: Some(Extension::Svm), ..Host::default() };
        assert!(absent(host).contains("modprobe kvm_amd"));
        let host = Host { maker: Some(Extension::Svm), ..Host::default() };
        assert!(absent(host).contains("BIOS"));
        let host = Host { maker: Some(Extension::Vmx), is_guest: true, ..Host::default() };
        let text = absent(host);
        assert!(text.contains("nested=1 of the host's kvm_intel") && !text.contains("BIOS"), "{text}");
        let host = Host { is_container: true, ..Host::default() };
        assert!(absent(host).starts_with("\n  - this is a container: start it with --device /dev/kvm"));
        let host = Host { extension: Some(Extension::Svm), has_module: true, ..Host::default() };
        assert!(!absent(host).contains("modprobe"));
    }

    #[test]
    fn who_has_joined_the_group_is_told_to_log_in_again() {
        let advise = |is_member, is_ci| {
            let owner = Owner { group: "kvm".into(), group_may: true, is_member };
            Advice::permission(&Host { is_ci, ..Host::default() }, Some(&owner)).to_string()
        };
        assert!(advise(false, false).starts_with("\n  - join the group kvm: sudo usermod -aG kvm $USER"));
        assert!(!advise(true, false).contains("usermod") && advise(true, false).contains("newgrp kvm"));
        assert!(advise(false, true).starts_with("\n  - let every user"), "a job cannot log in again");
        let nobody = Advice::permission(&Host::default(), None).to_string();
        assert!(nobody.contains("99-kvm.rules") && !nobody.contains("usermod"));
    }

    #[test]
    fn whoever_is_in_the_way_is_named() {
        let host = Host { others: vec!["VirtualBox"], ..Host::default() };
        assert!(Advice::busy(&host).to_string().contains("machines of VirtualBox: "));
        assert!(Advice::busy(&Host::default()).to_string().contains("another hypervisor"));
    }

    #[test]
    fn everything_ends_with_the_lab() {
        let host = Host { release: "2.6.32".into(), ..Host::default() };
        for advice in [Advice::absent(&host), Advice::busy(&host), Advice::old(&host)] {
            assert!(advice.to_string().ends_with(INSTEAD), "{advice}");
        }
        assert!(Advice::old(&host).to_string().contains("(2.6.32)"));
    }
}
