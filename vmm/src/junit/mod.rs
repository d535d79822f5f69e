//! `--junit FILE`: what the guest's tests came to, as JUnit XML.
//!
//! The guest prints KTAP or TAP, on any of its streams; nothing has to be added to it.
//!
//! - [`line`]: a line → what it says about tests
//! - [`reader`]: lines → [`suite`]s of cases
//! - [`listener`]: the guest's output → lines, with the times at which they came
//! - [`verdict`]: what the run came to, with the machine's own end
//! - [`report`]: suites → JUnit XML; [`xml`]: writes XML

pub mod line;
pub mod listener;
pub mod reader;
pub mod report;
pub mod suite;
pub mod verdict;
pub mod xml;
