//! Where one vCPU is parked, and how it is called.
//!
//! No call is lost: `immediate_exit` is set and taken back with the station locked, so a vCPU that finds nobody who wants it cannot
//! take back a call that it has not seen. A kick is made without the lock; so whoever takes `immediate_exit` back looks for one afterwards.
//!
//! Two may want a vCPU to stand still, and neither knows of the other: the debugger, by its wish, and whoever has frozen the machine. It goes on
//! when both have let go.

use super::arrivals::Arrivals;
use super::exits::Exits;
use crate::control::metrics::process::{Stat, Times};
use crate::vcpu::kick::Kicker;
use kvm_ioctls::VcpuFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
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

/// What a vCPU does, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stand {
    /// It runs, or has been called and has not come yet.
    Running,
    /// The machine is frozen.
    Frozen,
    /// The debugger holds it.
    Held,
    /// Its thread has ended.
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
    /// The debugger's.
    wish: Wish,
    /// Whether the machine is to stand still, whatever the debugger wishes.
    frozen: bool,
    place: Place,
    /// Of a parked one.
    plight: Plight,
    work: Option<Work>,
}

impl State {
    /// Whether the vCPU is to stay where it is parked. A freeze does not keep one that has met its end.
    fn holds(&self) -> bool {
        match self.wish {
            Wish::Park => true,
            Wish::Run => self.frozen && self.plight == Plight::None,
            Wish::End => false,
        }
    }
}

pub struct Station {
    kicker: Arc<Kicker>,
    state: Mutex<State>,
    changed: Condvar,
    exits: Exits,
    arrivals: Arc<Arrivals>,
    /// What Linux says of the vCPU's thread.
    stat: OnceLock<Option<Stat>>,
}

impl Station {
    /// With `hold`, the vCPU parks before its first instruction. One that is frozen tells `arrivals`.
    pub fn new(kicker: Arc<Kicker>, hold: bool, arrivals: Arc<Arrivals>) -> Self {
        let wish = if hold { Wish::Park } else { Wish::Run };
        if hold {
            kicker.leave_next();
        }
        let state = State { wish, frozen: false, place: Place::Guest, plight: Plight::None, work: None };
        let (state, changed) = (Mutex::new(state), Condvar::new());
        Self { kicker, state, changed, exits: Exits::default(), arrivals, stat: OnceLock::new() }
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

    /// What the vCPU does.
    pub fn stand(&self) -> Stand {
        let state = self.lock();
        match (state.place, state.wish) {
            (Place::Gone, _) => Stand::Gone,
            (Place::Parked, Wish::Park) if !state.frozen => Stand::Held,
            (Place::Parked, _) if state.frozen => Stand::Frozen,
            _ => Stand::Running,
        }
    }

    // For whoever freezes the machine.

    /// Wants it to park, and to stay there until [`Self::thaw`].
    pub fn freeze(&self) {
        let mut state = self.lock();
        if !state.frozen {
            state.frozen = true;
            self.kicker.interrupt();
        }
    }

    /// Lets it go on, as far as the debugger does.
    pub fn thaw(&self) {
        self.lock().frozen = false;
        self.changed.notify_all();
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

    /// Its thread's processor time, once it has begun.
    pub fn times(&self) -> Option<Times> {
        Some(self.stat.get()?.as_ref()?.read()?.times)
    }

    // For the vCPU's thread.

    /// The vCPU's thread begins.
    pub fn enter(&self) {
        self.stat.get_or_init(Stat::of_thread);
    }

    /// To be called when the vCPU has left the guest: parks it if it was called, or if `itself` says (with the station locked)
    /// that it wants to, and does there what it is given to do.
    pub fn visit(&self, fd: &mut VcpuFd, plight: Plight, itself: impl FnOnce() -> bool) -> Way {
        let mut state = self.lock();
        if itself() {
            state.wish = Wish::Park;
        }
        state.plight = plight;
        let parks = state.holds();
        if parks {
            state.place = Place::Parked;
            self.changed.notify_all();
            self.arrivals.tell(state.frozen);
        }
        while state.holds() && !self.kicker.is_kicked() {
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
            _ if parks => {
                drop(state);
                tell_clock(fd);
                Way::Run
            }
            _ => Way::Past,
        }
    }

    /// The vCPU's thread ends.
    pub fn leave(&self) {
        let mut state = self.lock();
        (state.place, state.work) = (Place::Gone, None);
        self.changed.notify_all();
        self.arrivals.tell(state.frozen);
    }
}

/// Tells a guest that uses KVM's clock that it stood still, so that its watchdog does not take that for a CPU that hangs (Linux,
/// `Documentation/virt/kvm/api.rst`, KVM_KVMCLOCK_CTRL).
fn tell_clock(fd: &VcpuFd) {
    if let Err(error) = fd.kvmclock_ctrl() {
        tracing::trace!(%error, "the guest does not use KVM's clock");
    }
}
