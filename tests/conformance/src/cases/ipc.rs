//! Messages.

use crate::puppet::{Puppet, SOON, becomes, words};
use crate::report::{Check, holds, same};
use proto::Message;
use ukernel_abi::call::{Timeout, Timeouts, ex_regs};
use ukernel_abi::layout::utcb;
use ukernel_abi::utcb::RunState;
use ukernel_abi::{Call, Label, Tag};
use userlib::clock::{Clock, tsc};
use userlib::thread::ExRegs;
use userlib::{Me, Status, ThreadId, ipc, kip, task};

const WORDS: [u64; 7] = [11, 22, 33, 44, 55, 66, u64::MAX];
const LABEL: Label = Label(0x77);
/// The largest number of words that a tag can count.
const MOST: usize = 63;
const MS: u64 = 1_000_000;
/// How late a timeout may be, in ns.
const LATE: u64 = SOON as u64 * 1000;

fn message() -> Message {
    Message::new(LABEL, WORDS)
}

/// The puppet waits for this server to receive from it.
fn begin_sending(puppet: &Puppet, me: Me) -> Check {
    // Its code and stack are there when it has made a call.
    puppet.call(Call::IdNearest, ThreadId::NIL, [0; 7])?;
    puppet.start_ipc(me.id, &message(), ThreadId::NIL, Timeouts::ALL_NEVER)?;
    becomes("it waits to send", || Ok(puppet.state()?.state == RunState::Sending))
}

pub fn call_and_reply(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    puppet.start_ipc(me.id, &message(), me.id, Timeouts::ALL_NEVER)?;
    // Its code and stack are mapped on the way.
    let received = puppet.message()?;
    same("label", received.tag.label().0, LABEL.0)?;
    same("number of words", received.tag.words(), 7_usize)?;
    holds("all words arrive", received.words == WORDS)?;
    let reply = WORDS.map(|word| word ^ 0x5a);
    ipc::send(puppet.id, &Message::new(Label(0x78), reply), ipc::NOW)?;
    let (status, regs) = puppet.called()?;
    same("status", status, Status::Ok)?;
    same("label of the reply", Tag::from_rax(regs.rax).label().0, 0x78_u16)?;
    same("sender of the reply", regs.r12, me.id)?;
    holds("all words of the reply arrive", words(&regs) == reply)
}

pub fn long_message(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    puppet.start_ipc(ThreadId::NIL, &message(), me.id, Timeouts::new(0, ipc::NEVER))?;
    puppet.settle()?;
    for index in 7..MOST {
        holds("a word of the UTCB", me.utcb.set_word(index, 1000 + index as u64))?;
    }
    let long = Message { tag: Tag::new(LABEL, MOST, 0), words: WORDS };
    ipc::send(puppet.id, &long, ipc::NOW)?;
    let (status, regs) = puppet.called()?;
    same("status", status, Status::Ok)?;
    same("number of words", Tag::from_rax(regs.rax).words(), MOST)?;
    for index in [7, 8, MOST as u64 - 2, MOST as u64 - 1] {
        same("word in the UTCB", puppet.load(utcb(0) + 8 * index)?, 1000 + index)?;
    }
    Ok(())
}

pub fn timeout_zero(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    same("send to one that does not wait", ipc::send(puppet.id, &message(), ipc::NOW), Status::SendTimeout)?;
    same("receive from one that does not send", ipc::receive(puppet.id, ipc::NOW), Status::ReceiveTimeout)?;
    same("receive from anybody", ipc::receive(ThreadId::ANY, ipc::NOW), Status::ReceiveTimeout)
}

pub fn timeout_finite(me: Me) -> Check {
    let clock = Clock::of(kip::kip());
    let (sender, other) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    for (name, receives) in [("receiving", true), ("sending", false)] {
        let start = tsc();
        let status = if receives {
            ipc::receive(other.id, 20_000).map(drop)
        } else {
            ipc::send(other.id, &message(), 20_000)
        };
        let elapsed = clock.monotonic_ns(tsc()) - clock.monotonic_ns(start);
        same(name, status, if receives { Status::ReceiveTimeout } else { Status::SendTimeout })?;
        holds("not too early", elapsed >= 19 * MS)?;
        holds("not much too late", elapsed < LATE)?;
    }
    sender.start_ipc(other.id, &message(), ThreadId::NIL, Timeouts::new(5_000, 0))?;
    same("a puppet sends", sender.called()?.0, Status::SendTimeout)?;
    sender.start_ipc(ThreadId::NIL, &message(), ThreadId::ANY, Timeouts::new(0, 5_000))?;
    same("a puppet receives", sender.called()?.0, Status::ReceiveTimeout)
}

