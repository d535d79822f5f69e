//! What is known of measuring without a µ-kernel: readings made figures.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod stats;

pub use stats::{Fixed, Stats};
