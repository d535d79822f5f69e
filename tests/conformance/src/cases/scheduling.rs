//! Priorities, time slices, FPU state under preemption. This server has the highest priority: that it runs at all while a
//! puppet counts shows that the timer preempts.

use super::vectors::Vectors;
use crate::puppet::{Code, FRAMES, INVALID_OPCODE, PRIORITY, Puppet, becomes};
use crate::report::{Check, Failure, holds, same};
use proto::kernel::Event;
use ukernel_abi::utcb::{Regs, RunState};
use userlib::clock::tsc;
use userlib::thread::{ExRegs, set_schedule, sleep};
use userlib::{Me, Status, ThreadId};

/// Many time slices. The host may run this machine for only a part of it, so what has to happen is waited for, and only what must not happen
/// is looked for after that time.
const LONG: u32 = 150_000;

/// A puppet that has its code and stack mapped, and counts.
fn counter(me: Me, number: usize, priority: u8) -> Check<Puppet> {
    let puppet = Puppet::with(me, number, FRAMES, priority)?;
    puppet.run(Code::Stop, Regs::default())?;
    puppet.start(Code::Count, Regs::default())?;
    Ok(puppet)
}

pub fn time_slices(me: Me) -> Check {
    let (first, second) = (counter(me, 0, PRIORITY)?, counter(me, 1, PRIORITY)?);
    sleep(LONG);
    becomes("both run, about as much", || {
        let (a, b) = (first.regs()?.rbx, second.regs()?.rbx);
        Ok(a / 8 < b && b / 8 < a)
    })
}

pub fn priorities(me: Me) -> Check {
    // Made ready to count while nobody else runs, so that it is the priority that keeps it from counting.
    let low = Puppet::with(me, 1, FRAMES, PRIORITY - 10)?;
    low.run(Code::Stop, Regs::default())?;
    let high = counter(me, 0, PRIORITY)?;
    low.start(Code::Count, Regs::default())?;
    sleep(LONG);
    becomes("the higher one runs", || Ok(high.regs()?.rbx > 0))?;
    same("the lower one does not", low.regs()?.rbx, 0_u64)?;
    let (old, _) = set_schedule(high.id, Some(PRIORITY - 20), None)?;
    same("old priority", old, PRIORITY)?;
    becomes("now it runs", || Ok(low.regs()?.rbx > 0))?;
    let before = high.regs()?.rbx;
    sleep(LONG);
    same("and the other does not", high.regs()?.rbx, before)
}

pub fn preempter(me: Me) -> Check {
    let (first, second) = (counter(me, 0, PRIORITY)?, counter(me, 1, PRIORITY)?);
    let mut start = tsc();
    ExRegs::new(0).preempter(me.id).apply(first.id)?;
    for _ in 0..3 {
        let Event::Preemption(end) = first.event()? else {
            return Err(Failure::new("not the end of a time slice", 0, 0));
        };
        holds("ip is in the code", end.ip.wrapping_sub(Code::Count.address()) < 8)?;
        holds("the time is right", (start..=tsc()).contains(&end.tsc))?;
        same("state", first.state()?.state as u64, RunState::Preempted as u64)?;
        let (a, b) = (first.regs()?.rbx, second.regs()?.rbx);
        sleep(LONG / 4);
        becomes("the other runs", || Ok(second.regs()?.rbx > b))?;
        same("it waits for the answer", first.regs()?.rbx, a)?;
        start = tsc();
        first.reply([], &[])?;
    }
    let before = ExRegs::new(0).preempter(ThreadId::NIL).apply(first.id)?;
    same("the preempter as it was", before.preempter, me.id)?;
    let (a, b) = (first.regs()?.rbx, second.regs()?.rbx);
    becomes("without a preempter it goes on", || Ok(first.regs()?.rbx > a && second.regs()?.rbx > b))?;
    // One that does not exist is none; with one that dies, the thread goes on.
    ExRegs::new(0).preempter(ThreadId::new(1000, 0, 1)).apply(first.id)?;
    sleep(LONG);
    same("nobody", first.state()?.state as u64, RunState::Ready as u64)?;
    let dead = Puppet::new(me, 2)?;
    ExRegs::new(0).preempter(dead.id).apply(first.id)?;
    // Without a look in between: whenever this server has run, a time slice begins anew.
    becomes("it waits for one that does not receive", || {
        sleep(LONG);
        Ok(first.state()?.state == RunState::Sending)
    })?;
    drop(dead);
    same("and goes on", first.state()?.state as u64, RunState::Ready as u64)?;
    let a = first.regs()?.rbx;
    becomes("it runs", || Ok(first.regs()?.rbx > a))
}

pub fn limits(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    let (own, _) = set_schedule(me.id, None, None)?;
    same("above one's own", set_schedule(puppet.id, Some(own + 1), None), Status::Denied)?;
    same("a stranger", set_schedule(ThreadId::ROOT, Some(1), None), Status::Denied)?;
    same("too short a time slice", set_schedule(puppet.id, None, Some(10)), Status::BadArgument)?;
    // The kernel counts in ticks of the timer: a microsecond may get lost.
    set_schedule(puppet.id, Some(own), Some(3_000))?;
    let (priority, slice) = set_schedule(puppet.id, None, None)?;
    same("priority as set", priority, own)?;
    holds("time slice as set", slice.abs_diff(3_000) <= 1)?;
    let (status, _) = puppet.call(ukernel_abi::Call::ThreadSchedule, me.id, [1, 0, 0, 0, 0, 0, 0])?;
    same("a puppet on its chief", status, Status::Denied)?;
    let (status, _) = puppet.call(ukernel_abi::Call::ThreadSwitch, ThreadId::NIL, [0; 7])?;
    same("thread_switch", status, Status::Ok)
}

pub fn vector_registers(me: Me) -> Check {
    alternate(me, Code::Vectors, 3_000_000, 0)
}

/// AVX and AVX-512, where programs may use them; where not, AVX is no instruction.
pub fn wide_registers(me: Me) -> Check {
    match Vectors::find() {
        Vectors::Sse => {
            let puppet = Puppet::new(me, 0)?;
            puppet.start(Code::Wide, Regs::default())?;
            same("vector", puppet.exception()?.vector, INVALID_OPCODE)?;
            same("where", puppet.regs()?.rip, Code::Wide.address())
        }
        Vectors::Avx => alternate(me, Code::Wide, 3_000_000, 0),
        Vectors::Avx512 => alternate(me, Code::Wide, 3_000_000, 1),
    }
}

/// Three puppets that have different numbers in all registers interrupt each other.
fn alternate(me: Me, code: Code, rounds: u64, rsi: u64) -> Check {
    let puppets = [Puppet::new(me, 0)?, Puppet::new(me, 1)?, Puppet::new(me, 2)?];
    for puppet in &puppets {
        puppet.run(Code::Stop, Regs::default())?;
    }
    for (number, puppet) in (1..).zip(&puppets) {
        set_schedule(puppet.id, None, Some(1_000))?;
        puppet.start(code, Regs { rdi: number * 0x1111_1111, rbx: rounds, rsi, ..Regs::default() })?;
    }
    for (number, puppet) in (1..).zip(&puppets) {
        let regs = puppet.finish_rounds()?;
        same("what the registers hold", regs.rax, number * 0x1111_1111)?;
        same("rounds that are left", regs.rbx, 0_u64)?;
    }
    Ok(())
}
