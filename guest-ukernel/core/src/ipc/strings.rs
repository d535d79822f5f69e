//! String items: bytes of the sender's memory are copied to the receiver's.
//!
//! A string is one item or several in a row (gather), a buffer one entry of the receiver's list or several (scatter); the first string goes to
//! the first buffer, and so on. The rest of the message has arrived when the copying begins; the receiver does not run until it has ended.
//!
//! *Once, through a mapping.* The kernel has all of memory mapped, so it finds both sides' frames through their page tables and copies from one to the
//! other, page piece by page piece ([`Env::copy`]); no temporary mapping has to be made. Both sides' rights are those of their page tables.
//!
//! *Page faults.* Where a page is missing, the thread whose it is sends a page fault to its own pager, like a program that touches it, and both wait; when
//! it is answered, the copying goes on.
//!
//! *Never long.* After [`BOUND`] bytes the kernel is left. It is the sender who copies, in its own time slice: meanwhile its state is
//! [`RunState::Copying`], which counts as ready, and its rip is that of a breakpoint in the gate page, which leads straight back here when it is its turn.
//! So interrupts and other threads come between as in user mode, and nothing of a program's can.
//!
//! *Hostile.* Items and buffers are read again at each step, because programs may change them at any time; all that is kept are indices and
//! counts, which only grow.

use core::cell::Cell;

use ukernel_abi::ThreadId;
use ukernel_abi::call::Status;
use ukernel_abi::layout;
use ukernel_abi::msg::{StringItem, Tag};
use ukernel_abi::utcb::RunState;

use super::end::leave_send_queue;
use super::fault::fault;
use super::message::{Sent, item, word};
use super::{Env, Lacking, deadline_of, finish, make_ready};
use crate::thread::{Outgoing, Thread, ThreadRef};

/// Most bytes that are copied without letting others run.
pub const BOUND: u64 = 64 << 10;

/// A thread's part in a transfer of strings.
#[derive(Default)]
pub struct Transfer {
    pub(crate) peer: Cell<Option<ThreadRef>>,
    pub(crate) sends: Cell<bool>,
    /// What follows is the sender's. Where its program goes on.
    pub(crate) rip: Cell<u64>,
    /// A map item of the message was not mapped.
    unmapped: Cell<bool>,
    /// The item that is being copied, and how much of it has been.
    item: Cell<u8>,
    item_done: Cell<u32>,
    /// The buffer that is being filled, and how far.
    buffer: Cell<u8>,
    buffer_done: Cell<u32>,
}

impl Transfer {
    pub const fn new() -> Self {
        Self {
            peer: Cell::new(None),
            sends: Cell::new(false),
            rip: Cell::new(0),
            unmapped: Cell::new(false),
            item: Cell::new(0),
            item_done: Cell::new(0),
            buffer: Cell::new(0),
            buffer_done: Cell::new(0),
        }
    }

    pub fn is_under_way(&self) -> bool {
        self.peer.get().is_some()
    }

    fn start(&self, peer: ThreadRef, sends: bool) {
        self.peer.set(Some(peer));
        self.sends.set(sends);
        self.item.set(0);
        self.item_done.set(0);
        self.buffer.set(0);
        self.buffer_done.set(0);
    }

    /// The place where the rip of the thread's program is while a transfer of its own has taken the frame's.
    pub fn rip(&self) -> Option<&Cell<u64>> {
        (self.is_under_way() && self.sends.get()).then_some(&self.rip)
    }
}

enum Step {
    Copied(u64),
    Done,
    /// There is no room for a byte that is left.
    Cut,
    /// An item has become nonsense, or memory is not of a kind that is copied.
    Refused,
    Fault {
        on: ThreadRef,
        addr: u64,
        access: u64,
    },
}

/// Whether all string items of `from`'s message can be sent.
#[inline(always)]
pub(super) fn are_valid(from: &Thread, tag: Tag) -> bool {
    let (mut at, end) = (tag.words(), tag.words() + 2 * tag.items());
    while at < end {
        if StringItem::is_string(word(from, at + 1)) && !is_valid(from, at) {
            return false;
        }
        at += 2;
    }
    true
}

