//! What the two threads tell each other.

use crate::options::Options;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use userlib::clock::tsc;
use userlib::lock::Lock;

static PLAN: Lock<Option<Options>> = Lock::new(None);
static FAILURE: Lock<Option<&'static str>> = Lock::new(None);
static OVER: AtomicBool = AtomicBool::new(false);
/// How often the writer has had to find the driver again, when a request had been done after that; and when the last such was.
static RECOVERIES: AtomicU64 = AtomicU64::new(0);
static RECOVERED: AtomicU64 = AtomicU64::new(0);

pub fn set_plan(options: &Options) {
    *PLAN.lock() = Some(*options);
}

pub fn plan() -> Option<Options> {
    *PLAN.lock()
}

/// The assassin has done all it was to do, or cannot go on.
pub fn end(failure: Option<&'static str>) {
    *FAILURE.lock() = failure;
    OVER.store(true, Ordering::Release);
}

pub fn is_over() -> bool {
    OVER.load(Ordering::Acquire)
}

pub fn failure() -> Option<&'static str> {
    *FAILURE.lock()
}

/// The writer has had a request done, after so many recoveries.
pub fn done(recoveries: u64) {
    if recoveries != RECOVERIES.load(Ordering::Relaxed) {
        RECOVERED.store(tsc(), Ordering::Relaxed);
        RECOVERIES.store(recoveries, Ordering::Release);
    }
}

/// The recoveries of the writer, and when the last one was over (TSC).
pub fn recoveries() -> (u64, u64) {
    let recoveries = RECOVERIES.load(Ordering::Acquire);
    (recoveries, RECOVERED.load(Ordering::Relaxed))
}
