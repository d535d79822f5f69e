//! Signals that have been sent and not been delivered.

use super::info::SigInfo;
use super::set::SigSet;
use crate::errno::Errno;
use alloc::vec::Vec;

/// Most queued real-time signals (RLIMIT_SIGPENDING of a small machine).
const QUEUE_LIMIT: usize = 1024;

/// A set of pending signals. An ordinary signal is there once, however often it was sent; real-time signals queue.
#[derive(Default)]
pub struct PendingSignals {
    set: SigSet,
    /// In the order in which they came. Mostly there is one.
    infos: Vec<SigInfo>,
}

impl PendingSignals {
    pub fn set(&self) -> SigSet {
        self.set
    }

    /// Adds a signal. EAGAIN if the queue of real-time signals is full.
    pub fn push(&mut self, info: SigInfo) -> Result<(), Errno> {
        if !info.signal.is_realtime() && self.set.contains(info.signal) {
            return Ok(());
        }
        if info.signal.is_realtime() && self.infos.len() >= QUEUE_LIMIT {
            return Err(Errno::EAGAIN);
        }
        self.infos.push(info);
        self.set = self.set.union(SigSet::one(info.signal));
        Ok(())
    }

    /// Takes the first signal that is in `wanted`.
    pub fn take(&mut self, wanted: SigSet) -> Option<SigInfo> {
        let signal = self.set.intersection(wanted).first()?;
        let at = self.infos.iter().position(|i| i.signal == signal)?;
        let info = self.infos.remove(at);
        // An ordinary one is there once.
        if !signal.is_realtime() || !self.infos.iter().any(|i| i.signal == signal) {
            self.set = self.set.without(SigSet::one(signal));
        }
        Some(info)
    }

    /// Forgets these signals.
    pub fn discard(&mut self, signals: SigSet) {
        self.infos.retain(|i| !signals.contains(i.signal));
        self.set = self.set.without(signals);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::set::Signal;

    const RT: fn() -> Signal = || Signal::new(40).unwrap();
    const ALL: SigSet = SigSet(u64::MAX);

    #[test]
    fn ordinary_signals_merge_and_realtime_ones_queue() {
        let mut p = PendingSignals::default();
        for pid in 0..3 {
            p.push(SigInfo::user(Signal::SIGTERM, pid, 0)).unwrap();
            p.push(SigInfo::user(RT(), pid, 0)).unwrap();
        }
        assert_eq!(p.take(ALL), Some(SigInfo::user(Signal::SIGTERM, 0, 0)));
        for pid in 0..3 {
            assert_eq!(p.take(ALL), Some(SigInfo::user(RT(), pid, 0)));
        }
        assert_eq!(p.take(ALL), None);
        assert!(p.set().is_empty());
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut p = PendingSignals::default();
        for _ in 0..QUEUE_LIMIT {
            p.push(SigInfo::kernel(RT())).unwrap();
        }
        assert_eq!(p.push(SigInfo::kernel(RT())), Err(Errno::EAGAIN));
        assert_eq!(p.push(SigInfo::kernel(Signal::SIGTERM)), Ok(()), "ordinary signals always fit");
        p.discard(SigSet::one(RT()));
        assert_eq!(p.set(), SigSet::one(Signal::SIGTERM));
    }

    #[test]
    fn only_wanted_signals_are_taken() {
        let mut p = PendingSignals::default();
        p.push(SigInfo::kernel(Signal::SIGINT)).unwrap();
        assert_eq!(p.take(ALL.without(SigSet::one(Signal::SIGINT))), None);
        assert!(p.take(SigSet::one(Signal::SIGINT)).is_some());
    }
}
