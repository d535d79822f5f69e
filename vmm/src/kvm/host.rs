//! What this machine says of itself, for advice on its KVM: the files of `/proc`, `/sys` and `/etc`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// By which instructions a CPU has virtual machines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extension {
    Vmx,
    Svm,
}

/// Who may open a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    pub group: String,
    /// The group may read and write.
    pub group_may: bool,
    /// The user has joined the group, as `/etc/group` has it.
    pub is_member: bool,
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Host {
    /// What the CPU shows.
    pub extension: Option<Extension>,
    /// Its maker is Intel, AMD or a licensee of it (Hygon); `None`: another one.
    pub maker: Option<Extension>,
    /// It is a virtual machine.
    pub is_guest: bool,
    pub is_container: bool,
    /// It works for a CI service.
    pub is_ci: bool,
    /// The module `kvm_intel` or `kvm_amd` is loaded.
    pub has_module: bool,
    /// Modules of other hypervisors that are loaded.
    pub others: Vec<&'static str>,
    /// Linux' version.
    pub release: String,
}

/// Hypervisors' modules, and whose they are.
pub const OTHERS: [(&str, &str); 2] = [("vboxdrv", "VirtualBox"), ("vmmon", "VMware")];

impl Host {
    pub fn look() -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        let module = |name: &str| Path::new("/sys/module").join(name).exists();
        let variable = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Self {
            is_container: ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists())
                || ["container", "KUBERNETES_SERVICE_HOST"].into_iter().any(variable),
            is_ci: variable("CI"),
            has_module: module("kvm_intel") || module("kvm_amd"),
            others: OTHERS.iter().filter(|(name, _)| module(name)).map(|&(_, whose)| whose).collect(),
            release: read("/proc/sys/kernel/osrelease").trim().into(),
            ..Self::of_cpu(&cpuinfo)
        }
    }

    /// What `/proc/cpuinfo` tells.
    fn of_cpu(cpuinfo: &str) -> Self {
        let maker = match field(cpuinfo, "vendor_id") {
            Some("GenuineIntel") => Some(Extension::Vmx),
            Some("AuthenticAMD" | "HygonGenuine") => Some(Extension::Svm),
            _ => None,
        };
        let extension = match (has_flag(cpuinfo, "vmx"), has_flag(cpuinfo, "svm")) {
            (true, _) => Some(Extension::Vmx),
            (_, true) => Some(Extension::Svm),
            _ => None,
        };
        Self { extension, maker, is_guest: has_flag(cpuinfo, "hypervisor"), ..Self::default() }
    }
}

/// Who may open `device`; `None` if that cannot be told.
pub fn owner(device: &str) -> Option<Owner> {
    let meta = fs::metadata(device).ok()?;
    let groups = read("/etc/group");
    let user = user_name(&read("/etc/passwd"), rustix::process::getuid().as_raw());
    let is_member = user.is_some_and(|user| has_member(&groups, meta.gid(), &user));
    let group = group_name(&groups, meta.gid()).unwrap_or_else(|| format!("with id {}", meta.gid()));
    Some(Owner { group, group_may: meta.mode() & 0o060 == 0o060, is_member })
}

/// Of `/etc/group` (group(5)): `name:password:id:members`.
pub fn group_name(groups: &str, id: u32) -> Option<String> {
    fields_of(groups, id).map(|fields| fields[0].into())
}

fn has_member(groups: &str, id: u32, user: &str) -> bool {
    let members = fields_of(groups, id).and_then(|fields| fields.get(3).copied());
    members.is_some_and(|members| members.split(',').any(|member| member == user))
}

/// Of `/etc/passwd` (passwd(5)): `name:password:id:…`.
fn user_name(users: &str, id: u32) -> Option<String> {
    fields_of(users, id).map(|fields| fields[0].into())
}

/// The line whose third field is `id`.
fn fields_of(text: &str, id: u32) -> Option<Vec<&str>> {
    let lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines.into_iter().find(|fields| fields.get(2).is_some_and(|field| field.parse() == Ok(id)))
}

/// Whether the first CPU has a flag.
pub fn has_flag(cpuinfo: &str, flag: &str) -> bool {
    field(cpuinfo, "flags").is_some_and(|flags| flags.split_whitespace().any(|f| f == flag))
}

/// What `/proc/cpuinfo` says of the first CPU: `name : value`.
pub fn field<'a>(cpuinfo: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_they_are_written() {
        let groups = "root:x:0:\nkvm:x:106:a,b\nbad\n";
        assert_eq!(group_name(groups, 106).as_deref(), Some("kvm"));
        assert_eq!(group_name(groups, 6), None);
        assert!(has_member(groups, 106, "b") && !has_member(groups, 106, "c"));
        assert_eq!(user_name("a:x:1:2:::\nb:x:7:8:::\n", 7).as_deref(), Some("b"));
        let cpuinfo = "processor\t: 0\nflags\t\t: fpu vmx constant_tsc\nflags\t\t: other\n";
        assert!(has_flag(cpuinfo, "vmx") && !has_flag(cpuinfo, "svm") && !has_flag(cpuinfo, "other"));
    }

    #[test]
    fn a_cpu_says_what_it_is() {
        let host = Host::of_cpu("vendor_id\t: AuthenticAMD\nflags\t\t: fpu hypervisor\nvmx flags\t: x\n");
        assert_eq!((host.maker, host.extension, host.is_guest), (Some(Extension::Svm), None, true));
        let host = Host::of_cpu("vendor_id\t: GenuineIntel\nflags\t\t: fpu vmx\n");
        assert_eq!((host.maker, host.extension), (Some(Extension::Vmx), Some(Extension::Vmx)));
        assert_eq!(Host::of_cpu(""), Host::default());
    }
}
