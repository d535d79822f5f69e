//! How often a vCPU has left the guest, and why: for whoever wonders where the time goes.

use kvm_ioctls::VcpuExit;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

#[derive(Clone, Copy)]
enum Reason {
    PortWrite,
    PortRead,
    MemoryWrite,
    MemoryRead,
    Debug,
    Interrupted,
    Shutdown,
    Other,
}

/// In the order of [`Reason`].
const NAMES: [&str; 8] =
    ["port write", "port read", "memory write", "memory read", "debug", "interrupted", "shutdown", "other"];

/// Counts by reason. Only the vCPU's thread counts; anybody may look.
#[derive(Default)]
pub struct Exits {
    counts: [AtomicU64; NAMES.len()],
    /// The reason of the last one, as its place in [`NAMES`], counted from 1.
    last: AtomicU8,
}

impl Exits {
    pub fn count(&self, exit: &VcpuExit<'_>) {
        self.add(match exit {
            VcpuExit::IoOut(..) => Reason::PortWrite,
            VcpuExit::IoIn(..) => Reason::PortRead,
            VcpuExit::MmioWrite(..) => Reason::MemoryWrite,
            VcpuExit::MmioRead(..) => Reason::MemoryRead,
            VcpuExit::Debug(_) => Reason::Debug,
            VcpuExit::Intr | VcpuExit::IrqWindowOpen => Reason::Interrupted,
            VcpuExit::Shutdown => Reason::Shutdown,
            _ => Reason::Other,
        });
    }

    /// KVM_RUN has ended with an error, which a signal is to it.
    pub fn count_interrupted(&self) {
        self.add(Reason::Interrupted);
    }

    fn add(&self, reason: Reason) {
        // Nobody else writes: an addition need not be atomic.
        let count = &self.counts[reason as usize];
        count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
        self.last.store(reason as u8 + 1, Relaxed);
    }

    /// Why it has left last, if it has.
    pub fn last(&self) -> Option<&'static str> {
        NAMES.get(usize::from(self.last.load(Relaxed)).checked_sub(1)?).copied()
    }

    /// The reasons that there were, and how often.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let counts = NAMES.into_iter().zip(self.counts.iter().map(|count| count.load(Relaxed)));
        counts.filter(|(_, count)| *count != 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_counted_by_their_reasons() {
        let exits = Exits::default();
        assert!(exits.counts().is_empty() && exits.last().is_none());
        exits.count(&VcpuExit::IoOut(0xf4, &[0]));
        exits.count(&VcpuExit::IoOut(0xe9, &[0]));
        exits.count(&VcpuExit::Hlt);
        exits.count(&VcpuExit::Intr);
        exits.count_interrupted();
        assert_eq!(exits.counts(), [("port write", 2), ("interrupted", 2), ("other", 1)]);
        assert_eq!(exits.last(), Some("interrupted"));
    }
}
