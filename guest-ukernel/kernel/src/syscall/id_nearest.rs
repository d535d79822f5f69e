//! `id_nearest`: who a message would go to.

use ukernel_abi::ThreadId;
use ukernel_abi::call::Status;
use ukernel_core::clan;
use ukernel_core::ipc::Env;
use ukernel_core::thread::ThreadRef;

use crate::kernel::kernel;

/// r12 = thread. Out: r12 = the caller itself for nil; the thread, if a message may go there directly; else the first
/// thread of the chief that the message would go to.
pub fn call(me: ThreadRef) -> Status {
    let id = ThreadId(me.frame.r12.get());
    if id.is_nil() {
        me.frame.r12.set(me.id.get().0);
        return Status::Ok;
    }
    let Some(t) = kernel().thread(id) else {
        return Status::NotExistent;
    };
    let Some(nearest) = clan::nearest(kernel(), me, t) else {
        return Status::NotExistent;
    };
    me.frame.r12.set(nearest.id.get().0);
    Status::Ok
}
