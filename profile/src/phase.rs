//! The parts that a request's time is divided into, in the order in which they come.
//!
//! A request is in exactly one phase at any time, so the phases add up to the whole, always. `docs/profile.md` says between which records each of them lies.

/// Number of phases.
pub const PHASES: usize = 12;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Phase {
    /// From the client's way into the kernel to the point at which its message is delivered (known on the fast path only).
    Entry,
    /// In user mode of the client itself, where a trampoline has taken the call.
    Library,
    /// … to the server's return from the kernel.
    IpcOut,
    /// … to the point at which the server knows what it is asked for.
    Dispatch,
    Server,
    /// The server waits for a driver.
    Driver,
    /// The server has put the request aside.
    Waiting,
    /// From the end of the server's work to the delivery of its answer.
    Reply,
    /// … to the client's return from the kernel.
    Exit,
    /// The CPU was not the guest's: `ukvmm` did something for it, or read its records.
    Host,
    /// The kernel alone, without any message.
    Kernel,
    /// What the records do not tell apart.
    Undivided,
}

impl Phase {
    pub const ALL: [Self; PHASES] = [
        Self::Entry,
        Self::Library,
        Self::IpcOut,
        Self::Dispatch,
        Self::Server,
        Self::Driver,
        Self::Waiting,
        Self::Reply,
        Self::Exit,
        Self::Host,
        Self::Kernel,
        Self::Undivided,
    ];

    /// As it is called in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Library => "library",
            Self::IpcOut => "IPC out",
            Self::Dispatch => "dispatch",
            Self::Server => "server",
            Self::Driver => "driver IPC",
            Self::Waiting => "waiting",
            Self::Reply => "reply",
            Self::Exit => "exit",
            Self::Host => "host",
            Self::Kernel => "kernel",
            Self::Undivided => "undivided",
        }
    }

    /// As it is called where there is room for six letters.
    pub const fn short(self) -> &'static str {
        match self {
            Self::Library => "lib",
            Self::IpcOut => "IPC",
            Self::Dispatch => "disp",
            Self::Driver => "driver",
            Self::Waiting => "wait",
            Self::Undivided => "other",
            phase => phase.name(),
        }
    }
}

/// Ticks, by phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Phases([u64; PHASES]);

impl Phases {
    pub const fn get(&self, phase: Phase) -> u64 {
        self.0[phase as usize]
    }
    pub fn add(&mut self, phase: Phase, ticks: u64) {
        let sum = &mut self.0[phase as usize];
        *sum = sum.saturating_add(ticks);
    }
    pub fn add_all(&mut self, other: &Self) {
        Phase::ALL.into_iter().for_each(|phase| self.add(phase, other.get(phase)));
    }
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, ticks| sum.saturating_add(*ticks))
    }
    /// Each phase less what `other` has of it, and nothing less than 0.
    #[must_use]
    pub fn less(&self, other: &Self) -> Self {
        let mut rest = *self;
        for (ticks, off) in rest.0.iter_mut().zip(other.0) {
            *ticks = ticks.saturating_sub(off);
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_the_order_of_the_numbers() {
        for (n, phase) in Phase::ALL.into_iter().enumerate() {
            assert_eq!(phase as usize, n);
        }
    }

    #[test]
    fn sums_and_differences_end_at_their_borders() {
        let mut phases = Phases::default();
        phases.add(Phase::Server, u64::MAX);
        phases.add(Phase::Server, 5);
        phases.add(Phase::Exit, 1);
        assert_eq!(phases.total(), u64::MAX);
        let mut cost = Phases::default();
        cost.add(Phase::Exit, 3);
        cost.add(Phase::Server, u64::MAX - 10);
        assert_eq!(phases.less(&cost).total(), 10);
    }
}
