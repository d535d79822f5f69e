//! Threads that die, whatever they are doing, and those who wait for them.

use crate::puppet::{Code, Puppet, SOON, answer, becomes};
use crate::report::{Check, same};
use ukernel_abi::Call;
use ukernel_abi::call::{Timeouts, ex_regs};
use ukernel_abi::utcb::{Regs, RunState};
use userlib::thread::{ExRegs, sleep};
use userlib::{Me, Status, ThreadId, ipc, task};

/// Where puppets have nothing.
const NOWHERE: u64 = 0x5000_0000;
/// A timeout of one that dies before it is over, in µs.
const SHORT: u32 = 5_000;

/// Deletes the puppet's task, and waits until whatever it waited for would have come.
fn dies(puppet: &Puppet) -> Check {
    task::delete(puppet.id)?;
    sleep(2 * SHORT);
    same("it is gone", ipc::send(puppet.id, &answer([], &[]), ipc::NOW), Status::NotExistent)
}

/// Has made a call, so that its code and stack are there.
fn ready(me: Me, number: usize) -> Check<Puppet> {
    let puppet = Puppet::new(me, number)?;
    puppet.call(Call::IdNearest, ThreadId::NIL, [0; 7])?;
    Ok(puppet)
}

pub fn running(me: Me) -> Check {
    let (puppet, stopped) = (ready(me, 0)?, ready(me, 1)?);
    puppet.start(Code::Count, Regs::default())?;
    stopped.start(Code::Count, Regs::default())?;
    ExRegs::new(ex_regs::STOP).apply(stopped.id)?;
    sleep(SHORT);
    dies(&puppet)?;
    dies(&stopped)
}

pub fn sending(me: Me) -> Check {
    for timeout in [ipc::NEVER, SHORT] {
        let (sender, receiver) = (ready(me, 0)?, ready(me, 1)?);
        sender.start_ipc(receiver.id, &answer([7], &[]), sender.id, Timeouts::new(timeout, timeout))?;
        sender.settle_within(SHORT / 2)?;
        dies(&sender)?;
        receiver.start_ipc(ThreadId::NIL, &answer([], &[]), ThreadId::ANY, Timeouts::new(0, 0))?;
        same("nothing comes from the dead", receiver.called()?.0, Status::ReceiveTimeout)?;
    }
    Ok(())
}

pub fn receiving(me: Me) -> Check {
    for (from, timeout) in [(ThreadId::ANY, ipc::NEVER), (ThreadId::ANY, SHORT), (me.id, SHORT)] {
        let puppet = ready(me, 0)?;
        puppet.start_ipc(ThreadId::NIL, &answer([], &[]), from, Timeouts::new(0, timeout))?;
        puppet.settle_within(SHORT / 2)?;
        dies(&puppet)?;
    }
    Ok(())
}

pub fn faulting(me: Me) -> Check {
    let puppet = ready(me, 0)?;
    puppet.start(Code::Load, Regs { rdi: NOWHERE, ..Regs::default() })?;
    puppet.page_fault()?;
    dies(&puppet)?;
    let puppet = ready(me, 0)?;
    puppet.start(Code::Syscall, Regs { rax: 1, ..Regs::default() })?;
    puppet.foreign()?;
    dies(&puppet)?;
    let puppet = ready(me, 0)?;
    puppet.start(Code::Divide, Regs::default())?;
    puppet.exception()?;
    dies(&puppet)?;
    // Its fault has not been received yet.
    let puppet = ready(me, 0)?;
    puppet.start(Code::Load, Regs { rdi: NOWHERE, ..Regs::default() })?;
    sleep(SHORT);
    dies(&puppet)?;
    same("nor is it received now", ipc::receive(ThreadId::ANY, ipc::NOW), Status::ReceiveTimeout)
}

