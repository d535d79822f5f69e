//! What a machine does just now: figures of one second after the other, made of the records as they come.
//!
//! Whoever takes the records out of the rings hands them over in batches ([`batch`]). They are put in order ([`mixer`]), followed like those of a file, and counted
//! ([`tally`]) until a second is over; then there is a window ([`analysis`], [`listing`]), which is a line of JSON ([`window`], [`line`]). However long the machine runs, this needs the
//! same memory.

pub mod analysis;
pub mod batch;
pub mod line;
pub mod listing;
pub mod mixer;
pub mod tally;
pub mod window;

#[cfg(test)]
mod tests;
