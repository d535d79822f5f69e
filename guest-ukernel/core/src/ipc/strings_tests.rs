//! Transfers of strings between two threads whose pagers are two more. A byte of memory is there unless its page is missing.

extern crate std;

use core::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

use super::*;
use crate::ipc::tests::{Mock, NEVER, is, status};
use crate::ipc::{cancel, expire, go_on, kill};
use ukernel_abi::call::Timeouts;
use ukernel_abi::msg::Label;

const PAGE: u64 = layout::PAGE;

type At = (ThreadId, u64);

/// The memory of all threads, each with a space of its own.
#[derive(Default)]
pub struct Memory {
    bytes: RefCell<BTreeMap<At, u8>>,
    missing: RefCell<BTreeSet<At>>,
    devices: RefCell<BTreeSet<At>>,
}

impl Memory {
    pub fn copy(&self, from: At, to: At, len: u64) -> Result<u64, Lacking> {
        let page = |(t, addr): At| (t, addr / PAGE);
        if self.missing.borrow().contains(&page(from)) {
            return Err(Lacking::Source);
        }
        if self.missing.borrow().contains(&page(to)) {
            return Err(Lacking::Target);
        }
        if [from, to].iter().any(|&at| self.devices.borrow().contains(&page(at))) {
            return Err(Lacking::Kind);
        }
        let len = len.min(PAGE - from.1 % PAGE).min(PAGE - to.1 % PAGE);
        for n in 0..len {
            let byte = self.read((from.0, from.1 + n));
            self.bytes.borrow_mut().insert((to.0, to.1 + n), byte);
        }
        Ok(len)
    }

    fn read(&self, at: At) -> u8 {
        self.bytes.borrow().get(&at).copied().unwrap_or(0)
    }
}

/// Sender, receiver, and the pager of each.
struct Pair {
    m: Mock,
    s: ThreadRef,
    r: ThreadRef,
    pagers: [ThreadRef; 2],
}

const TAG: Label = Label(5);
const SRC: u64 = 0x10_0000;
const DST: u64 = 0x20_0000;
const IP: u64 = 0x40_0000;

impl Pair {
    fn new() -> Self {
        let m = Mock::new();
        let [s, r, p, q] = [1, 2, 3, 4].map(|task| m.thread_of(task));
        for (t, pager) in [(s, p), (r, q)] {
            t.utcb.set(Some(Mock::utcb()));
            t.pager.set(pager.id.get());
            t.frame.rip.set(IP);
        }
        Self { m, s, r, pagers: [p, q] }
    }

    /// Buffers of the receiver.
    fn buffers(&self, buffers: &[StringItem]) {
        let utcb = self.r.utcb.get().expect("it has one");
        utcb.buffer_count.set(buffers.len() as u64);
        for (cell, buffer) in utcb.buffers.iter().zip(buffers) {
            cell.set(*buffer);
        }
    }

    fn timeouts(&self, t: ThreadRef, send: u32, receive: u32) {
        t.utcb.get().expect("it has one").transfer_timeouts.set(Timeouts::new(send, receive));
    }

    fn fill(&self, addr: u64, len: u64) {
        for n in 0..len {
            self.m.memory.bytes.borrow_mut().insert((self.s.id.get(), addr + n), pattern(addr + n));
        }
    }

    fn miss(&self, t: ThreadRef, addr: u64) {
        self.m.memory.missing.borrow_mut().insert((t.id.get(), addr / PAGE));
    }

    fn received(&self, addr: u64) -> u8 {
        self.m.memory.read((self.r.id.get(), addr))
    }

    fn receive(&self) {
        self.m.call(self.r, ThreadId::NIL, ThreadId::ANY, 0, NEVER);
    }

    /// Send one word and these items, and receive from `from`.
    fn send_and(&self, items: &[StringItem], from: ThreadId) {
        for (n, word) in items.iter().flat_map(|item| [item.addr, item.word]).enumerate() {
            match self.s.frame.word(1 + n) {
                Some(register) => register.set(word),
                None => self.s.utcb.get().expect("it has one").words[1 + n].set(word),
            }
        }
        self.m.call_tagged(self.s, self.r.id.get(), from, Tag::new(TAG, 1, items.len()), 42, NEVER);
    }

    fn send(&self, items: &[StringItem]) {
        self.send_and(items, ThreadId::NIL);
    }

    /// Let the sender run until it has no more to copy by itself; how often it did.
    fn run(&self) -> usize {
        let mut rounds = 0;
        while is(self.s, RunState::Copying) && self.s.is_runnable() {
            assert_eq!(self.s.frame.rip.get(), layout::GATE + layout::CONTINUE);
            go_on(&self.m, self.s);
            rounds += 1;
        }
        rounds
    }

