//! Waiting until files are ready: what `poll` and `select` are made of.

use alloc::rc::Rc;
use alloc::vec::Vec;

use super::context::Caller;
use super::file::File;
use crate::errno::{Errno, Result};
use crate::exec::select::wait_any;
use crate::exec::{Either, Interrupted, WaitQueue, select};
use bitflags::bitflags;
use linux_raw_sys::general as raw;

bitflags! {
    /// What a file is ready for. The values are those of `struct pollfd`.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Events: u32 {
        const IN = raw::POLLIN;
        const PRI = raw::POLLPRI;
        const OUT = raw::POLLOUT;
        const ERR = raw::POLLERR;
        const HUP = raw::POLLHUP;
        const NVAL = raw::POLLNVAL;
        const RDNORM = raw::POLLRDNORM;
        const RDBAND = raw::POLLRDBAND;
        const WRNORM = raw::POLLWRNORM;
        const WRBAND = raw::POLLWRBAND;
        const RDHUP = raw::POLLRDHUP;
        /// There is something to read.
        const READABLE = raw::POLLIN | raw::POLLRDNORM;
        /// There is room to write.
        const WRITABLE = raw::POLLOUT | raw::POLLWRNORM;
        /// What is reported although nobody asked.
        const ALWAYS = raw::POLLERR | raw::POLLHUP;
    }
}

/// One file to watch. No file stands for a bad descriptor (POLLNVAL).
#[derive(Clone)]
pub struct Watch {
    pub file: Option<Rc<File>>,
    pub wanted: Events,
}

impl Watch {
    /// What the file is ready for now, of what is wanted. `queue` gets the queues that tell when that changes.
    pub fn ready(&self, queue: &mut dyn FnMut(&WaitQueue)) -> Events {
        match &self.file {
            Some(file) => file.ops().poll(queue) & (self.wanted | Events::ALWAYS),
            None => Events::NVAL,
        }
    }
}

/// Waits until at least one of the files is ready, or the monotonic clock shows `deadline` (in ns; a past one: just look).
///
/// Puts what is ready into `events` (one for each file) and returns the number of files that are.
/// A signal ends the wait with ERESTARTNOHAND.
pub async fn poll(
    caller: &dyn Caller,
    files: &[Watch],
    deadline: Option<u64>,
    events: &mut Vec<Events>,
) -> Result<usize> {
    loop {
        let mut queues = Vec::new();
        events.clear();
        events.extend(files.iter().map(|f| f.ready(&mut |queue| queues.push(queue.clone()))));
        let ready = events.iter().filter(|e| !e.is_empty()).count();
        let timers = caller.timers();
        if ready > 0 || deadline.is_some_and(|d| d <= timers.now()) {
            return Ok(ready);
        }
        let wait = select(wait_any(&queues), timers.sleep_until_some(deadline));
        match caller.interrupt().guard(wait).await {
            Ok(_) => {}
            Err(Interrupted) => return Err(Errno::ERESTARTNOHAND),
        }
    }
}

/// Waits until one file may be ready for something new, or the deadline passes (`true`). ERESTARTSYS if a signal comes first.
pub(super) async fn wait_for_change(caller: &dyn Caller, file: &File, deadline: Option<u64>) -> Result<bool> {
    let mut queues = Vec::new();
    file.ops().poll(&mut |queue| queues.push(queue.clone()));
    let wait = select(wait_any(&queues), caller.timers().sleep_until_some(deadline));
    match caller.interrupt().guard(wait).await {
        Ok(Either::First(())) => Ok(false),
        Ok(Either::Second(())) => Ok(true),
        Err(Interrupted) => Err(Errno::ERESTARTSYS),
    }
}

/// Bytes after which a call that goes on moving data lets others have a turn.
pub const TURN: usize = 256 << 10;

/// Lets the event loop look at what has come in meanwhile, so that a long transfer neither keeps others waiting nor
/// cannot be interrupted. ERESTARTSYS if a signal has come.
pub async fn take_turns(caller: &dyn Caller) -> Result<()> {
    let timers = caller.timers();
    let turn = timers.sleep_until(timers.now().saturating_add(1));
    caller.interrupt().guard(turn).await.map_err(|Interrupted| Errno::ERESTARTSYS)
}
