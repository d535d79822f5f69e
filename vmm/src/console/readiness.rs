//! One descriptor to wait for, for all that a port waits for.
//!
//! A device is woken when a source becomes ready for *reading*. A port also wants to hear of room for writing, and of somebody who connects;
//! so its source is an epoll descriptor of its own, which is ready for reading when anything in it has happened. Nobody takes the events
//! out: that something happened is all there is to know, and the port looks for itself.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};

/// What a port waits for.
pub struct Readiness(Epoll);

impl Readiness {
    pub fn new() -> io::Result<Self> {
        Epoll::new().map(Self)
    }

    /// Waits for `file` too, until it is closed: for something to read, and with `writing` for room to write. What cannot be waited for, such as a regular file, is
    /// always ready, and left out.
    pub fn add(&self, file: &impl AsRawFd, writing: bool) -> io::Result<()> {
        let direction = if writing { EventSet::IN | EventSet::OUT } else { EventSet::IN };
        self.control(file, direction | EventSet::READ_HANG_UP)
    }

    /// Waits for room to write to `file`.
    pub fn add_output(&self, file: &impl AsRawFd) -> io::Result<()> {
        self.control(file, EventSet::OUT)
    }

    fn control(&self, file: &impl AsRawFd, events: EventSet) -> io::Result<()> {
        let event = EpollEvent::new(events | EventSet::EDGE_TRIGGERED, 0);
        match self.0.ctl(ControlOperation::Add, file.as_raw_fd(), event) {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => Ok(()),
            done => done,
        }
    }

    /// The descriptor to wait for.
    pub fn source(&self) -> io::Result<OwnedFd> {
        // SAFETY: the descriptor is open for as long as it is borrowed here.
        unsafe { BorrowedFd::borrow_raw(self.0.as_raw_fd()) }.try_clone_to_owned()
    }
}