#[cold]
fn is_valid(from: &Thread, at: usize) -> bool {
    StringItem { addr: word(from, at), word: word(from, at + 1) }.is_valid()
}

/// The rest of the message of `s` has arrived at `r`; its strings come now.
#[cold]
pub(super) fn begin(env: &impl Env, s: ThreadRef, r: ThreadRef, mapped: bool) -> Sent {
    s.transfer.start(r, true);
    r.transfer.start(s, false);
    s.transfer.unmapped.set(!mapped);
    s.transfer.rip.set(s.frame.rip.replace(layout::GATE + layout::CONTINUE));
    s.state.set(RunState::Copying);
    r.state.set(RunState::InTransfer);
    let of_sender = s.utcb.get().and_then(|u| deadline_of(env, s, u.transfer_timeouts.get().send(), true));
    let of_receiver =
        r.utcb.get().and_then(|u| deadline_of(env, r, u.transfer_timeouts.get().receive(), false));
    if let Some(deadline) = of_sender.into_iter().chain(of_receiver).min() {
        env.timeouts().insert(s, deadline);
        env.timeout_changed();
    }
    run(env, s, r)
}

/// The sender `s` has come to the breakpoint at which it goes on copying.
pub(super) fn run_on(env: &impl Env, s: ThreadRef) -> Sent {
    match s.transfer.peer.get().filter(|_| s.state.get() == RunState::Copying) {
        Some(r) => {
            env.own(r);
            run(env, s, r)
        }
        // Another CPU has ended it.
        None => Sent::Later,
    }
}

fn run(env: &impl Env, s: ThreadRef, r: ThreadRef) -> Sent {
    let mut left = BOUND;
    let (receiver, sender) = loop {
        match step(env, s, r, left) {
            Step::Copied(bytes) => {
                left -= bytes;
                if left == 0 {
                    let_copy(env, s);
                    return Sent::Later;
                }
            }
            Step::Fault { on, addr, access } => {
                s.state.set(RunState::InTransfer);
                fault(env, on, Outgoing::PageFault { addr, access });
                return Sent::Later;
            }
            Step::Done if s.transfer.unmapped.get() => break (Status::Ok, Sent::Not(Status::MapFailed)),
            Step::Done => break (Status::Ok, Sent::All),
            Step::Cut => break (Status::MessageCut, Sent::Not(Status::MessageCut)),
            Step::Refused => break (Status::TransferAborted, Sent::Not(Status::TransferAborted)),
        }
    };
    close(env, s, r, receiver);
    sender
}

/// The sender `s` copies on when it is its turn.
fn let_copy(env: &impl Env, s: ThreadRef) {
    make_ready(env, s);
    s.state.set(RunState::Copying);
}

fn step(env: &impl Env, s: ThreadRef, r: ThreadRef, bound: u64) -> Step {
    let (t, tag) = (&s.transfer, Tag::from_rax(s.frame.rax.get()));
    let n = t.item.get() as usize;
    if n >= tag.items() {
        return Step::Done;
    }
    let [addr, word] = item(s, tag, n);
    let from = StringItem { addr, word };
    if StringItem::is_string(word) && !from.is_valid() {
        return Step::Refused;
    }
    let done = u64::from(t.item_done.get());
    let left = if StringItem::is_string(word) { from.len().saturating_sub(done) } else { 0 };
    if left == 0 {
        t.item.set(t.item.get() + 1);
        t.item_done.set(0);
        if StringItem::is_string(word) && !from.has_more() {
            next_buffer(t, r);
        }
        return Step::Copied(0);
    }
    let Some(to) = buffer(r, t.buffer.get()) else { return Step::Cut };
    let filled = u64::from(t.buffer_done.get());
    let room = to.len().saturating_sub(filled);
    if room == 0 {
        if !to.has_more() {
            return Step::Cut;
        }
        t.buffer.set(t.buffer.get() + 1);
        t.buffer_done.set(0);
        return Step::Copied(0);
    }
    let (src, dst) = (addr + done, to.addr + filled);
    match env.copy(s, src, r, dst, left.min(room).min(bound)) {
        Ok(bytes) => {
            t.item_done.set((done + bytes) as u32);
            t.buffer_done.set((filled + bytes) as u32);
            Step::Copied(bytes)
        }
        Err(Lacking::Source) => Step::Fault { on: s, addr: src, access: READ },
        Err(Lacking::Target) => Step::Fault { on: r, addr: dst, access: WRITE },
        Err(Lacking::Kind) => Step::Refused,
    }
}

