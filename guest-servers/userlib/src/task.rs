//! Tasks: making and deleting them, and taking memory back.

use crate::gate::{self, Frame};
use ukernel_abi::call::{Timeouts, task_new, unmap};
use ukernel_abi::{Call, Fpage, Status, ThreadId};

/// A `task_new` in the making.
#[derive(Clone, Copy, Debug)]
pub struct NewTask {
    /// Of the flags in `ukernel_abi::call::task_new`; not `DELETE` and not `SET_TRAMPOLINE`.
    pub flags: u64,
    pub ip: u64,
    pub sp: u64,
    pub pager: ThreadId,
    pub handler: ThreadId,
    /// Limit of the kernel memory that the task may use, in 4-KiB frames.
    pub kernel_frames: u64,
    pub priority: u8,
}

impl NewTask {
    /// Makes the task; its first thread comes back. With `SET_REGS` or `SET_FPU` the state is in the caller's
    /// UTCB.
    pub fn make(&self) -> Result<ThreadId, Status> {
        self.make_with(self.flags, 0)
    }

    /// As [`make`](Self::make); foreign system calls of the task's first thread go on at `trampoline`.
    pub fn make_reflecting(&self, trampoline: u64) -> Result<ThreadId, Status> {
        self.make_with(self.flags | task_new::SET_TRAMPOLINE, trampoline)
    }

    fn make_with(&self, flags: u64, trampoline: u64) -> Result<ThreadId, Status> {
        let words = [
            flags & !task_new::DELETE,
            self.ip,
            self.sp,
            self.pager.0,
            self.handler.0,
            self.kernel_frames,
            self.priority.into(),
        ];
        let mut frame = Frame::new(Call::TaskNew, ThreadId::NIL, words);
        // SAFETY: a new task has no part in this one's memory.
        unsafe { gate::call(&mut frame, ThreadId(trampoline), Timeouts::ALL_NEVER) };
        frame.done().map(Frame::subject)
    }
}

/// Deletes the task that `thread` is in, of which the caller's task is the chief.
pub fn delete(thread: ThreadId) -> Result<(), Status> {
    let mut frame = Frame::new(Call::TaskNew, thread, [task_new::DELETE, 0, 0, 0, 0, 0, 0]);
    // SAFETY: only a chief can delete a task, and no task is its own chief: this task's memory stays.
    unsafe { gate::call(&mut frame, ThreadId::NIL, Timeouts::ALL_NEVER) };
    frame.done().map(|_| ())
}

/// Takes the rights of `page` away from everybody who has it from this task.
pub fn unmap_derived(page: Fpage) -> Result<(), Status> {
    fpage_unmap(page, 0, ThreadId::NIL)
}

/// Takes the rights of `page` away in the address space of `thread`'s task, of which the caller's task is the
/// chief, and from everybody who has it from there.
pub fn unmap_in(thread: ThreadId, page: Fpage) -> Result<(), Status> {
    fpage_unmap(page, unmap::IN_TASK, thread)
}

fn fpage_unmap(page: Fpage, flags: u64, thread: ThreadId) -> Result<(), Status> {
    let mut frame = Frame::new(Call::FpageUnmap, thread, [page.0, flags, 0, 0, 0, 0, 0]);
    // SAFETY: without `FLUSH`, or in another task's space, the call takes nothing from this task.
    unsafe { gate::call(&mut frame, ThreadId::NIL, Timeouts::ALL_NEVER) };
    frame.done().map(|_| ())
}
