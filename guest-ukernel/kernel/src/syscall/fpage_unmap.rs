//! `fpage_unmap`: takes rights away.

use ukernel_abi::call::{Status, unmap};
use ukernel_abi::{Fpage, ThreadId};
use ukernel_core::thread::ThreadRef;

use crate::kernel::kernel;
use crate::mem::MEM;
use crate::{task, tcb};

/// rbx = flexpage with the rights to take away, rdi = flags, r12 = thread of the task that is meant (`IN_TASK`).
pub fn call(me: ThreadRef) -> Status {
    let (fpage, flags) = (Fpage(me.frame.rbx.get()), me.frame.rdi.get());
    if flags & !(unmap::FLUSH | unmap::IN_TASK) != 0 {
        return Status::BadArgument;
    }
    let (space, flush) = if flags & unmap::IN_TASK == 0 {
        (tcb::space_of(me), flags & unmap::FLUSH != 0)
    } else {
        match task::controlled(me, ThreadId(me.frame.r12.get())) {
            Ok(t) => (tcb::space_of(t), true),
            Err(status) => return status,
        }
    };
    let valid = MEM.unmap(space, fpage, flush);
    kernel().rights_taken();
    if valid { Status::Ok } else { Status::BadArgument }
}
