//! The figures of one window. `docs/profile.md` describes them for those who read the lines: names stay as they are, and whoever reads leaves out what it does not know.

use crate::file::{Header, KernelMode, Ticks};
use serde::{Deserialize, Serialize};

/// A window: what a machine has done from one moment to another. Counts are of the window, not of a second.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Window {
    pub machine: Machine,
    /// From 0 on: who misses one sees that.
    pub number: u64,
    /// From the machine's start to the window's end.
    pub uptime_ticks: u64,
    pub length_ticks: u64,
    pub records: u64,
    /// Those that are missing, because a ring was full or `ukvmm` did not keep up.
    pub dropped_records: u64,
    /// For which nothing is certain, since records are missing.
    pub gap_ticks: u64,
    /// That all records together have cost, on all CPUs.
    pub measuring_ticks: u64,
    pub cpus: Vec<Cpu>,
    pub vm_exits: Vec<VmExit>,
    /// Those that used most CPU first.
    pub threads: Vec<Thread>,
    /// Threads that are not listed, since there are too many.
    pub other_threads: u64,
    /// Those that call most often first.
    pub ipc: Vec<Pair>,
    pub system_calls: Vec<Request>,
    /// Page faults and exceptions.
    pub faults: Vec<Request>,
}

/// The machine, as far as it does not change.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Of `ukvmm`.
    pub pid: u32,
    pub version: String,
    /// Its arguments.
    pub command: Vec<String>,
    pub kernel: String,
    /// Whether the kernel records, or only the host.
    pub records: bool,
    pub kernel_mode: KernelMode,
    pub cpus: u16,
    pub tsc_khz: u64,
    /// What a tick is.
    pub ticks: Ticks,
    pub started_unix_ns: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cpu {
    pub cpu: u16,
    pub user_ticks: u64,
    pub kernel_ticks: u64,
    pub idle_ticks: u64,
    /// Of these, with the host.
    pub host_ticks: u64,
}

/// Exits to `ukvmm` for one reason.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VmExit {
    pub reason: String,
    pub count: u64,
    pub host_ticks: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Thread {
    pub name: String,
    pub task: u16,
    /// Number in the task.
    pub thread: u16,
    /// At the window's end, in a word or two.
    pub state: Option<String>,
    pub user_ticks: u64,
    /// From its way into the kernel to anybody's way out.
    pub kernel_ticks: u64,
    /// How often it has asked the kernel for an IPC.
    pub ipc_count: u64,
    pub page_fault_count: u64,
    pub system_call_count: u64,
}

/// Calls of one thread to another which were answered: IPC, and what the kernel sends for a program that makes a system call or touches a page.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Pair {
    pub client: String,
    pub server: String,
    pub count: u64,
    /// Without the cost of measuring, as everywhere below.
    pub sum_ticks: u64,
    pub max_ticks: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Request {
    pub name: String,
    pub count: u64,
    pub sum_ticks: u64,
    pub p50_ticks: u64,
    pub p90_ticks: u64,
    pub p99_ticks: u64,
    pub max_ticks: u64,
    /// What was taken off the sum.
    pub measuring_ticks: u64,
}

impl Machine {
    /// Of a process whose profile would have this header.
    pub fn of(header: &Header, pid: u32, ticks: Ticks) -> Self {
        Self {
            pid,
            version: header.ukvmm.clone(),
            command: header.command.clone(),
            kernel: header.kernel.path.clone(),
            records: header.records,
            kernel_mode: header.kernel_mode,
            cpus: header.cpus,
            tsc_khz: header.tsc_khz,
            ticks,
            started_unix_ns: header.started_ns,
        }
    }
}
