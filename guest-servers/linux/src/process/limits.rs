//! Resource limits (getrlimit(2)).

use linux_raw_sys::general as raw;

pub const INFINITY: u64 = u64::MAX;
const COUNT: usize = raw::RLIM_NLIMITS as usize;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    pub soft: u64,
    pub hard: u64,
}

/// All limits of a process. Stack size, number of open files, file size and address space are enforced.
#[derive(Clone, Debug)]
pub struct Limits([Limit; COUNT]);

impl Default for Limits {
    fn default() -> Self {
        let mut all = [Limit { soft: INFINITY, hard: INFINITY }; COUNT];
        all[raw::RLIMIT_STACK as usize].soft = 8 << 20;
        all[raw::RLIMIT_CORE as usize].soft = 0;
        all[raw::RLIMIT_NOFILE as usize] = Limit { soft: 1024, hard: 4096 };
        all[raw::RLIMIT_SIGPENDING as usize] = Limit { soft: 1024, hard: 1024 };
        all[raw::RLIMIT_MSGQUEUE as usize] = Limit { soft: 819_200, hard: 819_200 };
        all[raw::RLIMIT_NICE as usize] = Limit { soft: 0, hard: 0 };
        all[raw::RLIMIT_RTPRIO as usize] = Limit { soft: 0, hard: 0 };
        all[raw::RLIMIT_MEMLOCK as usize] = Limit { soft: 8 << 20, hard: 8 << 20 };
        Self(all)
    }
}

impl Limits {
    /// The limit of a resource that exists.
    pub fn get(&self, resource: u32) -> Option<Limit> {
        self.0.get(resource as usize).copied()
    }
    /// Returns whether there is such a resource.
    pub fn set(&mut self, resource: u32, limit: Limit) -> bool {
        match self.0.get_mut(resource as usize) {
            Some(slot) => {
                *slot = limit;
                true
            }
            None => false,
        }
    }
    /// The soft limit on open files.
    pub fn open_files(&self) -> u64 {
        self.0[raw::RLIMIT_NOFILE as usize].soft
    }
    /// The soft limit on the size of a file.
    pub fn file_size(&self) -> u64 {
        self.0[raw::RLIMIT_FSIZE as usize].soft
    }
    /// The soft limit on the size of the stack.
    pub fn stack(&self) -> u64 {
        self.0[raw::RLIMIT_STACK as usize].soft
    }
}
