//! How many bytes of a connection may be sent before the other end has taken some.

use std::sync::{Condvar, Mutex, PoisonError};

/// At first.
const WINDOW: usize = 64 << 10;

pub struct Credit {
    /// `None`: nothing is to be sent any more.
    left: Mutex<Option<usize>>,
    changed: Condvar,
}

impl Credit {
    pub fn new() -> Self {
        Self { left: Mutex::new(Some(WINDOW)), changed: Condvar::new() }
    }

    /// Waits until something may be sent, and says how much. `None`: nothing ever again.
    pub fn wait(&self) -> Option<usize> {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let left = self.changed.wait_while(left, |left| *left == Some(0));
        *left.unwrap_or_else(PoisonError::into_inner)
    }

    /// So much is sent.
    pub fn spend(&self, count: usize) {
        self.change(|left| left.saturating_sub(count));
    }

    /// So much has been taken.
    pub fn add(&self, count: usize) {
        self.change(|left| left.saturating_add(count).min(WINDOW));
    }

    /// There is nobody to send to.
    pub fn end(&self) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.changed.notify_all();
    }

    fn change(&self, how: impl FnOnce(usize) -> usize) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.map(how);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn it_is_spent_and_comes_back() {
        let credit = Credit::new();
        credit.spend(WINDOW - 1);
        assert_eq!(credit.wait(), Some(1));
        credit.spend(1);
        thread::scope(|scope| {
            let waits = scope.spawn(|| credit.wait());
            credit.add(5);
            assert_eq!(waits.join().unwrap(), Some(5));
        });
        credit.add(usize::MAX);
        assert_eq!(credit.wait(), Some(WINDOW), "more than was sent is not taken");
        credit.end();
        assert_eq!(credit.wait(), None);
    }
}
