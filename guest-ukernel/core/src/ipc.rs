//! The message-passing state machine.
//!
//! A call of `ipc` has a send phase, a receive phase or both. Nothing blocks inside the kernel: each step either completes or
//! leaves the thread in a state ([`RunState`]) in which its registers still hold all arguments, so the partner that
//! arrives later completes it from there. Page faults, exceptions and foreign system calls are calls that the kernel
//! makes in the thread's name: a send phase, then a closed receive from the pager or handler.
//!
//! - this file: the system call, and what it needs of the kernel ([`Env`])
//! - [`message`]: what a message is made of
//! - [`strings`]: bytes that are copied from memory to memory
//! - [`fault`](mod@fault): what the kernel sends in a thread's name
//! - [`interrupt`](mod@interrupt): what it sends for an interrupt line
//! - [`end`]: timeouts, cancelling, deaths
//!
//! The register convention is in [`ukernel_abi::call`]; messages of the kernel in [`ukernel_abi::msg::Label`].

use ukernel_abi::call::{Status, Timeout, Timeouts as TimeoutArgs};
use ukernel_abi::msg::{MapItem, REGISTER_WORDS, Tag};
use ukernel_abi::utcb::RunState;
use ukernel_abi::{Fpage, ThreadId};

use crate::clan;
use crate::irq::Irqs;
use crate::queue::{Link, LinkOf};
use crate::thread::{Outgoing, Thread, ThreadRef};
use crate::timeout::Timeouts;

mod end;
mod fault;
mod interrupt;
mod message;
pub mod strings;

pub use end::{cancel, expire, kill};
pub use fault::{fault, slice_ended};
pub use interrupt::{interrupt, lose_lines};

use fault::await_answer;
use message::{Sent, transfer};

/// A map item was bad, or there was no memory for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotMapped;

/// Why nothing was copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lacking {
    /// The source's page cannot be read.
    Source,
    /// The target's page cannot be written to.
    Target,
    /// One of them is not memory.
    Kind,
}

/// What the state machine needs of the rest of the kernel.
///
/// *Several CPUs.* All of this runs under the kernel's lock; but a thread that runs, or that waits for a message, may be changed without it by the
/// fast path of its own CPU. So whoever gets at a thread in another way than by [`Env::thread`] or as the caller asks for it by [`Env::own`].
pub trait Env {
    /// Keep the CPU of `t` from touching it until the kernel is left.
    fn own(&self, t: ThreadRef);
    /// `t` has become runnable; its state says so already.
    fn wake(&self, t: ThreadRef);
    /// There is a new timeout.
    fn timeout_changed(&self);
    /// `t` dies: it must not run any more.
    fn forget(&self, t: ThreadRef);
    fn timeouts(&self) -> &Timeouts;
    fn irqs(&self) -> &Irqs;
    /// The living thread of this identifier. It is owned.
    fn thread(&self, id: ThreadId) -> Option<ThreadRef>;
    /// The chief of the task `task`; 0 if it has none.
    fn chief_of(&self, task: u16) -> u16;
    /// The first thread of the task `task`, if it lives. It is owned.
    fn first_thread(&self, task: u16) -> Option<ThreadRef>;
    /// Every living thread.
    fn for_each_thread(&self, f: &mut dyn FnMut(ThreadRef));
    /// TSC reading in `us` microseconds.
    fn deadline(&self, us: u32) -> u64;
    /// Map an item of `from`'s to `to` within `windows`.
    fn map(&self, from: ThreadRef, item: MapItem, to: ThreadRef, windows: Windows) -> Result<(), NotMapped>;
    /// Copy bytes from `src` in the space of `from` to `dst` in that of `to`: up to `len`, as far as a page of each reaches, and at least one.
    fn copy(&self, from: ThreadRef, src: u64, to: ThreadRef, dst: u64, len: u64) -> Result<u64, Lacking>;
    /// Whether the task of `t` has the right to interrupt line `line`.
    fn may_attach(&self, t: ThreadRef, line: u8) -> bool;
    /// `line` has got its first owner, or lost its last.
    fn irq_attached(&self, line: u8, attached: bool);
    /// `t` has faulted and has nobody who could help. It is stopped for good.
    fn orphaned(&self, t: ThreadRef);
}

