//! `--boot-timeout`: asks for the end of a guest that has given no sign of life when the time is over.
//!
//! A sign is that a driver has used a console or a virtio device, printing or not. A µ-kernel of ours may have nothing to say for long and no such driver, as with a server set
//! that only computes; of it, that root has made a task is a sign, too, and that is in its ring of events.

use super::{Mailbox, listen};
use crate::core::dead::Dead;
use crate::debug::control::Control;
use crate::ending::Request;
use crate::error::{Error, host};
use crate::inspect::Kernel;
use crate::memory::GuestMemory;
use crate::vcpu::group::Reports;
use crate::vcpu::moments::Told;
use crate::vcpu::thread::World;
use event_manager::{EventOps, EventSet, Events, MutEventSubscriber};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vmm_sys_util::timerfd::TimerFd;

/// What is looked at for signs of life.
pub struct Patient {
    told: Arc<Told>,
    memory: GuestMemory,
    kernel: PathBuf,
    /// Of a machine that may be made to stand still.
    control: Option<Arc<Control>>,
}

/// How often a machine that stands still is looked at.
const RECHECK: Duration = Duration::from_secs(1);

impl Patient {
    /// The guest that `world` is around. `kernel`: the file of its kernel.
    pub fn of(world: &World, kernel: &Path) -> Self {
        let (told, memory, control) = (world.told.clone(), world.memory.clone(), world.control.clone());
        Self { told, memory, kernel: kernel.into(), control }
    }

    /// For how long somebody had it stand still.
    fn frozen(&self) -> Duration {
        self.control.as_ref().map_or(Duration::ZERO, |control| control.frozen_for())
    }

    fn is_alive(&self) -> bool {
        self.told.is_alive() || self.has_events()
    }

    /// Whether the guest is a µ-kernel of ours to which something has happened. It runs meanwhile; what is read is not believed.
    fn has_events(&self) -> bool {
        let nobody = Reports { all: Vec::new(), first: None };
        let view = Dead::new(&self.memory, &nobody);
        Kernel::find(&view, &self.kernel).is_some_and(|kernel| !kernel.events(&view).is_empty())
    }
}

pub struct Watchdog {
    fd: TimerFd,
    start: Instant,
    after: Duration,
    patient: Patient,
    mailbox: Mailbox,
}

impl Watchdog {
    /// Starts to count now.
    pub fn new(after: Duration, patient: Patient, mailbox: Mailbox) -> Result<Self, Error> {
        let failed = |e: vmm_sys_util::errno::Error| host("timer")(e.into());
        let start = Instant::now();
        let mut fd = TimerFd::new().map_err(failed)?;
        // Below a nanosecond it would never fire.
        fd.reset(after.max(Duration::from_nanos(1)), None).map_err(failed)?;
        Ok(Self { fd, start, after, patient, mailbox })
    }
}

impl MutEventSubscriber for Watchdog {
    fn process(&mut self, events: Events, ops: &mut EventOps<'_>) {
        let _ = self.fd.wait();
        let left = self.after.saturating_sub(self.start.elapsed().saturating_sub(self.patient.frozen()));
        let again = !left.is_zero() && self.fd.reset(left.max(RECHECK), None).is_ok();
        if !again {
            let _ = ops.remove(events);
            if !self.patient.is_alive() {
                self.mailbox.request(Request::NoLife(self.after));
            }
        }
    }
    fn init(&mut self, ops: &mut EventOps<'_>) {
        listen(ops, Events::new(&self.fd, EventSet::IN));
    }
}
