//! poll and select.

use crate::errno::{Errno, Result};
use crate::exec::Timers;
use crate::fs::poll::{Events, Watch, poll as wait_for};
use crate::signal::set::SigSet;
use crate::syscall::args::Arg::{Int, PollFds, Ptr, Timespec, Uint};
use crate::syscall::{Ctx, Entry, Pending, SysResult};
use crate::time::{timespec_ns, timeval_ns, to_timespec, to_timeval};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use linux_raw_sys::general::*;

pub const CALLS: &[Entry] = &[
    Entry::wait(__NR_poll, "poll", &[PollFds, Uint, Int], poll),
    Entry::wait(__NR_ppoll, "ppoll", &[PollFds, Uint, Timespec, Ptr, Uint], ppoll),
    Entry::wait(__NR_select, "select", &[Int, Ptr, Ptr, Ptr, Ptr], select),
    Entry::wait(__NR_pselect6, "pselect6", &[Int, Ptr, Ptr, Ptr, Timespec, Ptr], pselect6),
];

/// Bytes of `struct pollfd`: `int fd`, `short events`, `short revents`.
const POLLFD_SIZE: usize = size_of::<pollfd>();

/// When the wait ends, and how the program is told what was left of its time.
struct Timeout {
    deadline: Option<u64>,
    told: Told,
}

enum Told {
    Not,
    Timespec(u64),
    Timeval(u64),
}

impl Timeout {
    fn timespec(c: &Ctx, at: u64) -> Result<Self> {
        if at == 0 {
            return Ok(Self { deadline: None, told: Told::Not });
        }
        let deadline = after(&c.server.timers, timespec_ns(&c.user().read_array(at)?)?);
        Ok(Self { deadline: Some(deadline), told: Told::Timespec(at) })
    }

    fn timeval(c: &Ctx, at: u64) -> Result<Self> {
        if at == 0 {
            return Ok(Self { deadline: None, told: Told::Not });
        }
        let deadline = after(&c.server.timers, timeval_ns(&c.user().read_array(at)?)?);
        Ok(Self { deadline: Some(deadline), told: Told::Timeval(at) })
    }

    fn milliseconds(c: &Ctx, ms: i32) -> Self {
        let deadline = u64::try_from(ms).ok().map(|ms| after(&c.server.timers, ms * 1_000_000));
        Self { deadline, told: Told::Not }
    }

    /// Linux changes the timeout in the program's memory to what is left; memory that cannot be written is no error.
    fn tell(&self, c: &Ctx) {
        let Some(deadline) = self.deadline else { return };
        let left = deadline.saturating_sub(c.server.timers.now());
        let _ = match self.told {
            Told::Not => Ok(()),
            Told::Timespec(at) => c.user().write(at, &to_timespec(left)),
            Told::Timeval(at) => c.user().write(at, &to_timeval(left)),
        };
    }
}

fn after(timers: &Timers, ns: u64) -> u64 {
    timers.now().saturating_add(ns)
}

/// Sets the mask at `at` for the duration of the call.
fn mask_signals(c: &Ctx, at: u64, size: u64) -> Result<()> {
    if at == 0 {
        return Ok(());
    }
    if size != 8 {
        return Err(Errno::EINVAL);
    }
    c.thread.set_temporary_mask(SigSet(c.user().read_u64(at)?));
    if !c.thread.deliverable(&c.proc).is_empty() {
        c.thread.interrupt.raise();
    }
    Ok(())
}

fn poll(c: Ctx) -> Pending {
    Box::pin(async move {
        let timeout = Timeout::milliseconds(&c, c.int(2));
        poll_files(&c, timeout).await
    })
}

fn ppoll(c: Ctx) -> Pending {
    Box::pin(async move {
        let timeout = Timeout::timespec(&c, c.args[2])?;
        mask_signals(&c, c.args[3], c.args[4])?;
        poll_files(&c, timeout).await
    })
}

