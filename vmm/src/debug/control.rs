//! Stops the vCPUs of a machine, and lets them go on: the machine's side of being debugged.
//!
//! KVM takes a vCPU's ioctls only from outside KVM_RUN: from another thread they wait until the guest leaves. So a stopped
//! vCPU is *parked*: its thread is out of the guest, has completed what the last exit had begun (so that registers may be set),
//! and does what the debugger's thread gives it to do ([`Control::with`]) until it is sent on. A vCPU that meets something for
//! the debugger parks by itself and leaves a [`Trap`].
//!
//! Interrupt controllers, clocks and devices do not stop with the vCPUs. What comes in meanwhile is there when they go on.
//!
//! Nothing here depends on the debugger for the machine to end: the event loop kicks a parked vCPU as it kicks a running one.
//!
//! The machine can also be frozen, which is the user's affair and none of the debugger's ([`freeze`]).
//!
//! - `station`: where one vCPU is parked, and how it is called
//! - `run`: the loop of a vCPU that may be debugged; `exits`: counts how often it leaves the guest
//! - [`freeze`]: the whole machine stands still; `arrivals`: that it does
//! - [`trap`]: what vCPUs leave for the debugger
//! - [`watch`]: places where there is memory, but the guest's accesses come to us

mod arrivals;
mod exits;
pub mod freeze;
mod run;
mod station;
pub mod trap;
pub mod watch;

use crate::events::Mailbox;
use crate::kvm::KvmError;
use crate::vcpu::kick::Kicker;
use arrivals::Arrivals;
use freeze::Freeze;
use kvm_ioctls::VcpuFd;
use station::{Plight, Station};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};
use trap::{Trap, Traps};
use watch::Watches;

/// How long vCPUs may take to park. They do it within a millisecond, unless one waits for somebody to read our standard output.
const PAUSE_TIME: Duration = Duration::from_secs(2);

/// A vCPU is not parked: it runs, or has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("vCPU {0} cannot be stopped: it waits for somebody to read the guest's output, or has ended")]
pub struct NotParked(pub usize);

/// The vCPUs of a machine that may be debugged. One thread at a time debugs.
pub struct Control {
    stations: Vec<Station>,
    traps: Traps,
    /// Whether there is a debugger, which takes the traps.
    attached: AtomicBool,
    watches: Mutex<Watches>,
    freeze: Mutex<Freeze>,
    arrivals: Arc<Arrivals>,
    mailbox: Mailbox,
}

impl Control {
    /// For these vCPUs, none of which has run yet. With `hold`, they are parked before their first instruction.
    pub fn new(vcpus: &[VcpuFd], hold: bool, mailbox: Mailbox) -> Result<Arc<Self>, KvmError> {
        let arrivals = Arc::new(Arrivals::new()?);
        let station = |vcpu| Ok(Station::new(Arc::new(Kicker::new(vcpu)?), hold, arrivals.clone()));
        Ok(Arc::new(Self {
            stations: vcpus.iter().map(station).collect::<Result<_, KvmError>>()?,
            traps: Traps::new()?,
            attached: AtomicBool::new(false),
            watches: Mutex::default(),
            freeze: Mutex::default(),
            arrivals,
            mailbox,
        }))
    }

    /// Number of vCPUs.
    pub fn vcpus(&self) -> usize {
        self.stations.len()
    }

    /// There is a debugger from now on: traps and crashes wait for it.
    pub fn attach(&self) {
        self.attached.store(true, Ordering::SeqCst);
    }

    pub fn is_attached(&self) -> bool {
        self.attached.load(Ordering::SeqCst)
    }

    /// There is no debugger any more: nothing is watched, and all vCPUs run on. After a crash, the run ends with it instead.
    pub fn detach(&self) {
        // Before the stations are looked at: a vCPU that parks from now on does not find a debugger.
        self.attached.store(false, Ordering::SeqCst);
        self.traps.take();
        self.watches().clear();
        let has_crashed = self.has_crashed();
        for station in &self.stations {
            if station.plight() != Plight::None {
                station.end();
            } else if !has_crashed {
                station.resume();
            }
        }
    }

