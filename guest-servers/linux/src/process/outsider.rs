//! Somebody who uses files and is no process: who starts the first program, or a debugger.

use super::Pid;
use crate::exec::{Interrupt, Timers};
use crate::fs::{Caller, Time};
use crate::machine::Machine;
use alloc::rc::Rc;

/// It never waits, and nobody can send it anything.
pub struct Outsider {
    /// In whose place it stands, as far as `/proc/self` and terminals are concerned.
    process: Pid,
    machine: Rc<dyn Machine>,
    timers: Timers,
    interrupt: Interrupt,
}

impl Outsider {
    pub fn new(process: Pid, machine: Rc<dyn Machine>, timers: Timers) -> Self {
        Self { process, machine, timers, interrupt: Interrupt::new() }
    }
}

impl Caller for Outsider {
    fn process(&self) -> u32 {
        self.process as u32
    }
    fn process_group(&self) -> u32 {
        self.process as u32
    }
    fn session(&self) -> u32 {
        self.process as u32
    }
    fn now(&self) -> Time {
        Time::from_ns(self.machine.wall_ns())
    }
    fn timers(&self) -> &Timers {
        &self.timers
    }
    fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }
    fn shuts_out(&self, _signal: u32) -> bool {
        true
    }
    fn group_is_orphaned(&self) -> bool {
        false
    }
    fn signal_group(&self, _group: u32, _signal: u32) {}
    fn signal_self(&self, _signal: u32) {}
    fn record(&self, _event: u8, _argument: u64) {}
}
