//! User and group numbers. Everything runs as root unless it asks not to.

use alloc::vec::Vec;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Credentials {
    pub uid: u32,
    pub euid: u32,
    pub suid: u32,
    pub gid: u32,
    pub egid: u32,
    pub sgid: u32,
    pub groups: Vec<u32>,
}

impl Credentials {
    pub fn is_root(&self) -> bool {
        self.euid == 0
    }
    /// What accesses to files are checked with.
    pub fn for_files(&self) -> crate::fs::Credentials {
        crate::fs::Credentials { uid: self.euid, gid: self.egid, groups: self.groups.clone() }
    }
    /// Whether a process with these may send signals to one with `other` (kill(2)).
    pub fn may_signal(&self, other: &Self) -> bool {
        self.is_root() || [self.euid, self.uid].iter().any(|id| *id == other.uid || *id == other.suid)
    }
}
