//! What was taken out of all rings in one go.

use crate::file::{Names, Ring};

#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The guest's TSC before the first ring was looked at, and behind the last one.
    pub began: u64,
    pub ended: u64,
    /// Ring by ring, in their order.
    pub parts: Vec<Part>,
    pub names: Vec<Names>,
    /// All threads that there are, if somebody has looked.
    pub seats: Option<Vec<Seat>>,
}

/// What comes next in a ring.
#[derive(Clone, Debug)]
pub enum Part {
    /// Records as they are in memory.
    Records(Ring, Vec<u8>),
    /// So many were dropped.
    Dropped(Ring, u64),
}

/// A thread, as the kernel has written it down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seat {
    pub thread: u64,
    /// In a word or two.
    pub state: String,
}
