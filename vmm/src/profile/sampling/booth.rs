//! Where the thread of a vCPU is asked for a sample.
//!
//! Asking makes the vCPU leave the guest ([`Kicker::interrupt`]); its thread comes by as soon as KVM_RUN has returned EINTR, since then nothing of its last exit is left to be
//! completed. What an exit takes is so counted for the instruction that has caused it. Asked for another sample before it has given one, it gives one.
//!
//! It can also be held, so that the guest stands still while somebody reads more of its memory. It lets itself not be held from its end.

use super::moment::{Guest, Moment};
use crate::vcpu::kick::Kicker;
use crate::vm::host_tsc;
use kvm_ioctls::VcpuFd;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Samples that may wait to be taken away.
const WAITING: usize = 256;
/// How often a vCPU that is held looks whether it is to end.
const LOOK: Duration = Duration::from_millis(10);

pub struct Booth {
    vcpu: usize,
    guest: Arc<Guest>,
    /// The guest's TSC minus the host's.
    offset: u64,
    /// Somebody wants a sample.
    wanted: AtomicBool,
    /// The thread has called KVM_RUN.
    inside: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// While the vCPU's thread runs.
    kicker: Option<Arc<Kicker>>,
    taken: Vec<Moment>,
    costs: Costs,
    held: bool,
    /// It stands here.
    present: bool,
}

/// What samples have cost a vCPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Costs {
    pub taken: u64,
    pub missed: u64,
    pub stopped_ns: u64,
}

impl Booth {
    /// Of vCPU `vcpu` of `guest`, whose TSC is ahead of the host's by `offset`.
    pub fn new(vcpu: usize, guest: Arc<Guest>, offset: u64) -> Self {
        Self {
            vcpu,
            guest,
            offset,
            wanted: AtomicBool::new(false),
            inside: AtomicBool::new(false),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // For who takes samples.

    /// Asks for a sample.
    pub fn ask(&self) {
        let mut state = self.lock();
        let Some(kicker) = state.kicker.clone() else { return };
        let again = self.wanted.swap(true, SeqCst);
        state.costs.missed += u64::from(again);
        // A thread that is busy with an exit comes by afterwards; signals would only disturb it.
        if !again || self.inside.load(SeqCst) {
            kicker.interrupt();
        }
    }

    /// Has it stay here when it comes by, until it is [released](Self::release).
    pub fn hold(&self) {
        self.lock().held = true;
    }

    /// False if it is not here by then, and has not ended.
    pub fn wait_until_present(&self, deadline: Instant) -> bool {
        let mut state = self.lock();
        while state.kicker.is_some() && !state.present {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    pub fn release(&self) {
        self.lock().held = false;
        self.changed.notify_all();
    }

    /// Takes the samples away.
    pub fn take(&self) -> Vec<Moment> {
        mem::take(&mut self.lock().taken)
    }

    pub fn costs(&self) -> Costs {
        self.lock().costs
    }

    // For the vCPU's thread.

    /// It begins, and is made to leave the guest by this.
    pub fn open(&self, kicker: &Arc<Kicker>) {
        self.lock().kicker = Some(kicker.clone());
    }

    /// It ends.
    pub fn close(&self) {
        self.lock().kicker = None;
        self.changed.notify_all();
    }

    /// It is about to call KVM_RUN, or has returned from it.
    pub fn set_inside(&self, inside: bool) {
        self.inside.store(inside, SeqCst);
    }

    /// To be called when KVM_RUN has returned EINTR: takes the interruption back, and gives a sample if one is wanted. Look afterwards whether the vCPU was
    /// [kicked](Kicker::is_kicked).
    pub fn visit(&self, fd: &VcpuFd) {
        let began = (Instant::now(), host_tsc());
        let Some(kicker) = self.lock().kicker.clone() else { return };
        // First: what is asked for from now on interrupts again.
        kicker.rearm();
        if !self.wanted.swap(false, SeqCst) {
            return;
        }
        let moment = Moment::of(fd, &self.guest, self.vcpu, began.1.wrapping_add(self.offset));
        let mut state = self.lock();
        state.costs.taken += 1;
        match moment {
            Some(moment) if state.taken.len() < WAITING => state.taken.push(moment),
            Some(_) => state.costs.missed += 1,
            None => {}
        }
        state.present = true;
        self.changed.notify_all();
        while state.held && !kicker.is_kicked() {
            state = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.present = false;
        state.costs.stopped_ns += began.0.elapsed().as_nanos() as u64;
    }
}
