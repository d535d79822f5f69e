//! Clans & chiefs: messages that cross a border, and who may speak for whom. This server is the puppets' chief.

use crate::puppet::{Code, PRIORITY, Puppet, SOON, words};
use crate::report::{Check, Failure, holds, same};
use proto::Message;
use ukernel_abi::call::{Timeouts, task_new};
use ukernel_abi::layout::utcb;
use ukernel_abi::utcb::Regs;
use ukernel_abi::{Call, Label, Tag};
use userlib::{Me, Status, ThreadId, ipc};

const WORDS: [u64; 7] = [11, 22, 33, 44, 55, 66, 77];
const LABEL: Label = Label(0x55);
/// Offset of `virtual_sender` in a UTCB.
const VIRTUAL_SENDER: u64 = 0x220;

fn message() -> Message {
    Message::new(LABEL, WORDS)
}

/// A task that `puppet` makes, and that does not run.
fn child_of(puppet: &Puppet, me: Me) -> Check<ThreadId> {
    let words = [task_new::STOPPED | task_new::WITH_UTCB, 0, 0, me.id.0, me.id.0, 16, PRIORITY.into()];
    let (status, regs) = puppet.call(Call::TaskNew, ThreadId::NIL, words)?;
    same("a task of a puppet's", status, Status::Ok)?;
    Ok(ThreadId(regs.r12))
}

pub fn redirected_outward(me: Me) -> Check {
    let (puppet, sibling) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    puppet.call(Call::IdNearest, ThreadId::NIL, [0; 7])?;
    for stranger in [ThreadId::SIGMA0, ThreadId::ROOT] {
        puppet.start_ipc(stranger, &message(), ThreadId::NIL, Timeouts::ALL_NEVER)?;
        let received = ipc::receive(puppet.id, SOON)?;
        same("for whom it was meant", received.meant_for, stranger)?;
        same("who sent it", received.from, puppet.id)?;
        same("in its own name", received.sent_by, ThreadId::NIL)?;
        holds("all words arrive", received.message.words == WORDS && received.message.label() == LABEL)?;
        same("it is sent", puppet.called()?.0, Status::Ok)?;
    }
    puppet.start_ipc(sibling.id, &message(), ThreadId::NIL, Timeouts::new(1000, 0))?;
    same("one of the clan is not the chief's affair", puppet.called()?.0, Status::SendTimeout)
}

pub fn redirected_inward(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    let child = child_of(&puppet, me)?;
    puppet.start_ipc(ThreadId::NIL, &message(), ThreadId::ANY, Timeouts::new(0, SOON))?;
    puppet.settle()?;
    ipc::send(child, &message(), ipc::NOW)?;
    let (status, regs) = puppet.called()?;
    same("status", status, Status::Ok)?;
    holds("it is marked", Tag::from_rax(regs.rax).is_redirected())?;
    same("who sent it", regs.r12, me.id)?;
    same("for whom it was meant", regs.r13, child)?;
    holds("all words arrive", words(&regs) == WORDS)
}

pub fn answered_through_the_chief(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    puppet.call(Call::IdNearest, ThreadId::NIL, [0; 7])?;
    puppet.start_ipc(ThreadId::ROOT, &message(), ThreadId::ROOT, Timeouts::ALL_NEVER)?;
    same("for whom it was meant", ipc::receive(puppet.id, SOON)?.meant_for, ThreadId::ROOT)?;
    let reply = Message::new(Label(0x66), WORDS.map(|word| word + 1));
    same("in the chief's own name", ipc::send(puppet.id, &reply, ipc::NOW), Status::SendTimeout)?;
    ipc::propagate(puppet.id, ThreadId::ROOT, &reply, ipc::NOW)?;
    let (status, regs) = puppet.called()?;
    same("status", status, Status::Ok)?;
    holds("it is marked", Tag::from_rax(regs.rax).is_propagated())?;
    same("in whose name", regs.r12, ThreadId::ROOT)?;
    same("who sent it", regs.r14, me.id)?;
    holds("all words arrive", words(&regs) == reply.words)?;
    // The chief is there first.
    puppet.start_ipc(ThreadId::NIL, &message(), ThreadId::ROOT, Timeouts::ALL_NEVER)?;
    ipc::propagate(puppet.id, ThreadId::ROOT, &reply, SOON)?;
    same("it is found in the queue", puppet.called()?.1.r12, ThreadId::ROOT)?;
    puppet.start_ipc(ThreadId::NIL, &message(), ThreadId::ROOT, Timeouts::new(0, 1000))?;
    same("nobody sends", puppet.called()?.0, Status::ReceiveTimeout)
}

