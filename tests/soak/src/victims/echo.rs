//! One that answers everybody, and its client. Others may make it wait and fill its window, but not make it answer the
//! client wrongly.

use super::Victim;
use crate::places::{WINDOW, WINDOW_LOG2};
use crate::random::mix;
use ukernel_abi::call::Timeouts;
use ukernel_abi::layout::utcb;
use ukernel_abi::utcb::Utcb;
use ukernel_abi::{Call, Label, Tag};
use userlib::gate::Frame;
use userlib::{Fpage, Rights, Status, ThreadId};

const ASK: Tag = Tag::new(Label(0x55), 7, 0);
const ANSWER: Tag = Tag::new(Label(0x66), 7, 0);

fn question(round: u64, index: usize) -> u64 {
    mix(round ^ (index as u64) << 56)
}

pub extern "C" fn echo(context: u64, client: u64, own: u64, pace: u32) -> ! {
    // SAFETY: the supervisor starts it so.
    let me = unsafe { Victim::new(context, client, own, pace) };
    let window = Fpage::memory(WINDOW, WINDOW_LOG2, Rights::RWX);
    let at = utcb(0) + core::mem::offset_of!(Utcb, window) as u64;
    me.program.write(at, window.0);
    let mut frame = Frame::new(Call::Ipc, ThreadId::NIL, [0; 7]);
    let mut rounds = 0;
    loop {
        let to = frame.r12;
        me.program.call(&mut frame, ThreadId::ANY.0, Timeouts::new(0, Timeouts::NEVER));
        if frame.status() != Status::Ok {
            // The answer has failed; the client always waits for his.
            me.same(2, u64::from(to == client), 0);
            frame = Frame::new(Call::Ipc, ThreadId::NIL, [0; 7]);
            continue;
        }
        if frame.r12 == client {
            rounds += 1;
            me.same(3, frame.tag().0.into(), ASK.0.into());
            me.done(rounds);
        }
        me.same(4, me.program.read(at), window.0);
        let words = frame.words.map(|word| !word);
        frame = Frame { rax: Call::Ipc.rax() | ANSWER.to_rax(), words, r12: frame.r12 };
    }
}

pub extern "C" fn client(context: u64, server: u64, own: u64, pace: u32) -> ! {
    // SAFETY: the supervisor starts it so.
    let me = unsafe { Victim::new(context, server, own, pace) };
    for round in 1.. {
        let words = core::array::from_fn(|index| question(round, index));
        let mut frame = Frame { rax: Call::Ipc.rax() | ASK.to_rax(), words, r12: server };
        me.program.call(&mut frame, server, Timeouts::ALL_NEVER);
        me.same(2, frame.status() as u64, Status::Ok as u64);
        me.same(3, frame.r12, server);
        me.same(4, frame.tag().0.into(), ANSWER.0.into());
        for (index, got) in frame.words.into_iter().enumerate() {
            me.same(5, got, !question(round, index));
        }
        me.done(round);
        me.rest(1_500);
    }
    unreachable!()
}
