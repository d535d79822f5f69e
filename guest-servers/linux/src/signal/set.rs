//! Signal numbers and sets of them.

use core::fmt;
use linux_raw_sys::general as raw;

/// A signal, 1–64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

macro_rules! signals {
    ($($name:ident)*) => {
        impl Signal {
            $(pub const $name: Self = Self(raw::$name as u8);)*
        }
        const NAMES: &[(Signal, &str)] = &[$((Signal::$name, stringify!($name))),*];
    };
}

signals! {
    SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM SIGTERM
    SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO
    SIGPWR SIGSYS
}

/// What happens to a signal that the process has made no arrangement for (signal(7)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DefaultAction {
    Terminate,
    Ignore,
    Stop,
    Continue,
}

impl Signal {
    pub const MAX: u8 = 64;
    /// The first real-time signal as the kernel counts them.
    pub const RT_MIN: u8 = 32;

    /// The signal with this number, if there is one. Zero is none.
    pub const fn new(number: u64) -> Option<Self> {
        if number >= 1 && number <= Self::MAX as u64 { Some(Self(number as u8)) } else { None }
    }
    pub const fn number(self) -> u8 {
        self.0
    }
    pub const fn is_realtime(self) -> bool {
        self.0 >= Self::RT_MIN
    }
    /// Index into arrays that have an entry a signal.
    pub const fn index(self) -> usize {
        self.0 as usize - 1
    }
    pub const fn default_action(self) -> DefaultAction {
        match self {
            Self::SIGCHLD | Self::SIGURG | Self::SIGWINCH => DefaultAction::Ignore,
            Self::SIGSTOP | Self::SIGTSTP | Self::SIGTTIN | Self::SIGTTOU => DefaultAction::Stop,
            Self::SIGCONT => DefaultAction::Continue,
            _ => DefaultAction::Terminate,
        }
    }
    /// Signals raised by what the thread itself did. They are delivered before others.
    pub const SYNCHRONOUS: SigSet =
        SigSet::of(&[Self::SIGSEGV, Self::SIGBUS, Self::SIGILL, Self::SIGTRAP, Self::SIGFPE, Self::SIGSYS]);
    pub const STOPS: SigSet = SigSet::of(&[Self::SIGSTOP, Self::SIGTSTP, Self::SIGTTIN, Self::SIGTTOU]);
    /// Those that cannot be caught, blocked or ignored.
    pub const UNBLOCKABLE: SigSet = SigSet::of(&[Self::SIGKILL, Self::SIGSTOP]);
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(s, _)| s == self) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "SIGRT_{}", self.0 - Self::RT_MIN),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A set of signals, as the kernel's `sigset_t`: bit n−1 is signal n.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct SigSet(pub u64);

impl SigSet {
    pub const EMPTY: Self = Self(0);

    pub const fn of(signals: &[Signal]) -> Self {
        let mut set = 0;
        let mut i = 0;
        while i < signals.len() {
            set |= 1 << signals[i].index();
            i += 1;
        }
        Self(set)
    }
    pub const fn one(signal: Signal) -> Self {
        Self(1 << signal.index())
    }
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 >> signal.index() & 1 != 0
    }
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// The member that is delivered first: synchronous signals, then by number.
    pub const fn first(self) -> Option<Signal> {
        let urgent = self.intersection(Signal::SYNCHRONOUS);
        let set = if urgent.is_empty() { self } else { urgent };
        if set.is_empty() { None } else { Some(Signal(set.0.trailing_zeros() as u8 + 1)) }
    }
    pub fn iter(self) -> impl Iterator<Item = Signal> {
        (1..=Signal::MAX).map(Signal).filter(move |s| self.contains(*s))
    }
}

impl fmt::Debug for SigSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names() {
        assert_eq!(Signal::new(0), None);
        assert_eq!(Signal::new(65), None);
        assert_eq!(Signal::new(u64::MAX), None);
        assert_eq!(Signal::new(11), Some(Signal::SIGSEGV));
        assert_eq!(Signal::SIGCHLD.to_string(), "SIGCHLD");
        assert_eq!(Signal::new(34).unwrap().to_string(), "SIGRT_2");
        assert_eq!(Signal::new(64).map(Signal::index), Some(63));
    }

    #[test]
    fn synchronous_signals_come_first() {
        let set = SigSet::of(&[Signal::SIGHUP, Signal::SIGSEGV, Signal::SIGTERM]);
        assert_eq!(set.first(), Some(Signal::SIGSEGV));
        assert_eq!(set.without(Signal::SYNCHRONOUS).first(), Some(Signal::SIGHUP));
        assert_eq!(SigSet::EMPTY.first(), None);
    }
}
