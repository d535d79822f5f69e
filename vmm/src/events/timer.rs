//! `--timeout`: asks for the end when the time is over.

use super::{Mailbox, listen};
use crate::ending::Request;
use crate::error::{Error, host};
use event_manager::{EventOps, EventSet, Events, MutEventSubscriber};
use std::time::Duration;
use vmm_sys_util::timerfd::TimerFd;

pub struct Timer {
    fd: TimerFd,
    after: Duration,
    mailbox: Mailbox,
}

impl Timer {
    /// Starts to count now.
    pub fn new(after: Duration, mailbox: Mailbox) -> Result<Self, Error> {
        let failed = |e: vmm_sys_util::errno::Error| host("timer")(e.into());
        let mut fd = TimerFd::new().map_err(failed)?;
        // Below a nanosecond it would never fire.
        fd.reset(after.max(Duration::from_nanos(1)), None).map_err(failed)?;
        Ok(Self { fd, after, mailbox })
    }
}

impl MutEventSubscriber for Timer {
    fn process(&mut self, events: Events, ops: &mut EventOps<'_>) {
        let _ = ops.remove(events);
        self.mailbox.request(Request::Timeout(self.after));
    }
    fn init(&mut self, ops: &mut EventOps<'_>) {
        listen(ops, Events::new(&self.fd, EventSet::IN));
    }
}
