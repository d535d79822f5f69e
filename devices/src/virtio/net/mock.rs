//! A network for tests: what is sent is kept, and what is to come is put there.

use super::backend::{Backend, Driver, Offloads, Sink};
use super::request::Header;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What has happened, and what will.
#[derive(Debug, Default)]
pub struct State {
    pub sent: Vec<(Header, Vec<u8>)>,
    pub coming: VecDeque<(Header, Vec<u8>)>,
    /// The driver that has begun and not ended.
    pub driver: Option<Driver>,
    pub polls: usize,
}

/// A network, and what its test holds of it.
#[derive(Clone, Debug, Default)]
pub struct Mock {
    pub offloads: Offloads,
    pub mtu: Option<u16>,
    state: Arc<Mutex<State>>,
}

impl Mock {
    /// A network that can do everything.
    pub fn able() -> Self {
        let offloads = Offloads { checksum: true, tso4: true, tso6: true };
        Self { offloads, mtu: Some(9000), ..Self::default() }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Mock {
    fn offloads(&self) -> Offloads {
        self.offloads
    }

    fn mtu(&self) -> Option<u16> {
        self.mtu
    }

    fn start(&mut self, driver: Driver) {
        self.state().driver = Some(driver);
    }

    fn stop(&mut self) {
        self.state().driver = None;
    }

    fn send(&mut self, header: &Header, frame: &[u8]) {
        self.state().sent.push((*header, frame.to_vec()));
    }

    fn poll(&mut self) {
        self.state().polls += 1;
    }

    fn receive(&mut self, limit: usize, sink: Sink<'_>) -> bool {
        let mut state = self.state();
        let Some((header, frame)) = state.coming.pop_front_if(|(_, frame)| frame.len() <= limit) else {
            return false;
        };
        // In pieces, as they come.
        let (first, rest) = frame.split_at(frame.len().min(54));
        sink(&header, &[first, rest, &[]]);
        true
    }
}
