//! What the host's files tell.

use super::report::Finding;
use crate::kvm::host::{group_name, has_flag};
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_they_are_written() {
        assert_eq!(thp_mode("always [madvise] never\n"), Some("madvise"));
        assert_eq!(thp_mode(""), None);
    }
}
