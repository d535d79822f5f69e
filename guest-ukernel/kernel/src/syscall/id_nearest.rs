//! `id_nearest`: who a message would go to.

use ukernel_abi::ThreadId;
use ukernel_abi::call::Status;
use ukernel_core::clan;
use ukernel_core::ipc::Env;
use ukernel_core::thread::ThreadRef;

use crate::kernel::kernel;
use crate::tcb;

/// r12 = thread. Out: r12 = the caller itself for nil; the thread, if a message may go there directly; else the first
/// thread of the caller's chief.
pub fn call(me: ThreadRef) -> Status {
    let id = ThreadId(me.frame.r12.get());
    if id.is_nil() {
        me.frame.r12.set(me.id.get().0);
        return Status::Ok;
    }
    let Some(t) = kernel().thread(id) else {
        return Status::NotExistent;
    };
    if !clan::may_send(me, t) {
        let chief = tcb::find_any_version(ThreadId::new(me.chief.get(), 0, 0));
        let Some(chief) = chief else { return Status::NotExistent };
        me.frame.r12.set(chief.id.get().0);
    }
    Status::Ok
}
