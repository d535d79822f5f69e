//! A lock for the few things that two threads of a server share.
//!
//! There is one processor and strict priority, so a thread that spins would keep the holder from ever letting
//! go. A waiter gives the processor to the holder instead, which the lock knows by its identifier.

use crate::thread;
use core::sync::atomic::{AtomicU64, Ordering};
use lock_api::{GuardNoSend, RawMutex};
use ukernel_abi::ThreadId;

/// A raw mutex: holds the identifier of the thread that has it, or nil.
pub struct RawLock(AtomicU64);

/// A value under a lock.
pub type Lock<T> = lock_api::Mutex<RawLock, T>;

// SAFETY: `lock` returns only when the compare-exchange from nil has succeeded, which it does for one thread
// until `unlock`.
unsafe impl RawMutex for RawLock {
    const INIT: Self = Self(AtomicU64::new(ThreadId::NIL.0));
    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        let me = thread::current().0;
        while let Err(holder) = self.0.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed) {
            thread::switch_to(ThreadId(holder));
        }
    }

    fn try_lock(&self) -> bool {
        let me = thread::current().0;
        self.0.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    unsafe fn unlock(&self) {
        self.0.store(ThreadId::NIL.0, Ordering::Release);
    }
}
