//! The message-passing state machine.
//!
//! A call of `ipc` has a send phase, a receive phase or both. Nothing blocks inside the kernel: each step either completes or
//! leaves the thread in a state ([`RunState`]) in which its registers still hold all arguments, so the partner that
//! arrives later completes it from there. Page faults, exceptions and foreign system calls are calls that the kernel
//! makes in the thread's name: a send phase, then a closed receive from the pager or handler.
//!
//! The register convention is in [`ukernel_abi::call`]; messages of the kernel in [`ukernel_abi::msg::Label`].

use ukernel_abi::call::{Status, Timeout, Timeouts as TimeoutArgs};
use ukernel_abi::msg::{Label, MapItem, REGISTER_WORDS, Tag};
use ukernel_abi::utcb::RunState;
use ukernel_abi::{Fpage, ThreadId};

use crate::clan;
use crate::irq::Irqs;
use crate::queue::{Link, LinkOf};
use crate::thread::{Outgoing, Thread, ThreadRef};
use crate::timeout::Timeouts;

/// A map item was bad, or there was no memory for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotMapped;

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
    if !tag.is_valid() || tag.label().is_kernel() || (in_utcb && me.utcb.get().is_none()) {
        return finish(env, me, Status::BadArgument);
    }
    let to = match address(env, me, tag, dest) {
        Ok(to) => to,
        Err(status) => return finish(env, me, status),
    };
    me.outgoing.set(Outgoing::Ipc);
    // An answer to a fault comes from nobody but whom it was sent to.
    if to.accepts(me.name()) && (to.id.get() == dest || to.state.get() == RunState::Receiving) {
        match transfer(env, me, to) {
            Ok(()) => receive(env, me),
            Err(NotMapped) => finish(env, me, Status::MapFailed),
        }
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

/// Send a fault of `me`'s to its pager or handler and let it wait for the answer.
pub fn fault(env: &impl Env, me: ThreadRef, outgoing: Outgoing) {
    me.outgoing.set(outgoing);
    me.in_name_of.set(ThreadId::NIL);
    let dest = match outgoing {
        Outgoing::PageFault { .. } => me.pager.get(),
        _ => me.handler.get(),
    };
    let to = env.thread(dest).filter(|&to| !core::ptr::eq(to, me) && clan::may_send(me, to));
    if let Some(to) = to {
        to.waited_for.set(true);
    }
    match to {
        None => orphan(env, me),
        Some(to) if to.state.get() == RunState::Receiving && to.accepts(me.id.get()) => {
            // A message of the kernel's has no map items, so it cannot fail.
            let _ = transfer(env, me, to);
            await_answer(me);
        }
        Some(to) => wait_to_send(me, to),
    }
}

/// An interrupt has come on `line`.
pub fn interrupt(env: &impl Env, line: u8) {
    let Some(owner) = env.irqs().owner(line) else { return };
    env.own(owner);
    env.irqs().raise(line);
    if owner.state.get() == RunState::Receiving
        && owner.accepts(ThreadId::irq(line))
        && let Some(count) = env.irqs().take(line)
    {
        env.timeouts().remove(owner);
        deliver_interrupt(env, owner, line, count);
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

/// Complete what has waited longer than it wanted to.
pub fn expire(env: &impl Env, now: u64) {
    while let Some(t) = env.timeouts().pop_due(now) {
        env.own(t);
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
    env.timeouts().remove(t);
    match t.state.get() {
        RunState::Ready => {}
        RunState::Sending => {
            leave_send_queue(env, t);
            match t.outgoing.get() {
                Outgoing::Ipc => finish(env, t, Status::SendCancelled),
                _ => make_ready(env, t),
            }
        }
        RunState::Receiving => finish(env, t, Status::ReceiveCancelled),
        RunState::PageFault | RunState::Exception | RunState::Foreign => make_ready(env, t),
    }
}

/// Take `t`, which dies, out of all communication. Those who wait for it hear of it.
/// Its identifier must not be found any more.
pub fn kill(env: &impl Env, t: ThreadRef, id: ThreadId) {
    env.timeouts().remove(t);
    if t.state.get() == RunState::Sending {
        leave_send_queue(env, t);
    }
    t.state.set(RunState::Receiving);
    t.stopped.set(true);
    while let Some(s) = t.senders.first() {
        env.own(s);
        t.senders.remove(s, SEND_LINK);
        env.timeouts().remove(s);
        s.partner.set(ThreadId::NIL);
        match s.outgoing.get() {
            Outgoing::Ipc => finish(env, s, Status::NotExistent),
            _ => orphan(env, s),
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
                RunState::PageFault | RunState::Exception | RunState::Foreign => orphan(env, w),
                RunState::Ready | RunState::Sending => {}
            }
        });
    }
    env.irqs().detach(t, |line| env.irq_attached(line, false));
    env.forget(t);
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
            deliver_interrupt(env, t, line, count);
            return None;
        }
        t.senders.first()
    } else if let Some(line) = from.as_irq() {
        match attach(env, t, line) {
            Err(status) => {
                finish(env, t, status);
                return None;
            }
            Ok(Some(count)) => {
                deliver_interrupt(env, t, line, count);
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
        let sends = s.state.get() == RunState::Sending && s.partner.get() == t.id.get();
        if sends && s.in_name_of.get().is_nil() { Some(s) } else { propagator(t, from) }
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

/// Who waits to send to `t` in the name of `name`.
fn propagator(t: ThreadRef, name: ThreadId) -> Option<ThreadRef> {
    if !t.propagated_to.get() {
        return None;
    }
    let (mut at, mut any) = (t.senders.first(), false);
    while let Some(s) = at {
        if s.in_name_of.get() == name {
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
    env.timeouts().remove(s);
    t.state.set(RunState::Receiving);
    match (transfer(env, s, t), s.outgoing.get()) {
        (Ok(()), Outgoing::Ipc) => Some(s),
        (Err(NotMapped), Outgoing::Ipc) => {
            finish(env, s, Status::MapFailed);
            None
        }
        _ => {
            await_answer(s);
            None
        }
    }
}

/// Move the message of `from` to `to`, which accepts it. `to` is ready afterwards.
/// An error says that an item was not mapped; all else was transferred.
fn transfer(env: &impl Env, from: ThreadRef, to: ThreadRef) -> Result<(), NotMapped> {
    env.timeouts().remove(to);
    let tag = match from.outgoing.get() {
        Outgoing::Ipc => Tag::from_rax(from.frame.rax.get()),
        outgoing => {
            let tag = write_fault(outgoing, from, to);
            arrive(to, from.id.get(), tag);
            make_ready(env, to);
            return Ok(());
        }
    };
    let result = match to.state.get() {
        RunState::Receiving => {
            for (dst, src) in to.frame.words().into_iter().zip(from.frame.words()) {
                dst.set(src.get());
            }
            let words = copy_utcb_words(tag, from, to);
            let windows = match to.utcb.get() {
                Some(utcb) => Windows { memory: utcb.window.get(), io: utcb.io_window.get() },
                None => Windows { memory: Fpage::NIL, io: Fpage::NIL },
            };
            arrive(to, from.name(), mark(tag, from, to));
            words.and(map_items(env, tag, from, to, windows))
        }
        state => {
            if state == RunState::Foreign {
                to.frame.rax.set(from.frame.rbx.get());
            }
            map_items(env, tag, from, to, Windows { memory: Fpage::ALL, io: Fpage::NIL })
        }
    };
    make_ready(env, to);
    result
}

/// Put the kernel's message about `from` into the registers of `to`.
fn write_fault(outgoing: Outgoing, from: &Thread, to: &Thread) -> Tag {
    let (src, dst) = (&from.frame, &to.frame);
    let (label, values, count) = match outgoing {
        Outgoing::PageFault { addr, access } => {
            (Label::PAGE_FAULT, [addr, src.rip.get(), access, src.entry.get(), 0, 0, 0], 4)
        }
        Outgoing::Exception { vector } => (
            Label::EXCEPTION,
            [vector, src.entry.get(), src.rip.get(), src.rsp.get(), src.rflags.get(), 0, 0],
            5,
        ),
        Outgoing::Foreign | Outgoing::Ipc => (
            Label::FOREIGN,
            [
                src.rax.get(),
                src.rdi.get(),
                src.rsi.get(),
                src.rdx.get(),
                src.r10.get(),
                src.r8.get(),
                src.r9.get(),
            ],
            7,
        ),
    };
    for (cell, value) in dst.words().into_iter().zip(values) {
        cell.set(value);
    }
    Tag::new(label, count, 0)
}

/// Copy the message words that do not travel in registers.
fn copy_utcb_words(tag: Tag, from: &Thread, to: &Thread) -> Result<(), NotMapped> {
    let words = tag.words() + 2 * tag.items();
    if words <= REGISTER_WORDS {
        return Ok(());
    }
    let (src, dst) = (from.utcb.get().ok_or(NotMapped)?, to.utcb.get().ok_or(NotMapped)?);
    for (d, s) in dst.words.iter().zip(&src.words).take(words).skip(REGISTER_WORDS) {
        d.set(s.get());
    }
    Ok(())
}

/// Map the items of a message. All are tried, whatever becomes of one.
fn map_items(
    env: &impl Env,
    tag: Tag,
    from: ThreadRef,
    to: ThreadRef,
    windows: Windows,
) -> Result<(), NotMapped> {
    if tag.items() == 0 {
        return Ok(());
    }
    let word = |n: usize| match (from.frame.word(n), from.utcb.get()) {
        (Some(word), _) => word.get(),
        (None, Some(utcb)) => utcb.words.get(n).map_or(0, |w| w.get()),
        (None, None) => 0,
    };
    let mut result = Ok(());
    for item in 0..tag.items() {
        let at = tag.words() + 2 * item;
        let item = MapItem { snd: Fpage(word(at)), base: word(at + 1) };
        result = result.and(env.map(from, item, to, windows));
    }
    result
}

/// The tag with which the message arrives. If it was not meant for `to`, r13 says for whom; if it is sent in another's name, r14 by whom.
fn mark(tag: Tag, from: &Thread, to: &Thread) -> Tag {
    let meant_for = from.frame.r12.get();
    if tag.is_propagated() {
        to.frame.r14.set(from.id.get().0);
    }
    if meant_for == to.id.get().0 {
        return tag;
    }
    to.frame.r13.set(meant_for);
    Tag(tag.0 | Tag::REDIRECTED)
}

fn arrive(to: &Thread, from: ThreadId, tag: Tag) {
    to.frame.rax.set(tag.to_rax() | Status::Ok as u64);
    to.frame.r12.set(from.0);
}

fn deliver_interrupt(env: &impl Env, t: ThreadRef, line: u8, count: u64) {
    t.frame.rbx.set(line as u64);
    t.frame.rdi.set(count);
    arrive(t, ThreadId::irq(line), Tag::new(Label::INTERRUPT, 2, 0));
    make_ready(env, t);
}

/// Attach `t` to `line` if it is not yet. Returns how many interrupts have come, if any have.
fn attach(env: &impl Env, t: ThreadRef, line: u8) -> Result<Option<u64>, Status> {
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

fn wait_to_send(me: ThreadRef, to: ThreadRef) {
    me.partner.set(to.id.get());
    me.state.set(RunState::Sending);
    if !me.in_name_of.get().is_nil() {
        to.propagated_to.set(true);
    }
    to.senders.push_back(me, SEND_LINK);
}

/// The fault of `s` has been received: it waits for the answer.
fn await_answer(s: ThreadRef) {
    let (state, from) = match s.outgoing.get() {
        Outgoing::PageFault { .. } => (RunState::PageFault, s.pager.get()),
        Outgoing::Exception { .. } => (RunState::Exception, s.handler.get()),
        Outgoing::Foreign | Outgoing::Ipc => (RunState::Foreign, s.handler.get()),
    };
    s.partner.set(from);
    s.state.set(state);
}

fn leave_send_queue(env: &impl Env, t: ThreadRef) {
    if let Some(to) = env.thread(t.partner.get()) {
        to.senders.remove(t, SEND_LINK);
    }
}

/// Let the phase that `t` waits in end at its time.
fn start_timeout(env: &impl Env, t: ThreadRef, timeout: Timeout) {
    let deadline = match timeout {
        Timeout::Never => return,
        Timeout::In(us) => env.deadline(us),
        // A thread without UTCB cannot say when: it does not wait.
        Timeout::Deadline => t.utcb.get().map_or(0, |utcb| match t.state.get() {
            RunState::Sending => utcb.send_deadline.get(),
            _ => utcb.receive_deadline.get(),
        }),
        Timeout::Now => 0,
    };
    env.timeouts().insert(t, deadline);
    env.timeout_changed();
}

/// Nobody can answer the fault of `t`.
fn orphan(env: &impl Env, t: ThreadRef) {
    t.state.set(RunState::Receiving);
    t.partner.set(ThreadId::NIL);
    t.stopped.set(true);
    env.orphaned(t);
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
#[path = "clan_tests.rs"]
mod clan_tests;
#[cfg(test)]
#[path = "ipc_tests.rs"]
mod tests;
