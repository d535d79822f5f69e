//! Tests servers of the µ-kernel by `cargo test`, each in a machine of its own.
//!
//! ```ignore
//! // tests/guest.rs, with `harness = false` in Cargo.toml
//! use ukvmm_harness::{Test, suite};
//!
//! fn main() -> std::process::ExitCode {
//!     suite!()
//!         .programs(&["calc", "ask"])
//!         .set("images/calc.toml")
//!         .test(Test::new("adds").words(&["40", "+", "2"]).says("42"))
//!         .test(Test::new("divides-by-zero").words(&["1", "/", "0"]).panics("divide by zero"))
//!         .run()
//! }
//! ```
//!
//! The programs are built for the guest, put beside the kernel and the servers that come with it, and started by `ukvmm` once for each
//! test. A test that fails leaves a folder with all that is known of its machine, and says where.
//!
//! - [`suite`](mod@suite): the tests of a package, as libtest-mimic runs them: `--list`, filters, `--ignored`, `--test-threads`
//! - [`case`]: a test, and what is expected of its machine
//! - [`build`]: from a package to a folder that a machine starts from
//! - [`tools`]: where `ukvmm` and the kernel are
//! - [`machine`]: a machine that runs, and its limits
//! - [`bundle`]: what is left of it

#![forbid(unsafe_code)]

pub mod build;
pub mod bundle;
pub mod case;
pub mod machine;
pub mod suite;
pub mod tools;

pub use case::Test;
pub use suite::Suite;
