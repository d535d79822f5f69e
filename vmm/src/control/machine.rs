//! What the control socket asks of a machine.

use super::http::response::Problem;
use super::status::Status;
use crate::ending;

/// A machine, from the moment when its files have been found to that when it has ended. Nothing here waits.
pub trait Machine: Send + Sync {
    fn status(&self) -> Status;

    /// Has all vCPUs come to stand.
    fn pause(&self) -> Result<(), Problem>;

    /// Whether they have.
    fn stands(&self) -> bool;

    /// Has them go on.
    fn resume(&self) -> Result<(), Problem>;

    /// Ends it, and `ukvmm` in this way.
    fn stop(&self, how: ending::Status);

    /// Types these keys, each whole, as many as there is room for, and returns their number.
    fn keys(&self, keys: &[Vec<u8>]) -> Result<usize, Problem>;

    /// In Prometheus' form.
    fn metrics(&self) -> String;
}
