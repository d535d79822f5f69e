//! What the debugger waits for: that something has happened in the machine, or that it takes too long.

use crate::debug::control::Control;
use crate::debug::debuggee::Error;
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How long one thread may be alone. What it waits for may need the others.
const ALONE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
const NEVER: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

pub struct Wake {
    both: OwnedFd,
    timer: OwnedFd,
}

impl Wake {
    pub fn new(control: &Control) -> Result<Self, Error> {
        Self::make(control).map_err(|error| Error::Other(format!("waiting for the machine: {error}")))
    }

    fn make(control: &Control) -> Result<Self, Errno> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let both = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for fd in [control.ready(), timer.as_fd()] {
            epoll::add(&both, fd, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
        }
        Ok(Self { both, timer })
    }

    /// Readable when there is something to look at.
    pub fn ready(&self) -> BorrowedFd<'_> {
        self.both.as_fd()
    }

    /// One thread is alone from now on, or not any more.
    pub fn alone(&self, alone: bool) {
        let after = Itimerspec { it_interval: NEVER, it_value: if alone { ALONE } else { NEVER } };
        // A time that is no good is the only thing that it refuses.
        let _ = timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &after);
    }

    /// Whether it has taken too long, once.
    pub fn is_late(&self) -> bool {
        rustix::io::read(&self.timer, &mut [0; 8]).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Mailbox;
    use rustix::event::{PollFd, PollFlags, poll};

    #[test]
    fn it_wakes_for_what_happens_and_when_it_takes_too_long() {
        let control = Control::new(&[], false, Mailbox::new().unwrap().0).unwrap();
        let wake = Wake::new(&control).unwrap();
        let wait = |seconds: i64| {
            let mut fds = [PollFd::from_borrowed_fd(wake.ready(), PollFlags::IN)];
            poll(&mut fds, Some(&Timespec { tv_sec: seconds, tv_nsec: 0 })).unwrap() == 1
        };
        assert!(!wait(0));
        control.notify();
        assert!(wait(0) && !wake.is_late());
        control.traps();
        wake.alone(true);
        assert!(wait(20) && wake.is_late() && !wake.is_late() && !wait(0));
    }
}
