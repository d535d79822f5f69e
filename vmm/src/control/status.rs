//! How a machine is, as `GET /v1/status` says it.

use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Debug, Default)]
pub struct Status {
    pub state: State,
    pub uptime_seconds: f64,
    /// For how long it has been paused, all in all.
    pub paused_seconds: f64,
    pub pid: u32,
    /// Of `ukvmm`.
    pub version: String,
    /// As it was configured ([`crate::manifest::Machine`]).
    pub machine: serde_json::Value,
    /// Virtio devices, by their names in messages and figures.
    pub virtio: Vec<String>,
    pub vcpus: Vec<Vcpu>,
    /// Debuggers that are attached: one at most.
    pub debuggers: usize,
    /// Those who watch by `--live`.
    pub watchers: usize,
    pub console: Console,
    /// How it has ended, if it has.
    pub exit: Option<Exit>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    #[default]
    Starting,
    Running,
    /// It is to stand still, and a vCPU does not yet.
    Pausing,
    Paused,
    /// A debugger has stopped it, and nobody else.
    InDebugger,
    Ending,
}

#[derive(Clone, Serialize, Deserialize, Debug)]
pub struct Vcpu {
    pub id: usize,
    pub state: VcpuState,
    /// Why it has left the guest last.
    pub last_exit: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum VcpuState {
    Running,
    Paused,
    /// A debugger holds it.
    InDebugger,
    Ended,
}

#[derive(Clone, Serialize, Deserialize, Debug, Default)]
pub struct Console {
    /// Whether the guest takes input.
    pub claimed: bool,
    /// Whether it was told that there is no more.
    pub ended: bool,
    /// Bytes of input that there is room for.
    pub room: usize,
}

/// What `ukvmm` will end with.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    Status(u8),
    Signal(i32),
}