    /// What the pager of side `side` is told, which then answers.
    fn page_in(&self, side: usize) -> [u64; 4] {
        let (t, pager) = ([self.s, self.r][side], self.pagers[side]);
        self.m.call(pager, ThreadId::NIL, ThreadId::ANY, 0, NEVER);
        assert!(is(t, RunState::PageFault), "{:?}", t.state.get());
        assert_eq!(pager.frame.r12.get(), t.id.get().0);
        let [addr, ip, access, code, ..] = pager.frame.words().map(|w| w.get());
        self.m.memory.missing.borrow_mut().remove(&(t.id.get(), addr / PAGE));
        self.m.call(pager, t.id.get(), ThreadId::NIL, 0, Timeouts::new(0, 0));
        assert_eq!(status(pager), Status::Ok);
        [addr, ip, access, code]
    }

    fn ended(&self, sender: Status, receiver: Status) {
        assert!(is(self.s, RunState::Ready) && is(self.r, RunState::Ready));
        assert_eq!((status(self.s), status(self.r)), (sender, receiver));
        assert_eq!(self.s.frame.rip.get(), IP);
        assert!(!self.s.transfer.is_under_way() && !self.r.transfer.is_under_way());
        assert!(self.m.timeouts.next_deadline().is_none());
        assert!(self.pagers.iter().all(|p| p.senders.is_empty()) && self.r.senders.is_empty());
    }
}

fn pattern(addr: u64) -> u8 {
    (addr * 7 + addr / 251) as u8
}

#[test]
fn plain_whoever_comes_first() {
    for receiver_first in [true, false] {
        let p = Pair::new();
        p.fill(SRC + 3, 9000);
        p.buffers(&[StringItem::new(DST + 100, 10_000)]);
        if receiver_first {
            p.receive();
        }
        p.send(&[StringItem::new(SRC + 3, 9000)]);
        if !receiver_first {
            p.receive();
        }
        p.ended(Status::Ok, Status::Ok);
        assert!((0..9000).all(|n| p.received(DST + 100 + n) == pattern(SRC + 3 + n)));
        assert_eq!((p.r.frame.rbx.get(), p.r.frame.r12.get()), (42, p.s.id.get().0));
        assert_eq!(Tag::from_rax(p.r.frame.rax.get()), Tag::new(TAG, 1, 1));
        assert_eq!(p.received(DST + 100 + 9000), 0, "not a byte more");
    }
}

#[test]
fn gather_and_scatter() {
    let p = Pair::new();
    let parts = [(SRC, 1000), (SRC + 0x5001, 1), (SRC + 0x2ffe, 4000)];
    let second = (SRC + 0x8000, 5);
    for (addr, len) in parts.into_iter().chain([second]) {
        p.fill(addr, len);
    }
    p.buffers(&[
        StringItem::new(DST, 3000).more(),
        StringItem::new(DST + 0x9fff, 7000).more(),
        StringItem::new(DST + 0x2_0000, 9),
        StringItem::new(DST + 0x4_0000, 5),
    ]);
    p.receive();
    let [a, b, c] = parts.map(|(addr, len)| StringItem::new(addr, len));
    p.send(&[a.more(), b.more(), c, StringItem::new(second.0, second.1)]);
    p.ended(Status::Ok, Status::Ok);
    let sent: Vec<u8> = parts.iter().flat_map(|&(a, len)| (a..a + len).map(pattern)).collect();
    let got = (0..3000).map(|n| p.received(DST + n)).chain((0..2001).map(|n| p.received(DST + 0x9fff + n)));
    assert_eq!(sent, got.collect::<Vec<_>>());
    assert_eq!(p.received(DST + 0x2_0000), 0, "the rest of the first buffer stays");
    assert!((0..5).all(|n| p.received(DST + 0x4_0000 + n) == pattern(second.0 + n)), "the second string");
}

#[test]
fn a_long_copy_lets_others_run() {
    let p = Pair::new();
    let len = 3 * BOUND + 1;
    p.fill(SRC, len);
    p.buffers(&[StringItem::new(DST, StringItem::MAX)]);
    p.receive();
    p.send(&[StringItem::new(SRC, len)]);
    assert!(is(p.s, RunState::Copying) && is(p.r, RunState::InTransfer));
    assert_eq!((p.s.rip().get(), p.r.is_runnable()), (IP, false));
    assert_eq!(p.run(), 3);
    p.ended(Status::Ok, Status::Ok);
    assert!((0..len).all(|n| p.received(DST + n) == pattern(SRC + n)));
}

