//! `thread_schedule`: reads and sets priority and time slice.

use ukernel_abi::ThreadId;
use ukernel_abi::call::{Status, schedule};
use ukernel_core::thread::ThreadRef;

use crate::kernel::kernel;
use crate::task;

/// Shortest time slice: below this the timer would do little else.
const MIN_SLICE_US: u64 = 200;

const ALL: u64 = schedule::SET_PRIORITY | schedule::SET_TIMESLICE | schedule::SET_CPU;

/// r12 = thread, rbx = flags, rdi = priority, rsi = time slice (µs), rdx = CPU. Out: the old values, and the state in rbx.
pub fn call(me: ThreadRef) -> Status {
    let frame = &me.frame;
    let (flags, priority, slice, cpu) = (frame.rbx.get(), frame.rdi.get(), frame.rsi.get(), frame.rdx.get());
    let bad_slice = flags & schedule::SET_TIMESLICE != 0 && !(MIN_SLICE_US..u32::MAX as u64).contains(&slice);
    let bad_cpu = flags & schedule::SET_CPU != 0 && cpu >= kernel().smp.count().into();
    if flags & !ALL != 0 || bad_slice || bad_cpu {
        return Status::BadArgument;
    }
    let t = match task::controlled(me, ThreadId(frame.r12.get())) {
        Ok(t) => t,
        Err(status) => return status,
    };
    let old_priority = t.priority.get();
    let old_slice = kernel().clock.microseconds(t.timeslice.get());
    if flags & schedule::SET_PRIORITY != 0 {
        if priority > me.priority.get() as u64 {
            return Status::Denied;
        }
        kernel().smp.own(t).sched.requeue(t, priority as u8);
    }
    if flags & schedule::SET_TIMESLICE != 0 {
        t.timeslice.set(kernel().clock.ticks(slice as u32));
    }
    frame.rdx.set(t.cpu.get().into());
    if flags & schedule::SET_CPU != 0 {
        kernel().smp.migrate(t, cpu as u32);
    }
    frame.rbx.set(t.run_state());
    frame.rdi.set(old_priority as u64);
    frame.rsi.set(old_slice);
    Status::Ok
}
