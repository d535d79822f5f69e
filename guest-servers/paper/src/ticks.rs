//! Readings of the time stamp counter, taken as the suite of Linux programs takes them.

use crate::memory::Shared;
use core::arch::asm;
use core::sync::atomic::Ordering::Relaxed;

/// A reading that is made neither early nor late.
#[inline(always)]
pub fn now() -> u64 {
    let (low, high): (u64, u64);
    // SAFETY: RDTSC is in every x86-64, the kernel leaves CR4.TSD clear, and no memory is touched.
    unsafe {
        asm!("lfence", "rdtsc", "lfence", out("rax") low, out("rdx") high, options(nostack, preserves_flags))
    };
    high << 32 | low
}

/// Makes the rounds that there are to be; each says what it took.
#[inline(always)]
pub fn rounds(shared: &Shared, mut round: impl FnMut(usize) -> u64) {
    let wanted = shared.rounds.load(Relaxed) as usize;
    for (n, reading) in shared.readings.iter().enumerate().take(wanted) {
        reading.store(round(n), Relaxed);
    }
}

/// What `what` takes.
#[inline(always)]
pub fn of(what: impl FnOnce()) -> u64 {
    let start = now();
    what();
    now() - start
}
