//! How communication ends before its time: by a timeout, by `lthread_ex_regs`, by a death.

use ukernel_abi::ThreadId;
use ukernel_abi::call::Status;
use ukernel_abi::utcb::RunState;

use super::fault::helpless;
use super::{Env, SEND_LINK, finish, make_ready, stop_timeout, strings};
use crate::thread::{Outgoing, ThreadRef};

/// Complete what has waited longer than it wanted to.
pub fn expire(env: &impl Env, now: u64) {
    while let Some(t) = env.timeouts().pop_due(now) {
        env.own(t);
        if strings::abort(env, t, Status::TransferTimeout, Status::TransferTimeout) {
            continue;
        }
        match t.state.get() {
            RunState::Sending => {
                leave_send_queue(env, t);
                finish(env, t, Status::SendTimeout);
            }
            RunState::Receiving => finish(env, t, Status::ReceiveTimeout),
            _ => {}
        }
    }
}

/// End whatever communication `t` is in; it is ready afterwards.
pub fn cancel(env: &impl Env, t: ThreadRef) {
    if strings::abort(env, t, strings::cancelled(t), Status::TransferAborted) {
        return;
    }
    env.timeouts().remove(t);
    match t.state.get() {
        RunState::Sending => {
            leave_send_queue(env, t);
            match t.outgoing.get() {
                Outgoing::Ipc => finish(env, t, Status::SendCancelled),
                _ => make_ready(env, t),
            }
        }
        // Nobody could help it: its fault is over.
        RunState::Receiving if t.partner.get().is_nil() => make_ready(env, t),
        RunState::Receiving => finish(env, t, Status::ReceiveCancelled),
        state if state.waits_for_answer() => {
            t.complete_foreign();
            make_ready(env, t);
        }
        // Ready; in other states it is only during a transfer.
        _ => {}
    }
}

/// Take `t`, which dies, out of all communication. Those who wait for it hear of it.
/// Its identifier must not be found any more.
pub fn kill(env: &impl Env, t: ThreadRef, id: ThreadId) {
    strings::abort(env, t, Status::TransferAborted, Status::TransferAborted);
    env.timeouts().remove(t);
    if t.state.get() == RunState::Sending {
        leave_send_queue(env, t);
    }
    t.state.set(RunState::Receiving);
    t.stopped.set(true);
    while let Some(s) = t.senders.first() {
        env.own(s);
        t.senders.remove(s, SEND_LINK);
        stop_timeout(env, s);
        s.partner.set(ThreadId::NIL);
        match s.outgoing.get() {
            Outgoing::Ipc => finish(env, s, Status::NotExistent),
            _ => helpless(env, s),
        }
    }
    if t.waited_for.get() {
        env.for_each_thread(&mut |w| {
            if !w.is_partner(id) || core::ptr::eq(w, t) {
                return;
            }
            env.own(w);
            match w.state.get() {
                RunState::Receiving => {
                    env.timeouts().remove(w);
                    finish(env, w, Status::Aborted);
                }
                state if state.waits_for_answer() => helpless(env, w),
                _ => {}
            }
        });
    }
    env.irqs().detach(t, |line| env.irq_attached(line, false));
    env.forget(t);
}

pub(super) fn leave_send_queue(env: &impl Env, t: ThreadRef) {
    if let Some(to) = env.thread(t.partner.get()) {
        to.senders.remove(t, SEND_LINK);
    }
}
