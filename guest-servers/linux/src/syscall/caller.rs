//! A system call's caller, as files and terminals see it.

use super::Ctx;
use crate::exec::{Interrupt, Timers};
use crate::fs::{Caller, Time};
use crate::process::Pid;
use crate::signal::info::SigInfo;
use crate::signal::set::Signal;
use vmm_abi::trace;

impl Caller for Ctx {
    fn process(&self) -> u32 {
        self.proc.pid as u32
    }
    fn process_group(&self) -> u32 {
        self.proc.pgid.get() as u32
    }
    fn session(&self) -> u32 {
        self.proc.sid.get() as u32
    }
    fn now(&self) -> Time {
        Time::from_ns(self.server.machine.wall_ns())
    }
    fn timers(&self) -> &Timers {
        &self.server.timers
    }
    fn interrupt(&self) -> &Interrupt {
        &self.thread.interrupt
    }
    fn shuts_out(&self, signal: u32) -> bool {
        Signal::new(signal as u64).is_some_and(|s| {
            self.thread.mask.get().contains(s) || self.proc.actions.borrow().get(s).is_ignore()
        })
    }
    fn group_is_orphaned(&self) -> bool {
        self.server.is_orphaned(self.proc.pgid.get())
    }
    fn signal_group(&self, group: u32, signal: u32) {
        if let (Ok(group), Some(signal)) = (Pid::try_from(group), Signal::new(signal as u64)) {
            self.server.send_group_signal(group, SigInfo::kernel(signal));
        }
    }
    fn signal_self(&self, signal: u32) {
        if let Some(signal) = Signal::new(signal as u64) {
            // Ordinary signals always fit.
            let _ = self.server.send_thread_signal(&self.thread, SigInfo::user(signal, self.proc.pid, 0));
        }
    }
    fn record(&self, event: u8, argument: u64) {
        self.server.machine.record_for(self.thread.l4.get(), trace::Event::user(event), argument);
    }
    fn file_size_limit(&self) -> u64 {
        self.proc.limits.borrow().file_size()
    }
}
