//! What is known of each CPU.

use crate::point::Point;

/// CPUs that are followed: more than a guest has.
pub const CPUS: u16 = 64;

#[derive(Clone, Default)]
pub struct Cpu {
    pub mode: Mode,
    /// Since when.
    pub since: u64,
    /// Ticks that records have cost so far.
    pub counter: u64,
    /// Who has entered the kernel, and when, if nobody has left it since.
    pub entered: Option<(u64, u64)>,
    /// Who was sent a message by the fast path, if nobody has left the kernel since.
    pub delivered: Option<u64>,
    /// The vector of the interrupt that is being handled.
    pub interrupt: Option<(u8, Point)>,
    /// KVM's reason to be outside of the guest, and since when.
    pub outside: Option<(u32, u64)>,
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
        *self = Self { counter: self.counter, ..Self::default() };
    }
}
