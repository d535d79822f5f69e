//! A server for tests and fuzzers: its reply is the message, backwards.

use super::{Backend, NoAnswer};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The server. Messages of less than two bytes it does not answer, nor those that do not fit into the room for the reply.
#[derive(Default)]
pub struct Backwards {
    resets: Arc<AtomicUsize>,
}

impl Backwards {
    /// Bytes of its largest message.
    pub const LARGEST: usize = 0x2000;

    /// Counts how often it is reset.
    pub fn resets(&self) -> Arc<AtomicUsize> {
        self.resets.clone()
    }
}

impl Backend for Backwards {
    fn largest(&self) -> usize {
        Self::LARGEST
    }

    fn answer(&mut self, message: &[u8], reply: &mut [u8]) -> Result<usize, NoAnswer> {
        let place = reply.get_mut(..message.len()).filter(|place| place.len() > 1).ok_or(NoAnswer)?;
        place.copy_from_slice(message);
        place.reverse();
        Ok(message.len())
    }

    fn reset(&mut self) {
        self.resets.fetch_add(1, Ordering::SeqCst);
    }
}
