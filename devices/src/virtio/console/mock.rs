//! The other end of a port, in memory, for tests and fuzzers.

use super::backend::Port;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The other end.
#[derive(Clone, Default)]
pub struct MockPort(Arc<Mutex<MockState>>);

/// How it stands.
#[derive(Default)]
pub struct MockState {
    /// What the guest has sent.
    pub sent: Vec<u8>,
    /// Bytes that `sent` has room for.
    pub room: usize,
    /// What the guest is to receive.
    pub to_receive: VecDeque<u8>,
    pub is_open: bool,
    /// Whether a program of the guest's has opened the port.
    pub guest_open: bool,
}

impl MockPort {
    /// How it stands, to look at and to change.
    pub fn state(&self) -> MutexGuard<'_, MockState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Port for MockPort {
    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut state = self.state();
        let len = bytes.len().min(state.room.saturating_sub(state.sent.len()));
        state.sent.extend(&bytes[..len]);
        len
    }

    fn read(&mut self, into: &mut [u8]) -> usize {
        let mut state = self.state();
        let len = into.len().min(state.to_receive.len());
        for (to, from) in into.iter_mut().zip(state.to_receive.drain(..len)) {
            *to = from;
        }
        len
    }

    fn is_open(&mut self) -> bool {
        self.state().is_open
    }

    fn guest_opened(&mut self, open: bool) {
        self.state().guest_open = open;
    }
}
