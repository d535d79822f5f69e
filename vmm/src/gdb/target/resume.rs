//! How to go on: what gdb says for each thread becomes one [`Plan`](crate::debug::debuggee::Plan).
//!
//! The whole machine runs, or one thread steps alone. gdb can also ask for one process to run without the others (it does unless
//! `schedule-multiple` is on), or for one thread alone to run (`scheduler-locking`): processes that serve each other would stand still for ever,
//! so all run then.

use super::Target;
use super::threads::thread;
use crate::debug::debuggee::Plan;
use crate::gdb::signal;
use gdbstub::common::{Signal, Tid};
use gdbstub::target::ext::base::multithread::{
    MultiThreadRangeStepping, MultiThreadRangeSteppingOps, MultiThreadResume, MultiThreadSchedulerLocking,
    MultiThreadSchedulerLockingOps, MultiThreadSingleStep, MultiThreadSingleStepOps,
};

impl Target<'_> {
    fn pass(&mut self, tid: Tid, signal: Option<Signal>) {
        if let Some(number) = signal.and_then(signal::to_linux) {
            self.plan.signal = Some((thread(tid), number));
        }
    }
}

impl MultiThreadResume for Target<'_> {
    /// Never fails here: what comes of it is in [`Target::resumed`].
    fn resume(&mut self) -> Result<(), Self::Error> {
        self.points.settle(&mut **self.debuggee.get_mut());
        let plan = std::mem::take(&mut self.plan);
        self.resumed = Some(self.debuggee().resume(plan));
        Ok(())
    }

    fn clear_resume_actions(&mut self) -> Result<(), Self::Error> {
        self.plan = Plan::default();
        Ok(())
    }

    fn set_resume_action_continue(&mut self, tid: Tid, signal: Option<Signal>) -> Result<(), Self::Error> {
        self.pass(tid, signal);
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_range_step(&mut self) -> Option<MultiThreadRangeSteppingOps<'_, Self>> {
        Some(self)
    }

    fn support_scheduler_locking(&mut self) -> Option<MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadSingleStep for Target<'_> {
    fn set_resume_action_step(&mut self, tid: Tid, signal: Option<Signal>) -> Result<(), Self::Error> {
        self.plan.step.push(thread(tid));
        self.pass(tid, signal);
        Ok(())
    }
}

impl MultiThreadRangeStepping for Target<'_> {
    fn set_resume_action_range_step(&mut self, tid: Tid, start: u64, end: u64) -> Result<(), Self::Error> {
        self.plan.step.push(thread(tid));
        self.plan.while_in = Some((start, end));
        Ok(())
    }
}

impl MultiThreadSchedulerLocking for Target<'_> {
    /// There is no action for the other threads.
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), Self::Error> {
        self.plan.alone = !self.plan.step.is_empty();
        Ok(())
    }
}
