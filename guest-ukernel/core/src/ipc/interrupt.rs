//! Interrupts as messages: who gets them, and when.

use ukernel_abi::ThreadId;
use ukernel_abi::call::Status;
use ukernel_abi::msg::{Label, Tag};
use ukernel_abi::utcb::RunState;

use super::message::arrive;
use super::{Env, finish, make_ready};
use crate::thread::ThreadRef;

/// An interrupt has come on `line`.
pub fn interrupt(env: &impl Env, line: u8) {
    let Some(owner) = env.irqs().owner(line) else { return };
    env.own(owner);
    if owner.state.get() == RunState::Receiving && owner.listens_to(ThreadId::irq(line)) {
        // It would not wait if one had come before.
        env.timeouts().remove(owner);
        deliver(env, owner, line, 1);
    } else {
        env.irqs().raise(line);
    }
}

/// Tasks have lost the right to some of `lines` (bit n: line n). Threads that were attached to one without having the right any more are detached.
#[cold]
pub fn lose_lines(env: &impl Env, lines: u64) {
    for line in (0..u64::BITS as u8).filter(|line| lines >> line & 1 != 0) {
        let Some(owner) = env.irqs().owner(line).filter(|&owner| !env.may_attach(owner, line)) else {
            continue;
        };
        env.irqs().release(line);
        env.irq_attached(line, false);
        if owner.state.get() == RunState::Receiving && owner.partner.get() == ThreadId::irq(line) {
            // Nothing could ever come.
            env.timeouts().remove(owner);
            finish(env, owner, Status::Denied);
        }
    }
}

pub(super) fn deliver(env: &impl Env, t: ThreadRef, line: u8, count: u64) {
    t.frame.rbx.set(line as u64);
    t.frame.rdi.set(count);
    arrive(t, ThreadId::irq(line), Tag::new(Label::INTERRUPT, 2, 0));
    make_ready(env, t);
}

/// Attach `t` to `line` if it is not yet. Returns how many interrupts have come, if any have.
pub(super) fn attach(env: &impl Env, t: ThreadRef, line: u8) -> Result<Option<u64>, Status> {
    if !env.may_attach(t, line) {
        return Err(Status::Denied);
    }
    let fresh = env.irqs().owner(line).is_none();
    if !env.irqs().attach(line, t) {
        return Err(Status::Denied);
    }
    if fresh {
        env.irq_attached(line, true);
    }
    Ok(env.irqs().take(line))
}
