//! What has gone through a device's queues, for whoever wants to know how busy it is.
//!
//! The device counts while it is locked, so nobody counts at the same time; anybody may look without waiting for it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts, since the machine was made.
#[derive(Default, Debug)]
pub struct Traffic {
    requests: AtomicU64,
    from_driver: AtomicU64,
    to_driver: AtomicU64,
}

/// Them at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Requests that are done.
    pub requests: u64,
    /// Bytes of buffers that the driver wrote.
    pub from_driver: u64,
    /// Bytes that the device wrote into buffers.
    pub to_driver: u64,
    /// Interrupts that the device has raised.
    pub interrupts: u64,
}

impl Traffic {
    pub(super) fn taken(&self, bytes: u64) {
        add(&self.from_driver, bytes);
    }

    pub(super) fn done(&self, written: u32) {
        add(&self.requests, 1);
        add(&self.to_driver, written.into());
    }

    pub(super) fn counts(&self, interrupts: u64) -> Counts {
        Counts {
            requests: self.requests.load(Relaxed),
            from_driver: self.from_driver.load(Relaxed),
            to_driver: self.to_driver.load(Relaxed),
            interrupts,
        }
    }
}

fn add(count: &AtomicU64, more: u64) {
    count.store(count.load(Relaxed).wrapping_add(more), Relaxed);
}
