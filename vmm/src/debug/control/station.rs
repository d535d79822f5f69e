//! Where one vCPU is parked, and how it is called.
//!
//! No call is lost: `immediate_exit` is set and taken back with the station locked, so a vCPU that finds nobody who wants it cannot
//! take back a call that it has not seen. A kick is made without the lock; so whoever takes `immediate_exit` back looks for one afterwards.

use super::exits::Exits;
use crate::vcpu::kick::Kicker;
use kvm_ioctls::VcpuFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Something to be done in the vCPU's thread.
pub type Work = Box<dyn FnOnce(&mut VcpuFd) + Send>;

/// How a parked vCPU goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// It was not parked.
    Past,
    Run,
    /// With what it has met.
    End,
    /// Because it was kicked.
    Kicked,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wish {
    Run,
    Park,
    End,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Guest,
    Parked,
    Gone,
}

/// Whether a parked vCPU could go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plight {
    None,
    /// It has met an error, which may be mended.
    Error,
    /// It cannot go on any more.
    Crash,
}

struct State {
    wish: Wish,
    place: Place,
    /// Of a parked one.
    plight: Plight,
    work: Option<Work>,
}

pub struct Station {
    kicker: Arc<Kicker>,
    state: Mutex<State>,
    changed: Condvar,
    exits: Exits,
}

impl Station {
    /// With `hold`, the vCPU parks before its first instruction.
    pub fn new(kicker: Arc<Kicker>, hold: bool) -> Self {
        let wish = if hold { Wish::Park } else { Wish::Run };
        if hold {
            kicker.leave_next();
        }
        let state = State { wish, place: Place::Guest, plight: Plight::None, work: None };
        Self { kicker, state: Mutex::new(state), changed: Condvar::new(), exits: Exits::default() }
    }

    pub fn kicker(&self) -> &Arc<Kicker> {
        &self.kicker
    }

    pub fn exits(&self) -> &Exits {
        &self.exits
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // For the debugger's thread.

    /// Wants it to park.
    pub fn call(&self) {
        let mut state = self.lock();
        if state.wish == Wish::Run {
            state.wish = Wish::Park;
            self.kicker.interrupt();
        }
    }

    /// False if it is still in the guest at `deadline`.
    pub fn wait_until_parked(&self, deadline: Instant) -> bool {
        let mut state = self.lock();
        while state.place == Place::Guest {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Sends it on.
    pub fn resume(&self) {
        self.set(Wish::Run);
    }

    /// Has it end with what it has met.
    pub fn end(&self) {
        self.set(Wish::End);
    }

    pub fn plight(&self) -> Plight {
        self.lock().plight
    }

    /// It can go on after all.
    pub fn mended(&self) {
        let mut state = self.lock();
        if state.plight == Plight::Error {
            state.plight = Plight::None;
        }
    }

    /// Gives it something to do. False if it is not parked.
    pub fn give(&self, work: Work) -> bool {
        let mut state = self.lock();
        if state.place != Place::Parked || state.wish != Wish::Park {
            return false;
        }
        state.work = Some(work);
        self.changed.notify_all();
        true
    }

    /// Has it look whether it was kicked.
    pub fn wake(&self) {
        let _state = self.lock();
        self.changed.notify_all();
    }

    fn set(&self, wish: Wish) {
        self.lock().wish = wish;
        self.changed.notify_all();
    }

    // For the vCPU's thread.

    /// To be called when the vCPU has left the guest: parks it if it was called, or if `itself` says (with the station locked)
    /// that it wants to, and does there what it is given to do.
    pub fn visit(&self, fd: &mut VcpuFd, plight: Plight, itself: impl FnOnce() -> bool) -> Way {
        let mut state = self.lock();
        let parks = itself() || state.wish == Wish::Park;
        if parks {
            (state.wish, state.place, state.plight) = (Wish::Park, Place::Parked, plight);
            self.changed.notify_all();
        }
        while state.wish == Wish::Park && !self.kicker.is_kicked() {
            let Some(work) = state.work.take() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            // A panic, of which the hook has told, is the debugger's: it does not get its result.
            let _ = catch_unwind(AssertUnwindSafe(|| work(fd)));
            state = self.lock();
        }
        (state.place, state.plight, state.work) = (Place::Guest, Plight::None, None);
        self.kicker.rearm();
        match state.wish {
            _ if self.kicker.is_kicked() => Way::Kicked,
            Wish::End => Way::End,
            _ if parks => Way::Run,
            _ => Way::Past,
        }
    }

    /// The vCPU's thread ends.
    pub fn leave(&self) {
        let mut state = self.lock();
        (state.place, state.work) = (Place::Gone, None);
        self.changed.notify_all();
    }
}