pub fn speaking_for_others(me: Me) -> Check {
    let (puppet, sibling) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    let child = child_of(&puppet, me)?;
    for (what, name, to) in [
        ("one of the clan to another", sibling.id, puppet.id),
        ("one below another to a stranger below", child, sibling.id),
        ("a stranger to a stranger", ThreadId::SIGMA0, ThreadId::ROOT),
    ] {
        same(what, ipc::propagate(to, name, &message(), ipc::NOW), Status::Denied)?;
    }
    let dead = ThreadId::new(sibling.id.task(), 0, sibling.id.version() + 1);
    same("a stale name", ipc::propagate(puppet.id, dead, &message(), ipc::NOW), Status::NotExistent)?;
    same("nobody", ipc::propagate(puppet.id, ThreadId::NIL, &message(), ipc::NOW), Status::NotExistent)?;
    // A puppet for its chief, its sibling and a stranger; and for what is below itself.
    for (name, to, want) in [
        (me.id, sibling.id, Status::Denied),
        (sibling.id, me.id, Status::Denied),
        (ThreadId::ROOT, me.id, Status::Denied),
        (child, sibling.id, Status::SendTimeout),
        (me.id, child, Status::SendTimeout),
        (puppet.id, sibling.id, Status::SendTimeout),
    ] {
        puppet.store(utcb(0) + VIRTUAL_SENDER, name.0)?;
        let propagated = Message { tag: message().tag.propagated(), ..message() };
        puppet.start_ipc(to, &propagated, ThreadId::NIL, Timeouts::new(0, 0))?;
        same("a puppet for others", puppet.called()?.0, want)?;
    }
    let marked = Message { tag: Tag(message().tag.0 | Tag::REDIRECTED), ..message() };
    same("redirected by a program", ipc::send(puppet.id, &marked, ipc::NOW), Status::BadArgument)
}

pub fn a_partner_abroad_dies(me: Me) -> Check {
    let (puppet, other) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    let child = child_of(&other, me)?;
    puppet.start_ipc(ThreadId::NIL, &message(), child, Timeouts::ALL_NEVER)?;
    puppet.settle()?;
    drop(other);
    same("the partner died", puppet.called()?.0, Status::Aborted)?;
    puppet.run(Code::Stop, Regs::default()).map(drop)
}

pub fn id_nearest(me: Me) -> Check {
    let (puppet, sibling) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    let (child, nephew) = (child_of(&puppet, me)?, child_of(&sibling, me)?);
    for (what, of, nearest) in [
        ("oneself", ThreadId::NIL, puppet.id),
        ("one's chief", me.id, me.id),
        ("one of the clan", sibling.id, sibling.id),
        ("a stranger", ThreadId::ROOT, me.id),
        ("a task of one's own", child, child),
        ("a task of a sibling's", nephew, sibling.id),
    ] {
        let (status, regs) = puppet.call(Call::IdNearest, of, [0; 7])?;
        same("status", status, Status::Ok)?;
        if regs.r12 != nearest.0 {
            return Err(Failure::new(what, regs.r12, nearest.0));
        }
    }
    let dead = ThreadId::new(child.task(), 0, child.version() + 1);
    same("the dead", puppet.call(Call::IdNearest, dead, [0; 7])?.0, Status::NotExistent)
}
