//! Page faults, exceptions, foreign system calls and the ends of time slices: calls that the kernel makes in a thread's name.

use ukernel_abi::ThreadId;
use ukernel_abi::call::Status;
use ukernel_abi::utcb::RunState;

use super::message::transfer;
use super::{Env, make_ready, strings, wait_to_send};
use crate::clan;
use crate::thread::{Outgoing, ThreadRef};

/// Send a fault of `me`'s to its pager or handler and let it wait for the answer.
pub fn fault(env: &impl Env, me: ThreadRef, outgoing: Outgoing) {
    me.outgoing.set(outgoing);
    me.in_name_of.set(ThreadId::NIL);
    let dest = match outgoing {
        Outgoing::PageFault { .. } => me.pager.get(),
        Outgoing::Preemption { .. } => me.preempter.get(),
        _ => me.handler.get(),
    };
    let to = reachable(env, me, dest);
    if let Some(to) = to {
        to.waited_for.set(true);
    }
    match to {
        None => helpless(env, me),
        Some(to) if to.state.get() == RunState::Receiving && to.accepts(me.id.get()) => {
            // A message of the kernel's has no items, so it cannot fail.
            let _sent = transfer(env, me, to);
            await_answer(me, to);
        }
        Some(to) => wait_to_send(me, to),
    }
}

/// The time slice of `t`, which runs, has ended at `now` (TSC): its preempter hears of it, if it has one, and decides when it goes on.
pub fn slice_ended(env: &impl Env, t: ThreadRef, now: u64) {
    let preempter = t.preempter.get();
    if !preempter.is_nil()
        && t.state.get() == RunState::Ready
        && t.is_runnable()
        && reachable(env, t, preempter).is_some()
    {
        fault(env, t, Outgoing::Preemption { now });
    }
}

/// The thread `id`, if `me` can send to it without passing a chief.
#[inline(always)]
fn reachable(env: &impl Env, me: ThreadRef, id: ThreadId) -> Option<ThreadRef> {
    let to = env.thread(id)?;
    if core::ptr::eq(to, me) || !clan::may_send(me, to) { None } else { Some(to) }
}

/// The fault of `s` has been received: it waits for the answer of `to`, whoever its pager or handler is by now.
pub(super) fn await_answer(s: ThreadRef, to: ThreadRef) {
    s.partner.set(to.id.get());
    s.state.set(match s.outgoing.get() {
        Outgoing::PageFault { .. } => RunState::PageFault,
        Outgoing::Exception { .. } => RunState::Exception,
        Outgoing::Preemption { .. } => RunState::Preempted,
        Outgoing::Foreign | Outgoing::Ipc => RunState::Foreign,
    });
}

/// Nobody can answer what the kernel has sent, or would send, in the name of `t`.
pub(super) fn helpless(env: &impl Env, t: ThreadRef) {
    // What has been received says by the state what it was; the fast path leaves `outgoing` as it is.
    let preempted = match t.state.get() {
        state if state.waits_for_answer() => state == RunState::Preempted,
        _ => matches!(t.outgoing.get(), Outgoing::Preemption { .. }),
    };
    if preempted {
        return make_ready(env, t);
    }
    if !strings::abort(env, t, Status::TransferAborted, Status::TransferAborted) {
        orphan(env, t);
    }
}

/// Nobody can answer the fault of `t`.
fn orphan(env: &impl Env, t: ThreadRef) {
    t.complete_foreign();
    t.state.set(RunState::Receiving);
    t.partner.set(ThreadId::NIL);
    t.stopped.set(true);
    env.orphaned(t);
}
