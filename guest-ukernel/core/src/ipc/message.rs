//! What a message is made of, and how it gets from one thread to the other.

use ukernel_abi::call::Status;
use ukernel_abi::msg::{Label, MapItem, REGISTER_WORDS, StringItem, Tag};
use ukernel_abi::utcb::RunState;
use ukernel_abi::{Fpage, Rights, ThreadId};

use super::{Env, NotMapped, Windows, make_ready, stop_timeout, strings};
use crate::thread::{Outgoing, Thread, ThreadRef};

/// What became of a message.
#[must_use]
pub(super) enum Sent {
    All,
    /// Not all of it: the sender's status.
    Not(Status),
    /// Its strings are under way.
    Later,
}

/// Move the message of `from` to `to`, which accepts it. `to` is ready afterwards, unless strings are under way.
pub(super) fn transfer(env: &impl Env, from: ThreadRef, to: ThreadRef) -> Sent {
    stop_timeout(env, to);
    let outgoing = from.outgoing.get();
    if outgoing != Outgoing::Ipc {
        let tag = write_fault(outgoing, from, to);
        arrive(to, from.id.get(), tag);
        make_ready(env, to);
        return Sent::All;
    }
    let tag = Tag::from_rax(from.frame.rax.get());
    let state = to.state.get();
    if state == RunState::Receiving {
        for (dst, src) in to.frame.words().into_iter().zip(from.frame.words()) {
            dst.set(src.get());
        }
        arrive(to, from.name(), mark(tag, from, to));
        let windows = match to.utcb.get() {
            Some(utcb) => Windows { memory: utcb.window.get(), io: utcb.io_window.get() },
            None => Windows { memory: Fpage::NIL, io: Fpage::NIL },
        };
        let words = copy_utcb_words(tag, from, to);
        let items = map_items(env, tag, from, to, windows);
        let mapped = words.and(items.mapped).is_ok();
        if items.strings {
            return strings::begin(env, from, to, mapped);
        }
        make_ready(env, to);
        return if mapped { Sent::All } else { Sent::Not(Status::MapFailed) };
    }
    if state == RunState::Foreign {
        to.complete_foreign();
        to.frame.rax.set(from.frame.rbx.get());
    }
    let items = map_items(env, tag, from, to, Windows { memory: Fpage::ALL, io: Fpage::NIL });
    if !strings::resume(env, to) {
        make_ready(env, to);
    }
    match items {
        // Who waits for the answer to a fault takes no strings.
        Items { strings: true, .. } => Sent::Not(Status::MessageCut),
        Items { mapped: Err(NotMapped), .. } => Sent::Not(Status::MapFailed),
        Items { mapped: Ok(()), .. } => Sent::All,
    }
}

/// Put the kernel's message about `from` into the registers of `to`.
fn write_fault(outgoing: Outgoing, from: &Thread, to: &Thread) -> Tag {
    let (src, dst) = (&from.frame, &to.frame);
    let (label, words) = match outgoing {
        Outgoing::PageFault { addr, access } => {
            dst.rbx.set(addr);
            let (ip, code) = fault_at(from, access);
            dst.rdi.set(ip);
            dst.rsi.set(access);
            dst.rdx.set(code);
            (Label::PAGE_FAULT, 4)
        }
        Outgoing::Exception { vector } => {
            dst.rbx.set(vector);
            dst.rdi.set(src.entry.get());
            dst.rsi.set(src.rip.get());
            dst.rdx.set(src.rsp.get());
            dst.r10.set(src.rflags.get());
            (Label::EXCEPTION, 5)
        }
        Outgoing::Preemption { now } => {
            dst.rbx.set(src.rip.get());
            dst.rdi.set(now);
            (Label::PREEMPTION, 2)
        }
        Outgoing::Foreign | Outgoing::Ipc => {
            dst.rbx.set(src.rax.get());
            for n in 1..REGISTER_WORDS {
                if let (Some(d), Some(s)) = (dst.word(n), src.word(n)) {
                    d.set(s.get());
                }
            }
            (Label::FOREIGN, 7)
        }
    };
    Tag::new(label, words, 0)
}

/// Instruction pointer and error code of a page fault: the processor's, or what they would be like for a copy of strings.
#[inline(always)]
fn fault_at(from: &Thread, access: u64) -> (u64, u64) {
    const USER: u64 = 4;
    if from.transfer.is_under_way() {
        (from.rip().get(), USER | access & u64::from(Rights::W.0))
    } else {
        (from.frame.rip.get(), from.frame.entry.get())
    }
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

/// What became of a message's items, and whether strings are among them.
struct Items {
    mapped: Result<(), NotMapped>,
    strings: bool,
}

/// Map the map items of a message. All are tried, whatever becomes of one.
fn map_items(env: &impl Env, tag: Tag, from: ThreadRef, to: ThreadRef, windows: Windows) -> Items {
    let mut items = Items { mapped: Ok(()), strings: false };
    for n in 0..tag.items() {
        let [first, second] = item(from, tag, n);
        if StringItem::is_string(second) {
            items.strings = true;
        } else {
            let item = MapItem { snd: Fpage(first), base: second };
            items.mapped = items.mapped.and(env.map(from, item, to, windows));
        }
    }
    items
}

/// The words of item `n` of the message of `from`.
#[inline(always)]
pub(super) fn item(from: &Thread, tag: Tag, n: usize) -> [u64; 2] {
    let at = tag.words() + 2 * n;
    [word(from, at), word(from, at + 1)]
}

/// Word `n` of the message of `from`; 0 if it has none.
#[inline(always)]
pub(super) fn word(from: &Thread, n: usize) -> u64 {
    match from.frame.word(n) {
        Some(register) => register.get(),
        None => utcb_word(from, n),
    }
}

#[inline(never)]
fn utcb_word(from: &Thread, n: usize) -> u64 {
    from.utcb.get().and_then(|utcb| utcb.words.get(n)).map_or(0, |word| word.get())
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

pub(super) fn arrive(to: &Thread, from: ThreadId, tag: Tag) {
    to.frame.rax.set(tag.to_rax() | Status::Ok as u64);
    to.frame.r12.set(from.0);
}
