//! What a process has arranged for a signal: `struct kernel_sigaction`.

use super::set::{SigSet, Signal};
use crate::bytes::{put_u64, u64_at};
use linux_raw_sys::general as raw;

pub const SA_NOCLDSTOP: u64 = raw::SA_NOCLDSTOP as u64;
pub const SA_NOCLDWAIT: u64 = raw::SA_NOCLDWAIT as u64;
pub const SA_SIGINFO: u64 = raw::SA_SIGINFO as u64;
pub const SA_ONSTACK: u64 = raw::SA_ONSTACK as u64;
pub const SA_RESTART: u64 = raw::SA_RESTART as u64;
pub const SA_NODEFER: u64 = raw::SA_NODEFER as u64;
pub const SA_RESETHAND: u64 = raw::SA_RESETHAND as u64;
pub const SA_RESTORER: u64 = 0x0400_0000;

const SIG_DFL: u64 = 0;
const SIG_IGN: u64 = 1;

/// Size of the structure in user memory: handler, flags, restorer, mask.
pub const SIGACTION_SIZE: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SigAction {
    pub handler: u64,
    pub flags: u64,
    pub restorer: u64,
    pub mask: SigSet,
}

impl SigAction {
    pub const DEFAULT: Self = Self { handler: SIG_DFL, flags: 0, restorer: 0, mask: SigSet::EMPTY };

    pub fn from_bytes(b: &[u8; SIGACTION_SIZE]) -> Self {
        Self {
            handler: u64_at(b, 0),
            flags: u64_at(b, 8),
            restorer: u64_at(b, 16),
            mask: SigSet(u64_at(b, 24)).without(Signal::UNBLOCKABLE),
        }
    }
    pub fn to_bytes(self) -> [u8; SIGACTION_SIZE] {
        let mut b = [0; SIGACTION_SIZE];
        put_u64(&mut b, 0, self.handler);
        put_u64(&mut b, 8, self.flags);
        put_u64(&mut b, 16, self.restorer);
        put_u64(&mut b, 24, self.mask.0);
        b
    }
    pub fn is_default(&self) -> bool {
        self.handler == SIG_DFL
    }
    pub fn is_ignore(&self) -> bool {
        self.handler == SIG_IGN
    }
    pub fn is_handler(&self) -> bool {
        self.handler > SIG_IGN
    }
    pub fn has(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }
}

/// The arrangements for all signals.
#[derive(Clone)]
pub struct Actions([SigAction; Signal::MAX as usize]);

impl Default for Actions {
    fn default() -> Self {
        Self([SigAction::DEFAULT; Signal::MAX as usize])
    }
}

impl Actions {
    pub fn get(&self, signal: Signal) -> SigAction {
        self.0[signal.index()]
    }
    pub fn set(&mut self, signal: Signal, action: SigAction) {
        self.0[signal.index()] = action;
    }
    /// As after execve(2): what was caught has its default action, what was ignored stays ignored.
    pub fn reset_handlers(&mut self) {
        for action in &mut self.0 {
            let ignore = action.is_ignore();
            *action = SigAction { handler: if ignore { SIG_IGN } else { SIG_DFL }, ..SigAction::DEFAULT };
        }
    }
    /// Whether sending the signal has no effect at all.
    pub fn ignores(&self, signal: Signal) -> bool {
        let action = self.get(signal);
        action.is_ignore()
            || action.is_default() && signal.default_action() == super::set::DefaultAction::Ignore
    }
    /// Signals that are ignored by request, and those that have a handler (`/proc/PID/status`).
    pub fn ignored_and_caught(&self) -> (SigSet, SigSet) {
        let (mut ignored, mut caught) = (0, 0);
        for (i, action) in self.0.iter().enumerate() {
            ignored |= (action.is_ignore() as u64) << i;
            caught |= (action.is_handler() as u64) << i;
        }
        (SigSet(ignored), SigSet(caught))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kill_and_stop_cannot_be_masked() {
        let all = SigAction { handler: 0x1000, flags: SA_SIGINFO, restorer: 0x2000, mask: SigSet(u64::MAX) };
        let read = SigAction::from_bytes(&all.to_bytes());
        assert_eq!(read.mask, SigSet(u64::MAX).without(Signal::UNBLOCKABLE));
        assert_eq!((read.handler, read.restorer), (0x1000, 0x2000));
    }

    #[test]
    fn exec_keeps_only_ignored() {
        let mut actions = Actions::default();
        actions.set(Signal::SIGINT, SigAction { handler: SIG_IGN, ..SigAction::DEFAULT });
        actions.set(Signal::SIGTERM, SigAction { handler: 0x1000, flags: SA_RESTART, ..SigAction::DEFAULT });
        actions.reset_handlers();
        assert!(actions.ignores(Signal::SIGINT));
        assert_eq!(actions.get(Signal::SIGTERM), SigAction::DEFAULT);
        assert!(actions.ignores(Signal::SIGCHLD) && !actions.ignores(Signal::SIGTERM));
    }
}
