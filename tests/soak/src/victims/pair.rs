//! Two that call each other. Every fourth message is as long as messages can be.

use super::Victim;
use crate::random::mix;
use ukernel_abi::call::Timeouts;
use ukernel_abi::layout::utcb;
use ukernel_abi::msg::REGISTER_WORDS;
use ukernel_abi::{Call, Label, Tag};
use userlib::gate::Frame;
use userlib::{Status, ThreadId};

/// The largest number of words that a tag can count.
const MOST: usize = 63;
const CALLS_A_REST: u64 = 4;

fn length(round: u64) -> usize {
    if round.is_multiple_of(4) { MOST } else { REGISTER_WORDS }
}

fn word(round: u64, index: usize, reply: bool) -> u64 {
    mix(round << 8 | (index as u64) << 1 | u64::from(reply))
}

fn label(round: u64) -> Label {
    Label(round as u16 & !Label::KERNEL)
}

/// The message of a round: its words in registers; those that are not, in the UTCB.
fn compose(me: Victim, to: u64, round: u64, reply: bool) -> Frame {
    let tag = Tag::new(label(round), length(round), 0);
    let words = core::array::from_fn(|index| word(round, index, reply));
    for index in REGISTER_WORDS..length(round) {
        me.program.write(utcb(0) + index as u64 * 8, word(round, index, reply));
    }
    Frame { rax: Call::Ipc.rax() | tag.to_rax(), words, r12: to }
}

/// Stops unless the message of the round has come from the partner.
fn check(me: Victim, frame: &Frame, round: u64, reply: bool) {
    me.same(2, frame.status() as u64, Status::Ok as u64);
    me.same(3, frame.r12, me.partner);
    me.same(4, frame.tag().0.into(), Tag::new(label(round), length(round), 0).0.into());
    for (index, &got) in frame.words.iter().enumerate() {
        me.same(5, got, word(round, index, reply));
    }
    for index in REGISTER_WORDS..length(round) {
        me.same(6, me.program.read(utcb(0) + index as u64 * 8), word(round, index, reply));
    }
}

pub extern "C" fn caller(context: u64, partner: u64, own: u64, pace: u32) -> ! {
    // SAFETY: the supervisor starts it so.
    let me = unsafe { Victim::new(context, partner, own, pace) };
    for round in 1.. {
        let mut frame = compose(me, partner, round, false);
        me.program.call(&mut frame, partner, Timeouts::ALL_NEVER);
        check(me, &frame, round, true);
        me.done(round);
        if round.is_multiple_of(CALLS_A_REST) {
            me.rest(1_000);
        }
    }
    unreachable!()
}

pub extern "C" fn callee(context: u64, partner: u64, own: u64, pace: u32) -> ! {
    // SAFETY: the supervisor starts it so.
    let me = unsafe { Victim::new(context, partner, own, pace) };
    let mut frame = Frame::new(Call::Ipc, ThreadId::NIL, [0; 7]);
    for round in 1.. {
        // Nobody but the partner: what others send waits.
        me.program.call(&mut frame, partner, Timeouts::ALL_NEVER);
        check(me, &frame, round, false);
        me.done(round);
        frame = compose(me, partner, round, true);
    }
    unreachable!()
}
