//! `thread_switch`: gives up the rest of the time slice.

use ukernel_abi::ThreadId;
use ukernel_abi::call::Status;
use ukernel_core::ipc::Env;
use ukernel_core::thread::ThreadRef;

use crate::cpu::cpu;
use crate::kernel::kernel;

/// r12 = thread to run next if it can, or nil: any other of the caller's priority.
pub fn call(me: ThreadRef) -> Status {
    let id = ThreadId(me.frame.r12.get());
    if id.is_nil() {
        cpu().sched.yield_current();
        return Status::Ok;
    }
    let Some(t) = kernel().thread(id) else {
        return Status::NotExistent;
    };
    if !ukernel_core::clan::may_send(me, t) {
        return Status::Denied;
    }
    if t.cpu.get() == me.cpu.get() {
        cpu().sched.donate(t);
    } else {
        cpu().sched.yield_current();
    }
    Status::Ok
}