pub fn deadlines(me: Me) -> Check {
    let clock = Clock::of(kip::kip());
    let ms = kip::kip().tsc_khz;
    let (puppet, other) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    let to_or_from = |receives: bool, deadline: u64| {
        let (phase, at) = (Timeout::Deadline, tsc().wrapping_add(deadline));
        // That of the other phase would be over at once.
        me.utcb.set_deadlines(if receives { 0 } else { at }, if receives { at } else { 0 });
        let start = tsc();
        let status = if receives {
            ipc::ipc(ThreadId::NIL, &message(), other.id, Timeouts::of(Timeout::Never, phase))
        } else {
            ipc::ipc(other.id, &message(), ThreadId::NIL, Timeouts::of(phase, Timeout::Never))
        };
        (status.map(drop), clock.monotonic_ns(tsc()) - clock.monotonic_ns(start))
    };
    for receives in [true, false] {
        let want = if receives { Status::ReceiveTimeout } else { Status::SendTimeout };
        let (status, elapsed) = to_or_from(receives, 20 * ms);
        same("in the future", status, want)?;
        holds("not too early", elapsed >= 19 * MS)?;
        holds("not much too late", elapsed < LATE)?;
        let (status, elapsed) = to_or_from(receives, 0_u64.wrapping_sub(ms));
        same("a moment ago", status, want)?;
        holds("at once", elapsed < LATE)?;
    }
    // What can be done at once is done, however late it is.
    puppet.call(Call::IdNearest, ThreadId::NIL, [0; 7])?;
    puppet.start_ipc(ThreadId::NIL, &message(), me.id, Timeouts::ALL_NEVER)?;
    puppet.settle()?;
    me.utcb.set_deadlines(0, 0);
    let late = Timeouts::of(Timeout::Deadline, Timeout::Deadline);
    ipc::ipc(puppet.id, &message(), ThreadId::NIL, late)?;
    same("it is received", puppet.called()?.0, Status::Ok)?;
    // A puppet, which has its deadlines in its own UTCB.
    puppet.store(utcb(0) + 0x218, tsc() + 5 * ms)?;
    puppet.start_ipc(ThreadId::NIL, &message(), ThreadId::ANY, late)?;
    same("a puppet", puppet.called()?.0, Status::ReceiveTimeout)
}

/// Timeouts that end while the CPU is still on its way to sleep, at one instruction or another.
pub fn short_timeouts(me: Me) -> Check {
    let other = Puppet::new(me, 0)?;
    for ticks in (0..4_000).step_by(10) {
        me.utcb.set_deadlines(0, tsc() + ticks);
        let timeouts = Timeouts::of(Timeout::Never, Timeout::Deadline);
        let received = ipc::ipc(ThreadId::NIL, &message(), other.id, timeouts);
        same("status", received.map(drop), Status::ReceiveTimeout)?;
    }
    Ok(())
}

pub fn closed_receive(me: Me) -> Check {
    let (first, second) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    for puppet in [&first, &second] {
        begin_sending(puppet, me)?;
    }
    let received = ipc::receive(second.id, SOON)?;
    same("sender", received.from, second.id)?;
    same("label", received.message.label().0, LABEL.0)?;
    let received = ipc::receive(ThreadId::ANY, SOON)?;
    // The second has come to its UD2 by now, or not: the first was there before.
    same("sender", received.from, first.id)?;
    same("label", received.message.label().0, LABEL.0)
}

pub fn order_of_senders(me: Me) -> Check {
    let puppets = [Puppet::new(me, 0)?, Puppet::new(me, 1)?, Puppet::new(me, 2)?];
    for puppet in &puppets {
        begin_sending(puppet, me)?;
    }
    for puppet in &puppets {
        let received = ipc::receive(ThreadId::ANY, SOON)?;
        same("sender", received.from, puppet.id)?;
        same("label", received.message.label().0, LABEL.0)?;
    }
    Ok(())
}

pub fn stale_identifier(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    let old = puppet.id;
    task::delete(old)?;
    same("send to the dead", ipc::send(old, &message(), ipc::NOW), Status::NotExistent)?;
    same("receive from the dead", ipc::receive(old, ipc::NOW), Status::NotExistent)?;
    same("registers of the dead", ExRegs::new(0).apply(old), Status::NotExistent)?;
    same("deleted twice", task::delete(old), Status::NotExistent)?;
    let next = Puppet::new(me, 1)?;
    holds("identifiers are not used again", next.id != old)?;
    same("the old identifier is still stale", ipc::send(old, &message(), ipc::NOW), Status::NotExistent)?;
    let wrong = ThreadId::new(next.id.task(), next.id.lthread(), next.id.version() + 1);
    same("a version to come", ipc::send(wrong, &message(), ipc::NOW), Status::NotExistent)?;
    let nobody = ThreadId::new(next.id.task(), 77, next.id.version());
    same("a thread that was never made", ipc::send(nobody, &message(), ipc::NOW), Status::NotExistent)
}

pub fn bad_arguments(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    same("to oneself", ipc::send(me.id, &message(), ipc::NOW), Status::BadArgument)?;
    for label in [Label::PAGE_FAULT, Label::FOREIGN, Label(0xffff)] {
        let forged = Message::new(label, WORDS);
        same("a label of the kernel's", ipc::send(puppet.id, &forged, ipc::NOW), Status::BadArgument)?;
    }
    for tag in [0x1000, 0x8000, Tag::new(LABEL, 63, 1).0, Tag::new(LABEL, 0, 33).0] {
        let bad = Message { tag: Tag(tag), words: WORDS };
        same("a bad tag", ipc::send(puppet.id, &bad, ipc::NOW), Status::BadArgument)?;
    }
    Ok(())
}

pub fn aborted(me: Me) -> Check {
    let (waiting, partner) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    waiting.start_ipc(ThreadId::NIL, &message(), partner.id, Timeouts::ALL_NEVER)?;
    waiting.settle()?;
    task::delete(partner.id)?;
    same("the partner died", waiting.called()?.0, Status::Aborted)
}

pub fn cancelled(me: Me) -> Check {
    let (puppet, other) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    puppet.start_ipc(ThreadId::NIL, &message(), ThreadId::ANY, Timeouts::ALL_NEVER)?;
    puppet.settle()?;
    ExRegs::new(ex_regs::CANCEL).apply(puppet.id)?;
    same("receiving", puppet.called()?.0, Status::ReceiveCancelled)?;
    puppet.start_ipc(other.id, &message(), ThreadId::NIL, Timeouts::ALL_NEVER)?;
    puppet.settle()?;
    ExRegs::new(ex_regs::CANCEL).apply(puppet.id)?;
    same("sending", puppet.called()?.0, Status::SendCancelled)
}
