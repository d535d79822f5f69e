//! How much kernel memory this server can use: all of it is used, by tasks and threads, and given back.

use alloc::vec::Vec;
use ukernel_abi::call::{ex_regs, task_new};
use userlib::task::{self, NewTask};
use userlib::thread::ExRegs;
use userlib::{Me, ThreadId};

/// More than there are.
const NO_LIMIT: u64 = u32::MAX as u64;

/// Tasks that can be made, and threads of the last of them, as one number: different if a single frame is missing.
pub fn measure(me: Me) -> u64 {
    let mut tasks: Vec<ThreadId> = Vec::new();
    let new = NewTask {
        flags: task_new::STOPPED,
        ip: 0,
        sp: 0,
        pager: me.id,
        handler: me.id,
        kernel_frames: NO_LIMIT,
        priority: 0,
    };
    while let Ok(made) = new.make() {
        tasks.push(made);
    }
    let threads = tasks.last().map_or(0, |last| threads(*last));
    for made in &tasks {
        // It has just been made by this server.
        let _ = task::delete(*made);
    }
    tasks.len() as u64 * ThreadId::LTHREADS as u64 + threads
}

/// Threads that can be made in a task until something is missing.
fn threads(task: ThreadId) -> u64 {
    let make = |n| ExRegs::new(ex_regs::CREATE).apply(ThreadId::new(task.task(), n, 1));
    let made = (1..ThreadId::LTHREADS as u16).map(make).take_while(Result::is_ok);
    made.count() as u64
}
