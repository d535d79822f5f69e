//! The thread that answers the faults of the tasks that the fuzzer made, by what the fuzzer has at the same address.

use super::{Fuzzer, arguments as a};
use crate::places::{context, word};
use crate::program::Program;
use crate::random::Random;
use proto::kernel::Event;
use proto::{Message, kernel::PageFault};
use ukernel_abi::call::Timeouts;
use ukernel_abi::layout::{PAGE, USER_END};
use ukernel_abi::{Call, Fpage, MapItem, Rights, Tag, ThreadId};
use userlib::Status;
use userlib::gate::Frame;

/// How long it waits, so that it is seen to be alive.
const WAIT_US: u32 = 5_000;

pub extern "C" fn pager(number: u64, lthread: u64) -> ! {
    // SAFETY: a fuzzer's task has nothing to lose.
    let program = unsafe { Program::new() };
    let me = Fuzzer { program, number, utcb: Some(lthread) };
    let (seed, done) = (context(number) + word::SEED * 8, context(number) + word::DONE * 8);
    let mut frame = Frame::new(Call::Ipc, ThreadId::NIL, [0; 7]);
    loop {
        let mut random = Random(program.read(seed));
        program.write(seed, random.word());
        program.call(&mut frame, ThreadId::ANY.0, Timeouts::new(0, WAIT_US));
        program.write(done, program.read(done).wrapping_add(1));
        frame = match frame.status() {
            Status::Ok => answer(me, &mut random, &frame),
            _ => Frame::new(Call::Ipc, ThreadId::NIL, [0; 7]),
        };
    }
}

fn answer(me: Fuzzer, r: &mut Random, received: &Frame) -> Frame {
    let message = Message { tag: received.tag(), words: received.words };
    let mut reply = Frame::new(Call::Ipc, ThreadId(received.r12), core::array::from_fn(|_| r.word()));
    match Event::try_from(&message) {
        Ok(Event::PageFault(PageFault { address, .. })) => {
            let page = address & !(PAGE - 1);
            let mut item = MapItem::map(Fpage::memory(page, 12, Rights::RWX), page);
            if r.chance(5) || page >= USER_END {
                item = MapItem { snd: Fpage(a::flexpage(r)), base: a::address(r) };
            } else {
                // What this task has not got it cannot pass on.
                me.program.read(page);
            }
            (reply.words[0], reply.words[1]) = (item.snd.0, item.base);
            reply.rax |= Tag::new(ukernel_abi::Label(0), 0, 1).to_rax();
        }
        // The child raises it again and again: it has come to its end.
        Ok(Event::Exception(_)) if r.chance(90) => reply.r12 = ThreadId::NIL.0,
        _ => {}
    }
    reply
}
