//! The whole machine stands still, because its user wants that, and goes on.
//!
//! That is done in the way in which a debugger stops it, and counts beside that: the vCPUs go on when both have let go. A debugger that comes meanwhile
//! finds a machine that it can look at, and that does not move when it is sent on, until it is thawed.
//!
//! Nobody is waited for here. Who freezes the machine hears by [`Control::arrivals`] that there is something new, and looks whether it
//! [stands](Control::stands).

use super::Control;
pub use super::station::Stand;
use super::station::Station;
use crate::control::metrics::process::Times;
use std::os::fd::BorrowedFd;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is known of it.
#[derive(Default, Debug)]
pub struct Freeze {
    since: Option<Instant>,
    /// For how long it was frozen before.
    before: Duration,
}

/// A vCPU, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    pub stand: Stand,
    /// Why it has left the guest last.
    pub last_exit: Option<&'static str>,
}

impl Control {
    /// Has all vCPUs come to stand. False if they were to already.
    pub fn freeze(&self) -> bool {
        let mut freeze = self.frozen();
        let is_new = freeze.since.is_none();
        if is_new {
            freeze.since = Some(Instant::now());
        }
        self.stations.iter().for_each(Station::freeze);
        is_new
    }

    /// Lets them go on, but for those that a debugger holds. False if the machine was not frozen.
    pub fn thaw(&self) -> bool {
        let mut freeze = self.frozen();
        self.stations.iter().for_each(Station::thaw);
        let since = freeze.since.take();
        freeze.before += since.map_or(Duration::ZERO, |since| since.elapsed());
        since.is_some()
    }

    pub fn is_frozen(&self) -> bool {
        self.frozen().since.is_some()
    }

    /// For how long the machine has been frozen, all in all.
    pub fn frozen_for(&self) -> Duration {
        let freeze = self.frozen();
        freeze.before + freeze.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Whether no vCPU is in the guest.
    pub fn stands(&self) -> bool {
        self.stations.iter().all(|station| station.stand() != Stand::Running)
    }

    /// What each vCPU does.
    pub fn seen(&self) -> Vec<Seen> {
        let seen = |station: &Station| Seen { stand: station.stand(), last_exit: station.exits().last() };
        self.stations.iter().map(seen).collect()
    }

    /// Each vCPU's processor time, as far as it is known.
    pub fn times(&self) -> Vec<Option<Times>> {
        self.stations.iter().map(Station::times).collect()
    }

    /// Readable when a vCPU of a frozen machine has come to stand, until [`Control::forget_arrivals`].
    pub fn arrivals(&self) -> BorrowedFd<'_> {
        self.arrivals.ready()
    }

    pub fn forget_arrivals(&self) {
        self.arrivals.forget();
    }

    fn frozen(&self) -> MutexGuard<'_, Freeze> {
        self.freeze.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