/// Two wait to send to one that dies, and one waits for its message.
pub fn of_a_partner(me: Me) -> Check {
    let (first, second, partner) = (ready(me, 0)?, ready(me, 1)?, ready(me, 2)?);
    first.start_ipc(partner.id, &answer([], &[]), ThreadId::NIL, Timeouts::ALL_NEVER)?;
    second.start_ipc(partner.id, &answer([], &[]), partner.id, Timeouts::new(SOON, SOON))?;
    first.settle()?;
    second.settle()?;
    task::delete(partner.id)?;
    same("one that sends", first.called()?.0, Status::NotExistent)?;
    same("one that calls", second.called()?.0, Status::NotExistent)
}

/// The partner dies after it has received a call, and before it has answered.
pub fn of_a_partner_that_was_called(me: Me) -> Check {
    let (caller, partner) = (ready(me, 0)?, ready(me, 1)?);
    partner.start_ipc(ThreadId::NIL, &answer([], &[]), caller.id, Timeouts::ALL_NEVER)?;
    partner.settle()?;
    caller.start_ipc(partner.id, &answer([], &[]), partner.id, Timeouts::ALL_NEVER)?;
    same("the call arrives", partner.called()?.0, Status::Ok)?;
    caller.settle()?;
    task::delete(partner.id)?;
    same("its caller", caller.called()?.0, Status::Aborted)
}

/// A puppet whose pager is another puppet, and that has faulted.
fn with_pager(me: Me, received: bool) -> Check<(Puppet, Puppet)> {
    let (puppet, pager) = (ready(me, 0)?, ready(me, 1)?);
    if received {
        pager.start_ipc(ThreadId::NIL, &answer([], &[]), ThreadId::ANY, Timeouts::ALL_NEVER)?;
        pager.settle()?;
    }
    ExRegs::new(0).pager(pager.id).apply(puppet.id)?;
    puppet.start(Code::Load, Regs { rdi: NOWHERE, ..Regs::default() })?;
    Ok((puppet, pager))
}

pub fn of_a_pager(me: Me) -> Check {
    for (received, state) in [(false, RunState::Sending), (true, RunState::PageFault)] {
        let (puppet, pager) = with_pager(me, received)?;
        becomes("it waits", || Ok(puppet.state()?.state == state))?;
        task::delete(pager.id)?;
        stopped_for_good(me, &puppet)?;
    }
    Ok(())
}

/// The chief can set it going again all the same.
fn stopped_for_good(me: Me, puppet: &Puppet) -> Check {
    becomes("it is stopped", || Ok(puppet.state()?.stopped))?;
    ExRegs::new(0).pager(me.id).handler(me.id).apply(puppet.id)?;
    let regs = puppet.run(Code::Stop, Regs { rax: 5, ..Regs::default() })?;
    same("it goes on", regs.rax, 5_u64)
}

pub fn nobody_to_turn_to(me: Me) -> Check {
    let puppet = ready(me, 0)?;
    let other = ready(me, 1)?;
    task::delete(other.id)?;
    for nobody in [ThreadId::NIL, ThreadId::ANY, ThreadId::irq(9), ThreadId::SIGMA0, puppet.id, other.id] {
        ExRegs::new(0).handler(nobody).apply(puppet.id)?;
        puppet.start(Code::Divide, Regs::default())?;
        stopped_for_good(me, &puppet)?;
        ExRegs::new(0).pager(nobody).apply(puppet.id)?;
        puppet.start(Code::Load, Regs { rdi: NOWHERE, ..Regs::default() })?;
        stopped_for_good(me, &puppet)?;
    }
    Ok(())
}

pub fn by_its_own_hand(me: Me) -> Check {
    let puppet = ready(me, 0)?;
    puppet.start_call(Call::LthreadExRegs, puppet.id, [ex_regs::DESTROY, 0, 0, 0, 0, 0, 0])?;
    becomes("it is gone", || {
        Ok(ipc::send(puppet.id, &answer([], &[]), ipc::NOW) == Err(Status::NotExistent))
    })?;
    // Its task has its name still.
    task::delete(puppet.id)?;
    same("its task is gone", task::delete(puppet.id), Status::NotExistent)
}
