//! What a file says beside the records.

use super::Ring;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known when the guest starts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// Version of `ukvmm`.
    pub ukvmm: String,
    /// Nanoseconds since 1970.
    pub started_ns: u64,
    /// The arguments of `ukvmm`.
    pub command: Vec<String>,
    /// The guest's TSC, as KVM has it.
    pub tsc_khz: u64,
    pub cpus: u16,
    /// CPUs of the host that `ukvmm` may use; 0 if nobody knows.
    pub host_cpus: u16,
    /// Bytes of the guest's memory, without that of the rings.
    pub memory: u64,
    /// Whether the guest's kernel records, or only the host.
    pub records: bool,
    pub kernel_mode: KernelMode,
    pub kernel: Program,
    /// Servers of the set, by their names in it.
    pub servers: Vec<Program>,
}

/// How this KVM runs the guest's kernel mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KernelMode {
    /// By hardware (VMX, SVM).
    Native,
    /// Instruction by instruction: times in kernel mode are those of an emulator.
    Emulated,
    #[default]
    Unknown,
}

/// An ELF file that is part of the guest.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Program {
    pub name: String,
    /// Absolute, as far as could be told.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// In hex.
    pub sha256: String,
}

/// What tasks are called. Of a number that is used again, or a program that has become another, the last name that is not younger than a
/// record is the right one; for want of such a one, the first.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Names {
    /// The guest's TSC when they were read.
    pub tsc: u64,
    /// Of the tasks whose names have changed or are new: `linux`, `linux: sh[12]`.
    pub tasks: BTreeMap<u16, String>,
}

/// What is known when the guest has ended.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Trailer {
    /// Nanoseconds since 1970.
    pub ended_ns: u64,
    pub ending: Ending,
    /// Of every ring that was used.
    pub rings: Vec<RingEnd>,
    pub certificate: Certificate,
}

/// How the machine ended.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ending {
    /// Exit status of `ukvmm`, if it is none of a signal.
    pub status: Option<u8>,
    pub message: Option<String>,
}

/// What has become of the records of a ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RingEnd {
    pub ring: Ring,
    /// Those in the file.
    pub records: u64,
    /// For which there was no room.
    pub dropped: u64,
    /// Whose places were taken but not filled: their thread was stopped, or ended.
    pub incomplete: u64,
}

/// How far the times in the file can be trusted. Whatever could not be found out is [`None`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Certificate {
    /// What the TSC counts.
    pub ticks: Ticks,
    /// Whether the host's CPU says that its TSC runs at one rate (CPUID 8000_0007H, EDX bit 8).
    pub invariant: bool,
    /// The TSC's frequency during the run, by the host's clock.
    pub measured_khz: Option<f64>,
    /// Ticks that two readings of the TSC are apart on the host, as a rule.
    pub resolution: u64,
    pub alignment: Option<Alignment>,
    pub vcpus: Vec<Vcpu>,
    /// Nanoseconds for which the host was kept from its CPUs by a host of its own, all CPUs together.
    pub steal_ns: Option<u64>,
    /// Nanoseconds for which the thread of `ukvmm` that empties the rings had a CPU. Where there is but one CPU, the guest had none meanwhile.
    pub reader_ns: Option<u64>,
    /// Of a run of which samples were taken.
    pub sampling: Option<Sampling>,
}

/// How samples were taken, and what that has cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// Samples a second that were wanted of each vCPU.
    pub hz: u32,
    /// That were taken. Each is an exit of a vCPU.
    pub taken: u64,
    /// That were not, since the vCPU's thread, or the one that takes samples, had no time.
    pub missed: u64,
    /// Nanoseconds for which vCPUs were kept out of the guest for it, all together.
    pub stopped_ns: u64,
    /// How often the guest was held to find out what a Linux program is made of. The time is part of `stopped_ns`.
    pub asked: u64,
    /// Nanoseconds for which the thread that takes samples had a CPU.
    pub sampler_ns: Option<u64>,
}

/// What the TSC counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ticks {
    /// Time.
    #[default]
    Cycles,
    /// Instructions, of everything that runs on the machine: it is emulated, with QEMU's `-icount shift=0`.
    Instructions,
}

/// How the guest's clock and the host's lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Alignment {
    /// The guest's TSC minus the host's, modulo 2⁶⁴.
    pub offset: u64,
    /// Ticks by which that may be wrong, either way, for any vCPU and at any time of the run.
    pub error: u64,
    /// A moment in the guest's TSC and in nanoseconds since 1970.
    pub tsc: u64,
    pub realtime_ns: u64,
    /// Nanoseconds by which that may be wrong, either way.
    pub realtime_error_ns: u64,
}

/// What has happened to the thread of a vCPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Vcpu {
    /// How often it was found on another of the host's CPUs than before.
    pub migrations: u64,
    /// Nanoseconds for which it could have run, and had no CPU.
    pub run_delay_ns: Option<u64>,
    /// How often it was taken off its CPU.
    pub preemptions: Option<u64>,
}
