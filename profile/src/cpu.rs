//! What is known of each CPU.

use crate::point::Point;

/// CPUs that are followed: more than a guest has.
pub const CPUS: u16 = 64;

#[derive(Clone, Default)]
pub struct Cpu {
    pub mode: Mode,
    /// Since when.
    pub since: Point,
    /// Ticks that records have cost so far.
    pub counter: u64,
    /// Who has entered the kernel, and when, if nobody has left it since.
    pub entered: Option<(u64, u64)>,
    /// Who was sent a message by the fast path, if nobody has left the kernel since.
    pub delivered: Option<u64>,
    /// The vector of the interrupt that is being handled.
    pub interrupt: Option<(u8, Point)>,
    /// Ticks for which it was the host's so far.
    pub host: u64,
    /// It is the host's now.
    pub outside: Option<Outside>,
}

/// A CPU is outside of the guest.
#[derive(Clone, Copy, Debug)]
pub struct Outside {
    /// KVM's.
    pub reason: u32,
    /// Since when.
    pub since: u64,
    /// What [`Cpu::host`] was then.
    pub host: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    #[default]
    Unknown,
    User(u64),
    Kernel,
}

impl Cpu {
    /// Nothing is certain any more but what was counted.
    pub fn forget(&mut self) {
        *self = Self { counter: self.counter, host: self.host, ..Self::default() };
    }
}
