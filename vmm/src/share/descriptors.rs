//! How many files guests may hold.
//!
//! A Linux guest holds every file whose name it remembers, so a folder that is gone through takes as many as it has entries. Each is a file
//! descriptor of ours, and a second one while it is open. The usual limit of 1024 is there for programs that use `select`; we do not, and
//! are allowed more.

use p9fs::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the rest of `ukvmm` needs (disks, vCPUs, connections), or half of what there is if that is less.
const REST: u64 = 4096;
/// As many as one guest gets at most, and at least (they may then run out).
const MOST: u64 = 1 << 16;
const LEAST: u64 = 64;

/// Raises the limit of descriptors as far as that is allowed, and says what each of `shares` may have.
pub fn limits(shares: usize) -> Limits {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(u64::MAX).min(REST + 2 * MOST * shares as u64);
    let current = current.unwrap_or(u64::MAX);
    let limit = if shares == 0 || wanted <= current {
        current
    } else {
        match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
            Ok(()) => wanted,
            Err(error) => {
                tracing::debug!(%error, "the limit of open files stays at {current}");
                current
            }
        }
    };
    let each = fids(limit, shares);
    tracing::debug!("the guest may hold {each} files of each share");
    Limits { fids: each }
}

/// Files that each of `shares` may have, of `limit` descriptors.
fn fids(limit: u64, shares: usize) -> usize {
    let each = (limit - REST.min(limit / 2)) / 2 / (shares as u64).max(1);
    // At most `MOST`.
    each.clamp(LEAST, MOST) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_divide_what_there_is() {
        assert_eq!(fids(1024, 1), 256);
        assert_eq!(fids(12_288, 2), 2048);
        assert_eq!(fids(100, 1), 64);
        assert_eq!(fids(1 << 20, 4), 65_536);
        assert_eq!(fids(u64::MAX, 0), 65_536);
    }

    #[test]
    fn the_limit_is_raised_and_stays() {
        let first = limits(1);
        assert!(first.fids >= 64);
        assert_eq!(limits(1), first);
    }
}
