//! What CPUs do for long: told in parts, while it goes on.

use super::Follower;
use super::counts::Counts;
use crate::cpu::Mode;
use crate::point::Point;
use crate::sink::{Activity, Sink, Stretch};
use std::ops::DerefMut;

impl<S: DerefMut<Target: Sink>> Follower<S> {
    /// Tells what the CPUs have done until `tsc`, which is not before the last moment. A CPU that is in the kernel for longer than `patience` is said to be idle: if it is,
    /// nobody has recorded when it went to sleep. Whatever will be told later begins here.
    pub fn cut(&mut self, tsc: u64, patience: u64) {
        if self.gaps > 0 {
            return;
        }
        for (number, cpu) in (0..).zip(&mut self.cpus) {
            let stretch = Stretch { start: cpu.since.tsc, end: tsc };
            let activity = match cpu.mode {
                Mode::User(thread) => Activity::User(thread),
                Mode::Kernel if stretch.ticks() > patience => Activity::Idle,
                Mode::Kernel => Activity::Kernel,
                Mode::Unknown => continue,
            };
            let point = Point { tsc, cpu: Some(number), counter: cpu.counter, ..Point::default() };
            let since = std::mem::replace(&mut cpu.since, point);
            self.sink.ran(number, activity, stretch, since.cost_until(&point));
            if let (Activity::Kernel, Some((thread, _))) = (activity, cpu.entered) {
                self.sink.in_kernel(thread, stretch);
            }
        }
        self.roles.make_room(|id| self.threads.has(id));
    }

    pub fn sink(&mut self) -> &mut S::Target {
        &mut self.sink
    }

    /// What there was so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Which thread each CPU runs in user mode, as far as that is known.
    pub fn running(&self) -> impl Iterator<Item = u64> {
        self.cpus.iter().filter_map(|cpu| match cpu.mode {
            Mode::User(thread) => Some(thread),
            _ => None,
        })
    }
}
