//! The time that processes use.
//!
//! The time from an answer to a process until its next message is its user time, what the server does about the message its system time: on one
//! processor that is a good estimate, and it costs no timer. It is counted in ticks of the TSC ([`Machine::ticks`]), and made nanoseconds when
//! somebody asks.

use crate::machine::Machine;
use core::cell::Cell;

/// Time used, in nanoseconds.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Times {
    pub user_ns: u64,
    pub system_ns: u64,
}

impl Times {
    pub fn plus(self, other: Self) -> Self {
        Self {
            user_ns: self.user_ns.saturating_add(other.user_ns),
            system_ns: self.system_ns.saturating_add(other.system_ns),
        }
    }
}

/// What a process has used so far, in ticks.
#[derive(Default)]
pub struct Usage {
    user: Cell<u64>,
    system: Cell<u64>,
}

impl Usage {
    pub fn times(&self, machine: &dyn Machine) -> Times {
        Times {
            user_ns: machine.ticks_to_ns(self.user.get()),
            system_ns: machine.ticks_to_ns(self.system.get()),
        }
    }
}

/// Who used the time between the server's events.
#[derive(Default)]
pub struct Meter {
    /// Reading when the last event had been dealt with.
    done: Cell<u64>,
    idle: Cell<u64>,
}

impl Meter {
    /// A message of a process has come, or something else has happened.
    pub fn received(&self, by: Option<&Usage>, now: u64) {
        add(by.map_or(&self.idle, |usage| &usage.user), self.done.get(), now);
    }

    /// What came at `received` has been dealt with.
    pub fn done(&self, by: Option<&Usage>, received: u64, now: u64) {
        if let Some(usage) = by {
            add(&usage.system, received, now);
        }
        self.done.set(now);
    }

    /// Ticks in which no process ran, as far as that is known.
    pub fn idle(&self) -> u64 {
        self.idle.get()
    }
}

fn add(sum: &Cell<u64>, from: u64, to: u64) {
    sum.set(sum.get() + to.saturating_sub(from));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::mock::MockMachine;

    #[test]
    fn time_belongs_to_who_comes_by_next() {
        let (meter, a, b) = (Meter::default(), Usage::default(), Usage::default());
        for (usage, received, done) in
            [(None, 10, 12), (Some(&a), 20, 25), (Some(&b), 100, 101), (None, 105, 106)]
        {
            meter.received(usage, received);
            meter.done(usage, received, done);
        }
        let machine = MockMachine::new(1);
        assert_eq!(a.times(&*machine), Times { user_ns: 8, system_ns: 5 });
        assert_eq!(b.times(&*machine), Times { user_ns: 75, system_ns: 1 });
        assert_eq!(meter.idle(), 10 + 4);
    }

    #[test]
    fn a_counter_that_goes_back_takes_nothing_back() {
        let (meter, usage) = (Meter::default(), Usage::default());
        meter.done(None, 0, 100);
        meter.received(Some(&usage), 90);
        meter.done(Some(&usage), 90, 80);
        assert_eq!(usage.times(&*MockMachine::new(1)), Times::default());
    }
}