#[test]
fn faults_on_both_sides() {
    let p = Pair::new();
    p.fill(SRC, 2 * PAGE);
    p.buffers(&[StringItem::new(DST + 5, 4 * PAGE)]);
    for page in 0..3 {
        p.miss(p.s, SRC + page * PAGE);
        p.miss(p.r, DST + page * PAGE);
    }
    p.receive();
    p.send(&[StringItem::new(SRC, 2 * PAGE)]);
    // In the order in which the copying comes to them: the receiver's pages begin in the middle of the sender's.
    for (side, addr) in [(0, SRC), (1, DST + 5), (1, DST + PAGE), (0, SRC + PAGE), (1, DST + 2 * PAGE)] {
        let (faulting, waiting) = if side == 0 { (p.s, p.r) } else { (p.r, p.s) };
        assert!(is(faulting, RunState::Sending) && is(waiting, RunState::InTransfer));
        let (access, code) = if side == 0 { (4, 4) } else { (2, 6) };
        assert_eq!(p.page_in(side), [addr, IP, access, code]);
        assert!(is(p.s, RunState::Copying), "it does not run on in the pager's time");
        p.run();
    }
    p.ended(Status::Ok, Status::Ok);
    assert!((0..2 * PAGE).all(|n| p.received(DST + 5 + n) == pattern(SRC + n)));
}

#[test]
fn messages_that_are_cut() {
    for (buffers, fits) in [
        (&[][..], 0),
        (&[StringItem::new(DST, 99)][..], 99),
        (&[StringItem::new(DST, 50).more(), StringItem::new(DST + 50, 49)][..], 99),
        (&[StringItem::new(DST, 50).more()][..], 50),
        (&[StringItem { addr: DST, word: u64::MAX }][..], 0),
    ] {
        let p = Pair::new();
        p.fill(SRC, 100);
        p.buffers(buffers);
        p.receive();
        p.send(&[StringItem::new(SRC, 100)]);
        p.ended(Status::MessageCut, Status::MessageCut);
        assert_eq!((p.r.frame.rbx.get(), p.r.frame.r12.get()), (42, p.s.id.get().0));
        assert!((0..100).all(|n| p.received(DST + n) == if n < fits { pattern(SRC + n) } else { 0 }));
    }
    // The second string has no buffer; an empty one needs none.
    let p = Pair::new();
    p.buffers(&[StringItem::new(DST, 10)]);
    for (len, want) in [(0, Status::Ok), (1, Status::MessageCut)] {
        p.receive();
        p.send(&[StringItem::new(SRC, 10), StringItem::new(SRC, len)]);
        p.ended(want, want);
    }
}

#[test]
fn who_takes_no_strings() {
    let p = Pair::new();
    p.r.utcb.set(None);
    p.receive();
    p.send(&[StringItem::new(SRC, 10)]);
    p.ended(Status::MessageCut, Status::MessageCut);
    // Who waits for the answer to a fault goes on all the same.
    p.r.pager.set(p.s.id.get());
    fault(&p.m, p.r, Outgoing::PageFault { addr: 1, access: 4 });
    p.m.call(p.s, ThreadId::NIL, ThreadId::ANY, 0, NEVER);
    p.send(&[StringItem::new(SRC, 10)]);
    assert_eq!((status(p.s), p.r.state.get()), (Status::MessageCut, RunState::Ready));
}

#[test]
fn bad_strings_are_not_sent() {
    let p = Pair::new();
    p.receive();
    for bad in [
        StringItem::new(layout::USER_END - 1, 2),
        StringItem::new(0, StringItem::MAX + 1),
        StringItem { addr: 0, word: 2 | 4 },
    ] {
        p.send(&[StringItem::new(SRC, 1), bad]);
        assert_eq!((status(p.s), p.r.state.get()), (Status::BadArgument, RunState::Receiving));
    }
    // What becomes bad on the way ends the transfer, and so does what is no memory.
    p.buffers(&[StringItem::new(DST, 10)]);
    p.miss(p.s, SRC);
    p.send(&[StringItem::new(SRC, 1)]);
    p.s.frame.rsi.set(StringItem::new(0, StringItem::MAX + 1).word);
    p.page_in(0);
    p.run();
    p.ended(Status::TransferAborted, Status::TransferAborted);
    p.m.memory.devices.borrow_mut().insert((p.r.id.get(), DST / PAGE));
    p.receive();
    p.send(&[StringItem::new(SRC, 1)]);
    p.ended(Status::TransferAborted, Status::TransferAborted);
}

