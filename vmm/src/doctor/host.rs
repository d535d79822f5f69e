//! What the host's files tell.

use super::report::Finding;
use std::fs;
use std::os::unix::fs::MetadataExt;

const THP: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// Who may open the device.
pub fn owner(device: &str) -> Option<String> {
    let meta = fs::metadata(device).ok()?;
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let group = group_name(&groups, meta.gid()).unwrap_or_else(|| format!("with id {}", meta.gid()));
    Some(format!("{device} has mode {:03o}, owner {}, group {group}", meta.mode() & 0o777, meta.uid()))
}

/// Of `/etc/group` (group(5)): `name:password:id:members`.
fn group_name(groups: &str, id: u32) -> Option<String> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.into())
    })
}

/// Why there may be no KVM.
pub fn virtualisation() -> Finding {
    let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    match ["vmx", "svm"].into_iter().find(|flag| has_flag(&flags, flag)) {
        Some("vmx") => Finding::note("cpu", "has VMX: modprobe kvm_intel".into()),
        Some(_) => Finding::note("cpu", "has SVM: modprobe kvm_amd".into()),
        None => Finding::note(
            "cpu",
            "shows neither VMX nor SVM: enable it in the firmware; in a virtual machine, have its host allow nested \
             virtualisation; or use the lab (cargo xtask lab), which needs no KVM"
                .into(),
        ),
    }
}

/// Whether the guest's memory can have huge pages.
pub fn huge_pages() -> Finding {
    let about = "huge pages";
    match fs::read_to_string(THP).ok().as_deref().map(thp_mode) {
        Some(Some(mode @ ("always" | "madvise"))) => {
            Finding::good(about, format!("transparent, mode {mode}"))
        }
        Some(_) => Finding::note(
            about,
            format!("off: guests start and run slower; sudo sh -c 'echo madvise > {THP}' turns them on"),
        ),
        None => Finding::note(
            about,
            "this kernel has none (CONFIG_TRANSPARENT_HUGEPAGE): guests run slower".into(),
        ),
    }
}

/// The word in brackets of `always [madvise] never`.
fn thp_mode(text: &str) -> Option<&str> {
    Some(text.split_once('[')?.1.split_once(']')?.0)
}

/// Whether the TSC is a clock.
pub fn tsc() -> Finding {
    let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    match has_flag(&flags, "constant_tsc") && has_flag(&flags, "nonstop_tsc") {
        true => Finding::good("tsc", "invariant: same speed always, never stops".into()),
        false => Finding::note("tsc", "not known to be invariant: the guest's clock may drift".into()),
    }
}

fn has_flag(cpuinfo: &str, flag: &str) -> bool {
    let flags = cpuinfo.lines().find_map(|line| line.strip_prefix("flags")?.split_once(':'));
    flags.is_some_and(|(_, flags)| flags.split_whitespace().any(|f| f == flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_they_are_written() {
        assert_eq!(thp_mode("always [madvise] never\n"), Some("madvise"));
        assert_eq!(thp_mode(""), None);
        assert_eq!(group_name("root:x:0:\nkvm:x:106:a,b\nbad\n", 106).as_deref(), Some("kvm"));
        assert_eq!(group_name("root:x:0:\n", 6), None);
        let cpuinfo = "processor\t: 0\nflags\t\t: fpu vmx constant_tsc\nflags\t\t: other\n";
        assert!(has_flag(cpuinfo, "vmx") && !has_flag(cpuinfo, "svm") && !has_flag(cpuinfo, "other"));
    }
}
