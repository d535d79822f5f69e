//! Hears all that the guest prints, where it is printed: for `console.log` and for `--junit`.
//!
//! It is called by the threads that print, a vCPU's among them. Where nobody wants to know, it costs them a look at two empty places.

use super::ring::Ring;
use crate::junit::listener::Listener;
use crate::junit::suite::Suite;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Where a guest prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mouth {
    /// On our standard output.
    Out,
    /// On our standard error.
    Err,
    /// On the debug port, which is our standard error too. The kernel speaks there.
    Debug,
}

/// Listens, if somebody wants that.
#[derive(Default)]
pub struct Ears {
    console: Option<Mutex<Ring>>,
    tests: Option<Mutex<(Instant, Listener)>>,
}

impl fmt::Debug for Ears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ears(console: {}, tests: {})", self.console.is_some(), self.tests.is_some())
    }
}

impl Ears {
    /// `console`: so many bytes of all output are to be kept. `tests`: it is about tests.
    pub fn new(console: Option<usize>, tests: bool) -> Arc<Self> {
        let tests = tests.then(|| Mutex::new((Instant::now(), Listener::default())));
        Arc::new(Self { console: console.map(|most| Mutex::new(Ring::new(most))), tests })
    }

    pub fn hear(&self, mouth: Mouth, bytes: &[u8]) {
        if let Some(console) = &self.console {
            lock(console).push(bytes);
        }
        if let Some(tests) = &self.tests {
            let (start, listener) = &mut *lock(tests);
            listener.hear(mouth, bytes, start.elapsed());
        }
    }

    /// All output, the last of it, if it was to be kept.
    pub fn console(&self) -> Option<Vec<u8>> {
        self.console.as_ref().map(|console| lock(console).content())
    }

    /// What the guest's tests came to, and what it printed on standard output and standard error, if that was wanted.
    pub fn tests(&self) -> Option<(Vec<Suite>, String, String)> {
        let (start, listener) = &mut *lock(self.tests.as_ref()?);
        Some(std::mem::take(listener).finish(start.elapsed()))
    }
}

/// A thread that panicked has left nothing inconsistent behind such a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_hears_what_is_wanted() {
        let deaf = Ears::default();
        deaf.hear(Mouth::Out, b"x");
        assert!(deaf.console().is_none() && deaf.tests().is_none());
        let ears = Ears::new(Some(1 << 10), true);
        ears.hear(Mouth::Debug, b"panic\n");
        ears.hear(Mouth::Out, b"1..1\nok 1 a\n");
        assert_eq!(ears.console().unwrap(), b"panic\n1..1\nok 1 a\n");
        let (suites, out, err) = ears.tests().unwrap();
        assert_eq!((suites.len(), out.as_str(), err.as_str()), (1, "1..1\nok 1 a\n", "panic\n"));
    }
}