/// Where a receiver takes map items.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Windows {
    pub memory: Fpage,
    pub io: Fpage,
}

const SEND_LINK: LinkOf = |t: &'static Thread| -> &'static Link { &t.send_link };

/// The `ipc` system call of `me`.
pub fn ipc(env: &impl Env, me: ThreadRef) {
    let frame = &me.frame;
    let tag = Tag::from_rax(frame.rax.get());
    let dest = ThreadId(frame.r12.get());
    if dest.is_nil() {
        return receive(env, me);
    }
    let in_utcb = tag.words() + 2 * tag.items() > REGISTER_WORDS || tag.is_propagated();
    let is_bad = !tag.is_valid() || tag.label().is_kernel() || (in_utcb && me.utcb.get().is_none());
    if is_bad || !strings::are_valid(me, tag) {
        return finish(env, me, Status::BadArgument);
    }
    let to = match address(env, me, tag, dest) {
        Ok(to) => to,
        Err(status) => return finish(env, me, status),
    };
    me.outgoing.set(Outgoing::Ipc);
    // An answer to a fault comes from nobody but whom it was sent to.
    if to.accepts(me.name()) && (to.id.get() == dest || to.state.get() == RunState::Receiving) {
        let sent = transfer(env, me, to);
        go_on_after(env, me, sent);
    } else {
        match TimeoutArgs(frame.r14.get()).send() {
            Timeout::Now => finish(env, me, Status::SendTimeout),
            timeout => {
                wait_to_send(me, to);
                start_timeout(env, me, timeout);
            }
        }
    }
}

/// Find out in whose name `me` sends, and who gets what is for `dest`.
fn address(env: &impl Env, me: ThreadRef, tag: Tag, dest: ThreadId) -> Result<ThreadRef, Status> {
    let to = env.thread(dest).ok_or(Status::NotExistent)?;
    if core::ptr::eq(to, me) {
        return Err(Status::BadArgument);
    }
    me.in_name_of.set(ThreadId::NIL);
    if let Some(utcb) = me.utcb.get().filter(|_| tag.is_propagated()) {
        let name = utcb.virtual_sender.get();
        clan::check_name(env, me, name, to)?;
        me.in_name_of.set(name);
    }
    clan::nearest(env, me, to).ok_or(Status::NotExistent)
}

/// The sender `me` of a transfer of strings runs again.
pub fn go_on(env: &impl Env, me: ThreadRef) {
    let sent = strings::run_on(env, me);
    go_on_after(env, me, sent);
}

#[inline(always)]
fn go_on_after(env: &impl Env, me: ThreadRef, sent: Sent) {
    match sent {
        Sent::All => receive(env, me),
        Sent::Not(status) => finish(env, me, status),
        Sent::Later => {}
    }
}

/// The receive phase of `me`, and of those whose send phase that completes, and so on.
fn receive(env: &impl Env, me: ThreadRef) {
    let mut next = Some(me);
    while let Some(t) = next {
        next = receive_one(env, t);
    }
}

/// The receive phase of `t`. Returns a thread whose send phase it has completed and which now goes on to receive.
fn receive_one(env: &impl Env, t: ThreadRef) -> Option<ThreadRef> {
    let from = ThreadId(t.frame.r13.get());
    let mut partner = from;
    let sender = if from.is_nil() {
        finish(env, t, Status::Ok);
        return None;
    } else if from.is_any() {
        if let Some((line, count)) = env.irqs().take_any(t) {
            interrupt::deliver(env, t, line, count);
            return None;
        }
        t.senders.first()
    } else if let Some(line) = from.as_irq() {
        match interrupt::attach(env, t, line) {
            Err(status) => {
                finish(env, t, status);
                return None;
            }
            Ok(Some(count)) => {
                interrupt::deliver(env, t, line, count);
                return None;
            }
            Ok(None) => None,
        }
    } else {
        let Some(s) = env.thread(from) else {
            finish(env, t, Status::NotExistent);
            return None;
        };
        if !clan::may_send(s, t) {
            partner = Thread::abroad(from);
        }
        s.waited_for.set(true);
        if t.propagated_to.get() {
            first_in_name(t, from)
        } else {
            Some(s).filter(|s| s.state.get() == RunState::Sending && s.partner.get() == t.id.get())
        }
    };
    match sender {
        Some(s) => accept(env, s, t),
        None => {
            match TimeoutArgs(t.frame.r14.get()).receive() {
                Timeout::Now => finish(env, t, Status::ReceiveTimeout),
                timeout => {
                    t.partner.set(partner);
                    t.state.set(RunState::Receiving);
                    start_timeout(env, t, timeout);
                }
            }
            None
        }
    }
}

