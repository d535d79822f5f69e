//! The manifest of a run: what was run where, and how it ended, for whoever looks at a result later and wonders. `docs/evidence.md` describes it.
//!
//! - [`machine`]: the machine as it is configured

pub mod machine;

pub use machine::Machine;