#[test]
fn a_pager_that_never_answers() {
    // Whose timeout it is, whose page is missing, and whether the pager has taken the fault.
    for (of_sender, side, taken) in [(true, 0, false), (false, 0, true), (true, 1, true), (false, 1, false)] {
        let p = Pair::new();
        p.buffers(&[StringItem::new(DST, 10)]);
        p.timeouts(p.s, if of_sender { 100 } else { 500 }, 1);
        p.timeouts(p.r, 1, if of_sender { 500 } else { 100 });
        p.miss([p.s, p.r][side], [SRC, DST][side]);
        p.receive();
        p.send(&[StringItem::new(SRC, 10)]);
        if taken {
            p.m.call(p.pagers[side], ThreadId::NIL, ThreadId::ANY, 0, NEVER);
        }
        expire(&p.m, 99);
        assert!(p.s.transfer.is_under_way());
        expire(&p.m, 100);
        p.ended(Status::TransferTimeout, Status::TransferTimeout);
    }
}

#[test]
fn the_timeout_is_about_the_whole_transfer() {
    let p = Pair::new();
    p.buffers(&[StringItem::new(DST, 2 * PAGE)]);
    p.timeouts(p.s, 100, 0);
    p.timeouts(p.r, 0, Timeouts::NEVER);
    p.miss(p.s, SRC);
    p.miss(p.s, SRC + PAGE);
    p.receive();
    p.send(&[StringItem::new(SRC, 2 * PAGE)]);
    p.page_in(0);
    p.run();
    assert_eq!(p.m.timeouts.next_deadline(), Some(100), "an answered fault does not end it");
    expire(&p.m, 100);
    p.ended(Status::TransferTimeout, Status::TransferTimeout);
}

/// A transfer in which side `side` waits for its pager, which has taken the fault or not.
fn suspended(side: usize, taken: bool) -> Pair {
    let p = Pair::new();
    p.buffers(&[StringItem::new(DST, 10)]);
    p.miss([p.s, p.r][side], [SRC, DST][side]);
    p.receive();
    p.send(&[StringItem::new(SRC, 10)]);
    if taken {
        p.m.call(p.pagers[side], ThreadId::NIL, ThreadId::ANY, 0, NEVER);
    }
    p
}

const EVERYWHERE: [(usize, bool); 4] = [(0, false), (0, true), (1, false), (1, true)];

#[test]
fn cancel_on_either_side() {
    for (side, taken) in EVERYWHERE {
        let p = suspended(side, taken);
        cancel(&p.m, p.s);
        p.ended(Status::SendCancelled, Status::TransferAborted);
        let p = suspended(side, taken);
        cancel(&p.m, p.r);
        p.ended(Status::TransferAborted, Status::ReceiveCancelled);
    }
    let p = Pair::new();
    p.buffers(&[StringItem::new(DST, StringItem::MAX)]);
    p.receive();
    p.send(&[StringItem::new(SRC, 2 * BOUND)]);
    assert!(is(p.s, RunState::Copying));
    cancel(&p.m, p.s);
    p.ended(Status::SendCancelled, Status::TransferAborted);
    assert_eq!(p.run(), 0);
    go_on(&p.m, p.s);
    p.ended(Status::SendCancelled, Status::TransferAborted);
}

#[test]
fn death_on_either_side_and_of_pagers() {
    for (side, taken) in EVERYWHERE {
        for dead in 0..2 {
            let p = suspended(side, taken);
            let (t, other) = if dead == 0 { (p.s, p.r) } else { (p.r, p.s) };
            let id = t.id.replace(ThreadId::NIL);
            kill(&p.m, t, id);
            assert_eq!((status(other), other.state.get()), (Status::TransferAborted, RunState::Ready));
            assert!(!t.is_runnable() && p.pagers.iter().all(|p| p.senders.is_empty()));
        }
        let p = suspended(side, taken);
        let id = p.pagers[side].id.replace(ThreadId::NIL);
        kill(&p.m, p.pagers[side], id);
        p.ended(Status::TransferAborted, Status::TransferAborted);
        assert!(p.m.orphans.borrow().is_empty());
    }
}

#[test]
fn without_a_pager() {
    for side in 0..2 {
        let p = Pair::new();
        p.buffers(&[StringItem::new(DST, 10)]);
        [p.s, p.r][side].pager.set(ThreadId::NIL);
        p.miss([p.s, p.r][side], [SRC, DST][side]);
        p.receive();
        p.send(&[StringItem::new(SRC, 10)]);
        p.ended(Status::TransferAborted, Status::TransferAborted);
    }
}

#[test]
fn a_call_goes_on_to_receive() {
    let p = Pair::new();
    p.buffers(&[StringItem::new(DST, 10)]);
    p.receive();
    p.miss(p.s, SRC);
    p.send_and(&[StringItem::new(SRC, 10)], p.r.id.get());
    p.page_in(0);
    p.run();
    assert!(is(p.s, RunState::Receiving) && is(p.r, RunState::Ready));
    p.m.call(p.r, p.s.id.get(), ThreadId::NIL, 9, NEVER);
    assert_eq!((p.s.frame.rbx.get(), p.s.frame.rip.get()), (9, IP));
}