async fn poll_files(c: &Ctx, timeout: Timeout) -> SysResult {
    let table = c.proc.files();
    let count = c.uint(1) as usize;
    if count > table.limit() {
        return Err(Errno::EINVAL);
    }
    let mut bytes = vec![0; count * POLLFD_SIZE];
    c.user().read(c.args[0], &mut bytes)?;
    let mut watches = Vec::with_capacity(count);
    // A negative descriptor is passed over: the entries that stand for files, by index.
    let mut indices = Vec::with_capacity(count);
    for (index, entry) in bytes.chunks_exact(POLLFD_SIZE).enumerate() {
        let fd = i32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]);
        let wanted = u32::from(u16::from_le_bytes([entry[4], entry[5]]));
        if fd >= 0 {
            watches.push(Watch { file: table.get_open(fd).ok(), wanted: Events::from_bits_truncate(wanted) });
            indices.push(index);
        }
    }
    let mut events = Vec::new();
    let result = wait_for(c, &watches, timeout.deadline, &mut events).await;
    timeout.tell(c);
    let ready = result?;
    for entry in bytes.chunks_exact_mut(POLLFD_SIZE) {
        entry[6..8].fill(0);
    }
    for (index, events) in indices.iter().zip(&events) {
        let at = index * POLLFD_SIZE + 6;
        bytes[at..at + 2].copy_from_slice(&(events.bits() as u16).to_le_bytes());
    }
    c.user().write(c.args[0], &bytes)?;
    Ok(ready as u64)
}

fn select(c: Ctx) -> Pending {
    Box::pin(async move {
        let timeout = Timeout::timeval(&c, c.args[4])?;
        select_files(&c, timeout).await
    })
}

fn pselect6(c: Ctx) -> Pending {
    Box::pin(async move {
        let timeout = Timeout::timespec(&c, c.args[4])?;
        if c.args[5] != 0 {
            // Pointer and size of the mask, because there is no seventh argument.
            let (mask, size) = (c.user().read_u64(c.args[5])?, c.user().read_u64(c.args[5].wrapping_add(8))?);
            mask_signals(&c, mask, size)?;
        }
        select_files(&c, timeout).await
    })
}

/// What makes a descriptor ready for each of select's three sets (`POLLIN_SET` and so on in Linux's `fs/select.c`).
const SETS: [Events; 3] = [
    Events::READABLE.union(Events::RDBAND).union(Events::HUP).union(Events::ERR),
    Events::WRITABLE.union(Events::WRBAND).union(Events::ERR),
    Events::PRI,
];

async fn select_files(c: &Ctx, timeout: Timeout) -> SysResult {
    let table = c.proc.files();
    let count = usize::try_from(c.int(0)).map_err(|_| Errno::EINVAL)?.min(crate::fs::fd_table::MAX_LIMIT);
    let size = count.div_ceil(64) * 8;
    let mut sets = [vec![0; size], vec![0; size], vec![0; size]];
    for (set, &at) in sets.iter_mut().zip(&c.args[1..4]) {
        if at != 0 {
            c.user().read(at, set)?;
        }
    }
    let mut watches = Vec::new();
    let mut fds = Vec::new();
    for fd in 0..count {
        let asked = |set: &Vec<u8>| set[fd / 8] & 1 << (fd % 8) != 0;
        let wanted: Events = sets.iter().zip(SETS).filter(|(set, _)| asked(set)).map(|(_, e)| e).collect();
        if !wanted.is_empty() {
            watches.push(Watch { file: Some(table.get_open(fd as i32)?), wanted });
            fds.push(fd);
        }
    }
    let mut events = Vec::new();
    let result = wait_for(c, &watches, timeout.deadline, &mut events).await;
    timeout.tell(c);
    result?;
    let mut ready = 0;
    for ((set, kind), &at) in sets.iter_mut().zip(SETS).zip(&c.args[1..4]) {
        let mut out = vec![0u8; size];
        for (&fd, events) in fds.iter().zip(&events) {
            let bit = 1 << (fd % 8);
            if set[fd / 8] & bit != 0 && events.intersects(kind) {
                out[fd / 8] |= bit;
                ready += 1;
            }
        }
        if at != 0 {
            c.user().write(at, &out)?;
        }
    }
    Ok(ready)
}
