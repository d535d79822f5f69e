//! What of the jail works here.

use super::report::Finding;
use crate::jail::files::{self, Wall};
use landlock::LandlockStatus;
use std::io;
use std::thread;

/// What a kernel's filters can answer a call with, one word each (seccomp(2)).
const ACTIONS: &str = "/proc/sys/kernel/seccomp/actions_avail";

pub fn findings() -> [Finding; 2] {
    [seccomp(std::fs::read_to_string(ACTIONS)), landlock(try_landlock())]
}

fn seccomp(actions: io::Result<String>) -> Finding {
    match actions {
        Ok(actions) if actions.split_whitespace().any(|action| action == "trap") => {
            Finding::good("jail", "seccomp: a filter for each kind of thread".into())
        }
        Ok(_) | Err(_) => Finding::note(
            "jail",
            "this host's Linux has no seccomp filters (CONFIG_SECCOMP_FILTER): --no-sandbox runs without a jail".into(),
        ),
    }
}

/// Confines a thread to nothing, which ends then.
fn try_landlock() -> Option<LandlockStatus> {
    let confine = || files::confine(std::iter::empty(), Wall::Process).ok().map(|status| status.landlock);
    thread::spawn(confine).join().ok().flatten()
}

fn landlock(status: Option<LandlockStatus>) -> Finding {
    match status {
        Some(LandlockStatus::Available { effective_abi, .. }) => Finding::good(
            "jail",
            format!("Landlock ABI {effective_abi}; it lacks {}", files::lacks(effective_abi)),
        ),
        Some(absent) => Finding::note("jail", files::absence(&absent).into()),
        None => Finding::note("jail", "Landlock does not do what it should".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Verdict;
    use landlock::ABI;

    #[test]
    fn what_is_there_and_what_is_not() {
        assert_eq!(seccomp(Ok("kill_process trap allow\n".into())).verdict, Verdict::Good);
        assert_eq!(seccomp(Ok("kill_process\n".into())).verdict, Verdict::Note);
        assert_eq!(seccomp(Err(io::ErrorKind::NotFound.into())).verdict, Verdict::Note);
        let old = landlock(Some(LandlockStatus::Available { effective_abi: ABI::V3, kernel_abi: None }));
        assert!(old.verdict == Verdict::Good && old.text.contains("TCP ports"), "{}", old.text);
        assert!(landlock(Some(LandlockStatus::NotEnabled)).text.contains("lsm="));
        assert_eq!(landlock(None).verdict, Verdict::Note);
    }

    #[test]
    fn trying_confines_nobody_else() {
        assert!(try_landlock().is_some());
        assert!(std::fs::read("/proc/self/status").is_ok());
    }
}
