//! What comes from outside while the guest runs: the thread that waits for it, and where it goes.
//!
//! The main thread is the event loop (`event-manager`). Whatever ends the run is put into a [`Mailbox`]; everything else
//! is dealt with on the spot.
//!
//! - [`input`]: standard input → the guest's console
//! - [`escape`]: the keys that are for us
//! - [`signals`]: signals that we get
//! - [`timer`]: the end of `--timeout`
//! - [`watchdog`]: the end of `--boot-timeout`

pub mod escape;
pub mod input;
pub mod signals;
pub mod timer;
pub mod watchdog;

use crate::ending::Request;
use crate::error::{Error, host};
use event_manager::{EventOps, EventSet, Events, MutEventSubscriber};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use vmm_sys_util::eventfd::EventFd;

/// What ends a run.
#[derive(Debug)]
pub enum Notice {
    /// This vCPU has stopped.
    Stopped(usize),
    /// The machine is to be stopped.
    Request(Request),
}

/// Where notices are put, from any thread. Wakes the event loop.
#[derive(Clone)]
pub struct Mailbox {
    sender: Sender<Notice>,
    wake: Arc<EventFd>,
}

impl Mailbox {
    /// A mailbox, its other end, and what the event loop must listen to.
    pub fn new() -> Result<(Self, Receiver<Notice>, Wake), Error> {
        let wake = Arc::new(eventfd()?);
        let (sender, receiver) = channel();
        Ok((Self { sender, wake: wake.clone() }, receiver, Wake(wake)))
    }

    pub fn send(&self, notice: Notice) {
        // Without a receiver the run is over already. The wake-up fails only if as many are pending as fit into 64 bits.
        let _ = self.sender.send(notice);
        let _ = self.wake.write(1);
    }

    pub fn request(&self, request: Request) {
        self.send(Notice::Request(request));
    }
}

/// An eventfd that never blocks.
pub fn eventfd() -> Result<EventFd, Error> {
    EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC).map_err(host("eventfd"))
}

/// Does nothing but end the wait.
pub struct Wake(Arc<EventFd>);

impl MutEventSubscriber for Wake {
    fn process(&mut self, _: Events, _: &mut EventOps<'_>) {
        let _ = self.0.read();
    }
    fn init(&mut self, ops: &mut EventOps<'_>) {
        listen(ops, Events::new(&*self.0, EventSet::IN));
    }
}

/// Listens to `events`; false if that file cannot be waited for.
pub fn listen(ops: &mut EventOps<'_>, events: Events) -> bool {
    match ops.add(events) {
        Ok(()) => true,
        Err(error) => {
            tracing::debug!(%error, "cannot wait for a file descriptor");
            false
        }
    }
}
