//! A machine that is only thought up, for tests and fuzzers.

use super::http::response::Problem;
use super::machine::Machine;
use super::metrics::families::{Figures, text};
use super::status::{State, Status};
use crate::ending;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub struct Mock(Mutex<Inner>);

#[derive(Default)]
pub struct Inner {
    pub is_paused: bool,
    /// Whether a vCPU of it does not come to stand.
    pub is_stuck: bool,
    /// Keys that there is room for; without, nobody takes any.
    pub room: Option<usize>,
    pub typed: Vec<u8>,
    pub stopped: Option<ending::Status>,
}

impl Mock {
    /// What has become of it, and what is to become of it.
    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Machine for Mock {
    fn status(&self) -> Status {
        let inner = self.inner();
        let state = match (inner.is_paused, inner.is_stuck) {
            (false, _) => State::Running,
            (true, true) => State::Pausing,
            (true, false) => State::Paused,
        };
        Status { state, ..Status::default() }
    }

    fn pause(&self) -> Result<(), Problem> {
        self.inner().is_paused = true;
        Ok(())
    }

    fn stands(&self) -> bool {
        let inner = self.inner();
        inner.is_paused && !inner.is_stuck
    }

    fn resume(&self) -> Result<(), Problem> {
        self.inner().is_paused = false;
        Ok(())
    }

    fn stop(&self, how: ending::Status) {
        self.inner().stopped = Some(how);
    }

    fn keys(&self, keys: &[Vec<u8>]) -> Result<usize, Problem> {
        let mut inner = self.inner();
        let room = inner.room.ok_or_else(|| Problem::new(409, "nobody takes input", "wait"))?;
        let taken = keys.len().min(room);
        inner.typed.extend(keys[..taken].concat());
        inner.room = Some(room - taken);
        Ok(taken)
    }

    fn metrics(&self) -> String {
        text(&Figures::default())
    }
}
