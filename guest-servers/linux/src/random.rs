//! Random numbers: getrandom(2), `/dev/urandom`, `AT_RANDOM`.
//!
//! ChaCha20 from the seed that the machine gives. How good the numbers are depends on that seed: see
//! `Machine::seed`.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

pub struct Random(ChaCha20Rng);

impl Random {
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}
