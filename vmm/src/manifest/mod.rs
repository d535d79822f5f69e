//! The manifest of a run: what was run where, and how it ended, for whoever looks at a result later and wonders. `docs/evidence.md` describes it.
//!
//! - [`machine`]: the machine as it is configured
//! - [`host`]: where it ran
//! - [`document`]: all of it, as JSON; [`date`]: times in it

pub mod date;
pub mod document;
pub mod host;
pub mod machine;

pub use machine::Machine;
