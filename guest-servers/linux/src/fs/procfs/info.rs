//! What `/proc` has to know of processes and of the system.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use crate::fs::dentry::Dentry;
use crate::fs::fd_table::FdTable;

/// What a process looks like from outside, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessInfo {
    pub pid: u32,
    /// Number of the thread that state and blocked signals are those of; the first one's is the process's.
    pub thread: u32,
    pub parent: u32,
    pub group: u32,
    pub session: u32,
    /// Number of its controlling terminal (`st_rdev`) and that terminal's foreground group, if it has one.
    pub terminal: Option<(u64, u32)>,
    /// Up to 15 bytes.
    pub name: Vec<u8>,
    pub state: State,
    pub threads: u32,
    /// Real, effective, saved, file system.
    pub uids: [u32; 4],
    pub gids: [u32; 4],
    pub groups: Vec<u32>,
    pub umask: u32,
    /// Time it has run, in ns: in user mode, in calls, and its children that were waited for likewise.
    pub user_ns: u64,
    pub system_ns: u64,
    pub children_user_ns: u64,
    pub children_system_ns: u64,
    /// Monotonic time of its start.
    pub start_ns: u64,
    /// Bytes of address space, and of frames in it.
    pub virtual_bytes: u64,
    pub resident_bytes: u64,
    pub nice: i32,
    /// Signal masks: bit n − 1 for signal n.
    pub pending: u64,
    pub blocked: u64,
    pub ignored: u64,
    pub caught: u64,
}

/// What a process does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum State {
    #[default]
    Running,
    Sleeping,
    Stopped,
    Zombie,
}

impl State {
    pub const fn letter(self) -> char {
        match self {
            Self::Running => 'R',
            Self::Sleeping => 'S',
            Self::Stopped => 'T',
            Self::Zombie => 'Z',
        }
    }
    pub const fn description(self) -> &'static str {
        match self {
            Self::Running => "R (running)",
            Self::Sleeping => "S (sleeping)",
            Self::Stopped => "T (stopped)",
            Self::Zombie => "Z (zombie)",
        }
    }
}

/// The system as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemInfo {
    /// Since the start, in ns; and how much of that nothing ran.
    pub uptime_ns: u64,
    pub idle_ns: u64,
    /// Seconds since 1970 at the start.
    pub boot_seconds: u64,
    /// Processes that were ever made, and that exist and are running.
    pub processes_made: u64,
    pub processes: u32,
    pub running: u32,
    pub last_pid: u32,
    pub context_switches: u64,
    /// Bytes of the disk, if there is one.
    pub disk: Option<u64>,
    /// As `uname` tells them.
    pub release: String,
    pub version: String,
    /// Name of the processor, and its frequency.
    pub cpu_model: String,
    pub cpu_khz: u64,
}

/// Implemented by whoever has the processes. All of it may be asked at any time, for any number.
pub trait ProcInfo {
    /// All process numbers, in ascending order.
    fn pids(&self) -> Vec<u32>;
    fn process(&self, pid: u32) -> Option<ProcessInfo>;
    /// Numbers of its threads, in ascending order; empty for a zombie.
    fn threads(&self, pid: u32) -> Vec<u32>;
    /// The process, and one of its threads.
    fn thread(&self, pid: u32, thread: u32) -> Option<ProcessInfo>;
    fn system(&self) -> SystemInfo;
    /// NUL-terminated arguments; empty for a zombie.
    fn command_line(&self, pid: u32) -> Option<Vec<u8>>;
    /// NUL-terminated environment.
    fn environment(&self, pid: u32) -> Option<Vec<u8>>;
    /// As it was on the program's stack (`/proc/PID/auxv`).
    fn auxiliary_vector(&self, pid: u32) -> Option<Vec<u8>>;
    /// The text of `/proc/PID/maps`.
    fn maps(&self, pid: u32) -> Option<String>;
    /// The program file.
    fn program(&self, pid: u32) -> Option<Rc<Dentry>>;
    fn cwd(&self, pid: u32) -> Option<Rc<Dentry>>;
    fn root(&self, pid: u32) -> Option<Rc<Dentry>>;
    fn files(&self, pid: u32) -> Option<Rc<FdTable>>;
}