const READ: u64 = ukernel_abi::Rights::R.0 as u64;
const WRITE: u64 = ukernel_abi::Rights::W.0 as u64;

/// Buffer `n` of `r`'s list.
fn buffer(r: &Thread, n: u8) -> Option<StringItem> {
    let utcb = r.utcb.get()?;
    if u64::from(n) >= utcb.buffer_count.get() {
        return None;
    }
    utcb.buffers.get(n as usize).map(|b| b.get()).filter(StringItem::is_valid)
}

/// A string has ended: what is left of its buffer stays as it is.
fn next_buffer(t: &Transfer, r: &Thread) {
    let mut n = t.buffer.get();
    while buffer(r, n).is_some_and(|b| b.has_more()) {
        n += 1;
    }
    t.buffer.set(n.saturating_add(1));
    t.buffer_done.set(0);
}

/// A page fault of `t` has been answered: if that was in a transfer, it goes on.
#[inline(always)]
pub(super) fn resume(env: &impl Env, t: ThreadRef) -> bool {
    t.transfer.is_under_way() && resume_transfer(env, t)
}

#[cold]
fn resume_transfer(env: &impl Env, t: ThreadRef) -> bool {
    let Some((s, r)) = sides(t) else { return false };
    env.own(s);
    s.outgoing.set(Outgoing::Ipc);
    r.state.set(RunState::InTransfer);
    let_copy(env, s);
    true
}

/// End the transfer that `t` is in, if it is in one, with this status for it and that for the other side. Both are ready then.
#[inline(always)]
pub(super) fn abort(env: &impl Env, t: ThreadRef, own: Status, others: Status) -> bool {
    t.transfer.is_under_way() && abort_transfer(env, t, own, others)
}

#[cold]
fn abort_transfer(env: &impl Env, t: ThreadRef, own: Status, others: Status) -> bool {
    let Some((s, r)) = sides(t) else { return false };
    let (of_sender, of_receiver) = if t.transfer.sends.get() { (own, others) } else { (others, own) };
    close(env, s, r, of_receiver);
    finish(env, s, of_sender);
    true
}

/// What `lthread_ex_regs` ends the phase with that `t` is in.
pub(super) fn cancelled(t: &Thread) -> Status {
    if t.transfer.sends.get() { Status::SendCancelled } else { Status::ReceiveCancelled }
}

fn sides(t: ThreadRef) -> Option<(ThreadRef, ThreadRef)> {
    let peer = t.transfer.peer.get()?;
    Some(if t.transfer.sends.get() { (t, peer) } else { (peer, t) })
}

/// The transfer is over: `r` has its message, with this status. What becomes of `s` is the caller's affair.
fn close(env: &impl Env, s: ThreadRef, r: ThreadRef, status: Status) {
    for t in [s, r] {
        env.own(t);
        t.transfer.peer.set(None);
        if t.state.get() == RunState::Sending {
            leave_send_queue(env, t);
        }
        t.partner.set(ThreadId::NIL);
    }
    env.timeouts().remove(s);
    s.frame.rip.set(s.transfer.rip.get());
    s.outgoing.set(Outgoing::Ipc);
    let tag = Tag::from_rax(r.frame.rax.get());
    r.frame.rax.set(tag.to_rax() | status as u64);
    make_ready(env, r);
}

#[cfg(test)]
#[path = "strings_tests.rs"]
pub mod tests;
