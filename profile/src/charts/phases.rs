//! The colours of phases.

use crate::phase::Phase;

/// The name of the page's variable.
pub const fn colour(phase: Phase) -> &'static str {
    match phase {
        Phase::Entry => "entry",
        Phase::Library => "library",
        Phase::IpcOut => "ipc-out",
        Phase::Dispatch => "dispatch",
        Phase::Server => "server",
        Phase::Driver => "driver-ipc",
        Phase::Waiting => "waiting",
        Phase::Reply => "reply",
        Phase::Exit => "exit",
        Phase::Host => "host",
        Phase::Kernel => "kernel-phase",
        Phase::Undivided => "undivided",
    }
}