    /// Ends the machine, as Ctrl-A x does; one that has crashed ends with its crash.
    pub fn kill(&self) {
        if self.has_crashed() {
            self.detach();
        } else {
            self.mailbox.request(crate::ending::Request::Quit);
        }
    }

    /// Whether a vCPU stands where it cannot go on by itself ([`Trap::Crashed`], [`Trap::InternalError`]).
    pub fn has_crashed(&self) -> bool {
        self.stations.iter().any(|station| station.plight() != Plight::None)
    }

    /// The error that parked vCPU `vcpu` has met is none: it goes on, or ends, as any other.
    pub fn mended(&self, vcpu: usize) {
        if let Some(station) = self.stations.get(vcpu) {
            station.mended();
        }
    }

    /// Parks all vCPUs and waits until they are, or have ended.
    pub fn pause(&self) -> Result<(), NotParked> {
        self.stations.iter().for_each(Station::call);
        let deadline = Instant::now() + PAUSE_TIME;
        let late = self.stations.iter().position(|station| !station.wait_until_parked(deadline));
        late.map_or(Ok(()), |vcpu| Err(NotParked(vcpu)))
    }

    /// Sends these vCPUs on, unless one of the machine's has [crashed](Trap::Crashed). Take all traps before.
    pub fn resume(&self, vcpus: &[usize]) {
        if self.stations.iter().any(|station| station.plight() == Plight::Crash) {
            return;
        }
        vcpus.iter().filter_map(|&vcpu| self.stations.get(vcpu)).for_each(Station::resume);
    }

    /// Does `work` in the thread of a parked vCPU.
    pub fn with<R: Send + 'static>(
        &self,
        vcpu: usize,
        work: impl FnOnce(&mut VcpuFd) -> R + Send + 'static,
    ) -> Result<R, NotParked> {
        let (sender, result) = mpsc::channel();
        let work = Box::new(move |fd: &mut VcpuFd| {
            // The receiver waits below.
            let _ = sender.send(work(fd));
        });
        let station = self.stations.get(vcpu).ok_or(NotParked(vcpu))?;
        if !station.give(work) {
            return Err(NotParked(vcpu));
        }
        // If the vCPU is kicked or the work panics, the sender is dropped.
        result.recv().map_err(|_| NotParked(vcpu))
    }

    /// What has happened since the last call, in its order. Their vCPUs are parked.
    pub fn traps(&self) -> Vec<(usize, Trap)> {
        self.traps.take()
    }

    /// Readable when there are traps, and after [`Control::notify`], until [`Control::traps`] is called.
    pub fn ready(&self) -> BorrowedFd<'_> {
        self.traps.ready()
    }

    /// Makes [`Control::ready`] readable.
    pub fn notify(&self) {
        self.traps.notify();
    }

    /// How often each vCPU has left the guest, and why.
    pub fn exits(&self) -> Vec<Vec<(&'static str, u64)>> {
        self.stations.iter().map(|station| station.exits().counts()).collect()
    }

    /// What of the guest's memory is watched. Change it only while all vCPUs are parked.
    pub fn watches(&self) -> MutexGuard<'_, Watches> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machine has ended, with this status of `ukvmm`'s.
    pub fn over(&self, status: Option<u8>) {
        self.traps.put(0, [Trap::Over(status)]);
    }

    /// For the thread that starts and stops the vCPU.
    pub(crate) fn kicker(&self, vcpu: usize) -> Option<Arc<Kicker>> {
        self.stations.get(vcpu).map(|station| station.kicker().clone())
    }

    /// To be called by the thread of vCPU `vcpu` before it enters the jail.
    pub(crate) fn enter(&self, vcpu: usize) {
        if let Some(station) = self.stations.get(vcpu) {
            station.enter();
        }
    }

    /// Has vCPU `vcpu`, which has been kicked, notice that if it is parked.
    pub(crate) fn wake(&self, vcpu: usize) {
        if let Some(station) = self.stations.get(vcpu) {
            station.wake();
        }
    }
}

#[cfg(test)]
mod tests;