/// The first of those who wait to send to `t` in the name of `name`: `name` itself, or another.
fn first_in_name(t: ThreadRef, name: ThreadId) -> Option<ThreadRef> {
    let (mut at, mut any) = (t.senders.first(), false);
    while let Some(s) = at {
        if s.name() == name {
            return Some(s);
        }
        any |= !s.in_name_of.get().is_nil();
        at = s.send_link.next();
    }
    t.propagated_to.set(any);
    None
}

/// Let `t` receive from `s`, which waits for it. Returns `s` if it goes on to receive.
fn accept(env: &impl Env, s: ThreadRef, t: ThreadRef) -> Option<ThreadRef> {
    env.own(s);
    t.senders.remove(s, SEND_LINK);
    stop_timeout(env, s);
    t.state.set(RunState::Receiving);
    let is_ipc = s.outgoing.get() == Outgoing::Ipc;
    match transfer(env, s, t) {
        Sent::All if is_ipc => return Some(s),
        Sent::All => await_answer(s, t),
        Sent::Not(status) => finish(env, s, status),
        Sent::Later => {}
    }
    None
}

fn wait_to_send(me: ThreadRef, to: ThreadRef) {
    me.partner.set(to.id.get());
    me.state.set(RunState::Sending);
    if !me.in_name_of.get().is_nil() {
        to.propagated_to.set(true);
    }
    to.senders.push_back(me, SEND_LINK);
}

/// Let the phase that `t` waits in end at its time.
#[inline(always)]
fn start_timeout(env: &impl Env, t: ThreadRef, timeout: Timeout) {
    if timeout != Timeout::Never {
        start_finite(env, t, timeout);
    }
}

fn start_finite(env: &impl Env, t: ThreadRef, timeout: Timeout) {
    if let Some(deadline) = deadline_of(env, t, timeout, t.state.get() == RunState::Sending) {
        env.timeouts().insert(t, deadline);
        env.timeout_changed();
    }
}

/// When something of `t`'s is to end, that began now.
fn deadline_of(env: &impl Env, t: &Thread, timeout: Timeout, sending: bool) -> Option<u64> {
    Some(match timeout {
        Timeout::Never => return None,
        Timeout::In(us) => env.deadline(us),
        // A thread without UTCB cannot say when: it does not wait.
        Timeout::Deadline => t.utcb.get().map_or(0, |utcb| match sending {
            true => utcb.send_deadline.get(),
            false => utcb.receive_deadline.get(),
        }),
        Timeout::Now => 0,
    })
}

/// `t` does not wait any more for what its timeout is about. That of a transfer of strings is about all of it, whatever comes between.
#[inline]
fn stop_timeout(env: &impl Env, t: ThreadRef) {
    if t.timeout_queued.get() && !t.transfer.is_under_way() {
        env.timeouts().remove(t);
    }
}

fn finish(env: &impl Env, t: ThreadRef, status: Status) {
    t.frame.rax.set(status as u64);
    make_ready(env, t);
}

fn make_ready(env: &impl Env, t: ThreadRef) {
    t.state.set(RunState::Ready);
    env.wake(t);
}

#[cfg(test)]
mod clan_tests;
#[cfg(test)]
mod tests;
