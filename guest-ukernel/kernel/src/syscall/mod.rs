//! The seven system calls.
//!
//! All but `ipc` complete at once: they return their status, which goes into rax, and put further results into the caller's
//! registers. `ipc` completes when its partners have come; [`ukernel_core::ipc`] sets its registers then.

mod fpage_unmap;
mod id_nearest;
mod lthread_ex_regs;
mod task_new;
mod thread_schedule;
mod thread_switch;

use ukernel_abi::call::{Call, L4_CALL, Status};
use ukernel_core::thread::ThreadRef;

use crate::kernel::kernel;

type Handler = fn(ThreadRef) -> Status;

/// By call number from [`Call::IdNearest`] on.
const HANDLERS: [Handler; 6] = [
    id_nearest::call,
    fpage_unmap::call,
    thread_switch::call,
    thread_schedule::call,
    lthread_ex_regs::call,
    task_new::call,
];

const _: () = assert!(Call::Ipc as u64 == 0 && Call::TaskNew as u64 == HANDLERS.len() as u64);

/// Number of the call in rax: what is left of the low half when the mark is taken off.
fn number(rax: u64) -> u64 {
    rax & 0xffff_ffff & !L4_CALL
}

/// The L4 call of `me`.
pub fn l4_call(me: ThreadRef) {
    let n = number(me.frame.rax.get());
    if n == Call::Ipc as u64 {
        return ukernel_core::ipc::ipc(kernel(), me);
    }
    let id = me.id.get();
    let status = match HANDLERS.get(n as usize - 1) {
        Some(handler) => handler(me),
        None => Status::NoSuchCall,
    };
    // A thread that has deleted itself has no registers any more.
    if me.id.get() == id {
        me.frame.rax.set(status as u64);
    }
}
