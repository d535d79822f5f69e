//! The interrupt status and the interrupt line of a device.
//!
//! Atomic, and apart from everything else of a device: the driver reads and acknowledges the status at each interrupt, and must not
//! wait there for a device that is at work.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Bit of InterruptStatus: there is something in a used ring.
const USED: u32 = 1;
/// Bit of InterruptStatus: the configuration has changed, or the device needs a reset.
const CONFIG: u32 = 2;

/// An interrupt line, edge-triggered.
pub trait Line: Send + Sync {
    fn trigger(&self);
}

/// What the driver is told, and how.
pub struct Interrupt {
    status: AtomicU32,
    /// How often the line was triggered.
    raised: AtomicU64,
    line: Box<dyn Line>,
}

impl Interrupt {
    pub fn new(line: Box<dyn Line>) -> Self {
        Self { status: AtomicU32::new(0), raised: AtomicU64::new(0), line }
    }

    /// A used ring has something new.
    pub fn used(&self) {
        self.raise(USED);
    }

    /// The configuration has something new.
    pub fn config(&self) {
        self.raise(CONFIG);
    }

    fn raise(&self, bit: u32) {
        // An edge even if the bit was set: the driver may have read the status before, and acknowledge it after.
        self.status.fetch_or(bit, Ordering::SeqCst);
        self.raised.fetch_add(1, Ordering::Relaxed);
        self.line.trigger();
    }

    pub(super) fn raised(&self) -> u64 {
        self.raised.load(Ordering::Relaxed)
    }

    pub(super) fn status(&self) -> u32 {
        self.status.load(Ordering::SeqCst)
    }

    pub(super) fn acknowledge(&self, bits: u32) {
        self.status.fetch_and(!bits, Ordering::SeqCst);
    }
}
