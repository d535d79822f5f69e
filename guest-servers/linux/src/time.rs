//! Time as programs see it: units, and the one timer that every process has.

use crate::bytes::{put_u64, u64_at};
use crate::errno::Errno;
use crate::exec::{Executor, TaskId};
use crate::process::Pid;
use crate::server::Server;
use crate::signal::info::SigInfo;
use crate::signal::set::Signal;
use alloc::rc::Rc;

pub const NS_PER_SEC: u64 = 1_000_000_000;
/// Unit of times(2) and of `/proc`: ticks a second (`USER_HZ`).
pub const CLOCK_TICKS: u64 = 100;
/// Size of `struct timespec` and `struct timeval`.
pub const TIMESPEC_SIZE: usize = 16;

/// Reads a `struct timespec` as nanoseconds. EINVAL if it is not a valid time; a time too long for the clock is its end.
pub fn timespec_ns(b: &[u8; TIMESPEC_SIZE]) -> Result<u64, Errno> {
    to_ns(b, 1)
}

/// Reads a `struct timeval`.
pub fn timeval_ns(b: &[u8; TIMESPEC_SIZE]) -> Result<u64, Errno> {
    to_ns(b, 1000)
}

fn to_ns(b: &[u8; TIMESPEC_SIZE], unit: u64) -> Result<u64, Errno> {
    let (seconds, part) = (u64_at(b, 0), u64_at(b, 8));
    if seconds > i64::MAX as u64 || part >= NS_PER_SEC / unit {
        return Err(Errno::EINVAL);
    }
    Ok(seconds.saturating_mul(NS_PER_SEC).saturating_add(part * unit))
}

/// Nanoseconds as a `struct timespec`.
pub fn to_timespec(ns: u64) -> [u8; TIMESPEC_SIZE] {
    let mut b = [0; TIMESPEC_SIZE];
    put_u64(&mut b, 0, ns / NS_PER_SEC);
    put_u64(&mut b, 8, ns % NS_PER_SEC);
    b
}

/// Nanoseconds as a `struct timeval`.
pub fn to_timeval(ns: u64) -> [u8; TIMESPEC_SIZE] {
    let mut b = [0; TIMESPEC_SIZE];
    put_u64(&mut b, 0, ns / NS_PER_SEC);
    put_u64(&mut b, 8, ns % NS_PER_SEC / 1000);
    b
}

/// A timer repeats at most this often (a tick, as in a Linux without high-resolution timers). Where delivering a signal takes
/// milliseconds, a program with a faster one would do nothing but take signals.
const MIN_INTERVAL: u64 = NS_PER_SEC / CLOCK_TICKS;

/// The real-time interval timer of a process (setitimer(2), alarm(2)).
#[derive(Default, Debug)]
pub struct RealTimer {
    /// When it goes off next, on the monotonic clock; 0: it does not.
    deadline: u64,
    interval: u64,
    task: Option<TaskId>,
}

impl RealTimer {
    /// Nanoseconds until it goes off (0: never), and the interval.
    pub fn remaining(&self, now: u64) -> (u64, u64) {
        // A timer that is about to go off has something left, or it would look disarmed.
        let left = if self.deadline == 0 { 0 } else { self.deadline.saturating_sub(now).max(1) };
        (left, self.interval)
    }
    pub fn cancel(&mut self, executor: &Executor) {
        if let Some(task) = self.task.take() {
            executor.cancel(task);
        }
        (self.deadline, self.interval) = (0, 0);
    }
}

impl Server {
    /// Sets a process's timer to go off in `after` nanoseconds (0: not at all) and then every `interval`.
    pub fn set_real_timer(self: &Rc<Self>, pid: Pid, after: u64, interval: u64) -> Result<(), Errno> {
        let process = self.processes.find(pid)?;
        process.real_timer.borrow_mut().cancel(&self.executor);
        if after == 0 {
            return Ok(());
        }
        let deadline = self.machine.monotonic_ns().saturating_add(after);
        let server = self.clone();
        let task = self.executor.spawn(async move { server.run_real_timer(pid).await })?;
        *process.real_timer.borrow_mut() = RealTimer { deadline, interval, task: Some(task) };
        Ok(())
    }

    async fn run_real_timer(self: Rc<Self>, pid: Pid) {
        loop {
            let Some(deadline) = self.processes.get(pid).map(|p| p.real_timer.borrow().deadline) else {
                return;
            };
            self.timers.sleep_until(deadline).await;
            let Some(process) = self.processes.get(pid) else { return };
            let again = {
                let mut timer = process.real_timer.borrow_mut();
                let again = timer.interval != 0;
                timer.deadline = if again {
                    next_after(deadline, timer.interval.max(MIN_INTERVAL), self.timers.now())
                } else {
                    0
                };
                again
            };
            // SIGALRM is an ordinary signal: it always fits.
            let _ = self.send_signal(&process, SigInfo::kernel(Signal::SIGALRM));
            if !again {
                return;
            }
        }
    }
}

/// The first time after `now` that is a whole number of intervals after `deadline`.
fn next_after(deadline: u64, interval: u64, now: u64) -> u64 {
    let late = now.saturating_sub(deadline);
    deadline.saturating_add((late / interval).saturating_add(1).saturating_mul(interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions() {
        assert_eq!(timespec_ns(&to_timespec(1_500_000_007)), Ok(1_500_000_007));
        assert_eq!(timeval_ns(&to_timeval(1_500_007_999)), Ok(1_500_007_000));
        let mut b = to_timespec(0);
        put_u64(&mut b, 8, NS_PER_SEC);
        assert_eq!(timespec_ns(&b), Err(Errno::EINVAL));
        put_u64(&mut b, 0, u64::MAX);
        assert_eq!(timespec_ns(&b), Err(Errno::EINVAL), "negative");
        put_u64(&mut b, 0, i64::MAX as u64);
        put_u64(&mut b, 8, 0);
        assert_eq!(timespec_ns(&b), Ok(u64::MAX), "saturates");
    }

    #[test]
    fn intervals_are_kept_when_late() {
        assert_eq!(next_after(100, 10, 100), 110);
        assert_eq!(next_after(100, 10, 135), 140);
        assert_eq!(next_after(u64::MAX - 1, u64::MAX, u64::MAX), u64::MAX);
    }
}
