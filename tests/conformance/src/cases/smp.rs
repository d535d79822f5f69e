//! Several CPUs: what is done to threads that run elsewhere at that moment, and threads that move.
//!
//! This server stays on CPU 0. What it does to a puppet on another one has to be done when the system call returns, so every case
//! goes on without waiting, and then waits to see that it stays so.

use super::vectors::Vectors;
use crate::memory::Page;
use crate::puppet::{Code, Puppet, answer, becomes};
use crate::report::{Check, Failure, holds, same};
use ukernel_abi::Call;
use ukernel_abi::call::{ex_regs, schedule};
use ukernel_abi::utcb::{Regs, RunState};
use userlib::clock::{Clock, tsc};
use userlib::thread::{ExRegs, set_cpu, set_schedule, sleep};
use userlib::{Fpage, Me, Rights, Status, ThreadId, ipc, kip, task};

/// Where puppets have shared memory.
const FROM: u64 = 0x5000_0000;
const TO: u64 = 0x5000_1000;
const SOURCE: Page = Page(0);
const SINK: Page = Page(1);
/// Time in which a thread that runs would do much, in µs.
const WHILE: u32 = 2_000;
const ROUNDS: u64 = 20;

/// A puppet on CPU `cpu` that has its code and stack.
fn on(me: Me, number: usize, cpu: u32) -> Check<Puppet> {
    let puppet = Puppet::new(me, number)?;
    set_cpu(puppet.id, cpu)?;
    puppet.call(Call::IdNearest, ThreadId::NIL, [0; 7])?;
    Ok(puppet)
}

fn last_cpu() -> u32 {
    kip::kip().cpus - 1
}

/// Registers of a [`Code::Count`] that was interrupted: nothing is missing and nothing is counted twice.
fn counted(regs: &Regs) -> Check<u64> {
    let ahead = match regs.rip.wrapping_sub(Code::Count.address()) {
        0 | 6 => 0_u64,
        // Behind the first of the two instructions that count.
        3 => 1,
        other => return Err(Failure::new("where it is", other, 0)),
    };
    same("the counters differ by", regs.rbx.wrapping_sub(regs.rbp), ahead)?;
    Ok(regs.rbx)
}

pub fn stopped_while_it_runs(me: Me) -> Check {
    let puppet = on(me, 0, last_cpu())?;
    let marks = Regs { r15: 15, r14: 14, r13: 13, r12: 12, r10: 10, rdx: 4, rsi: 5, ..Regs::default() };
    puppet.start(Code::Count, marks)?;
    let mut before = 0;
    for _ in 0..ROUNDS {
        becomes("it counts", || Ok(counted(&puppet.regs()?)? > before))?;
        ExRegs::new(ex_regs::STOP).apply(puppet.id)?;
        let stopped = puppet.regs()?;
        before = counted(&stopped)?;
        let marked =
            [stopped.r15, stopped.r14, stopped.r13, stopped.r12, stopped.r10, stopped.rdx, stopped.rsi];
        holds("the others are as they were set", marked == [15, 14, 13, 12, 10, 4, 5])?;
        sleep(WHILE);
        holds("it stands still", puppet.regs()? == stopped)?;
        holds("it is stopped", puppet.state()?.stopped)?;
        ExRegs::new(ex_regs::RESUME).apply(puppet.id)?;
    }
    Ok(())
}

/// A puppet on another CPU that copies a word from one page to another for ever.
fn copier(me: Me) -> Check<Puppet> {
    let puppet = on(me, 0, last_cpu())?;
    SINK.write(0);
    puppet.load_with(FROM, SOURCE.item(Rights::R, FROM))?;
    puppet.load_with(TO, SINK.item(Rights::RW, TO))?;
    puppet.start(Code::Copy, Regs { rdi: FROM, rsi: TO, ..Regs::default() })?;
    Ok(puppet)
}

/// Has the copier copy `value`.
fn copies(value: u64) -> Check {
    SOURCE.write(value);
    becomes("it copies", || Ok(SINK.read() == value))
}

/// `value` does not come through any more.
fn copies_no_more(value: u64) -> Check {
    SOURCE.write(value);
    sleep(WHILE);
    holds("nothing is copied", SINK.read() != value)
}

pub fn unmapped_while_it_reads(me: Me) -> Check {
    let puppet = copier(me)?;
    for round in 1..=ROUNDS {
        copies(2 * round)?;
        if round % 2 == 0 {
            task::unmap_derived(SOURCE.fpage(Rights::RWX))?;
        } else {
            task::unmap_in(puppet.id, Fpage::memory(FROM, 12, Rights::RWX))?;
        }
        copies_no_more(2 * round + 1)?;
        same("address of the fault", puppet.page_fault()?.address, FROM)?;
        holds("nor was it read", puppet.regs()?.rax != 2 * round + 1)?;
        puppet.reply([], &[SOURCE.item(Rights::R, FROM)])?;
    }
    Ok(())
}

pub fn unmapped_while_it_writes(me: Me) -> Check {
    let puppet = copier(me)?;
    for round in 1..=ROUNDS {
        copies(2 * round)?;
        task::unmap_derived(SINK.fpage(Rights::W))?;
        copies_no_more(2 * round + 1)?;
        same("address of the fault", puppet.page_fault()?.address, TO)?;
        puppet.reply([], &[SINK.item(Rights::RW, TO)])?;
    }
    Ok(())
}

pub fn deleted_while_it_runs(me: Me) -> Check {
    for round in 1..=ROUNDS {
        let puppet = copier(me)?;
        copies(2 * round)?;
        task::delete(puppet.id)?;
        copies_no_more(2 * round + 1)?;
        same("it is gone", ipc::send(puppet.id, &answer([], &[]), ipc::NOW), Status::NotExistent)?;
    }
    Ok(())
}

/// Two that change CPUs by themselves; each finds the other's state in the FPU there.
pub fn moves_itself(me: Me) -> Check {
    const MOVES: u64 = 200;
    let puppets = [on(me, 0, 0)?, on(me, 1, 1)?];
    for (number, puppet) in (1..).zip(&puppets) {
        let marks = Regs { r15: number * 0x1111_1111, rbp: MOVES, ..Regs::default() };
        puppet.start(Code::Move, Regs { rax: Call::ThreadSchedule.rax(), r12: puppet.id.0, ..marks })?;
    }
    for (number, puppet) in (1..).zip(&puppets) {
        let regs = puppet.finish()?;
        same("what the registers hold", regs.rax, number * 0x1111_1111)?;
        same("moves that are left", regs.rbp, 0_u64)?;
        let (_, regs) = puppet.call(Call::ThreadSchedule, puppet.id, [0; 7])?;
        same("the CPU it is on", regs.rdx, 1_u64)?;
    }
    Ok(())
}

/// Three that have different numbers in all registers are moved from CPU to CPU.
pub fn moved_by_others(me: Me) -> Check {
    let (code, rsi) = match Vectors::find() {
        Vectors::Sse => (Code::Vectors, 0),
        Vectors::Avx => (Code::Wide, 0),
        Vectors::Avx512 => (Code::Wide, 1),
    };
    let puppets = [on(me, 0, 0)?, on(me, 1, 1)?, on(me, 2, 0)?];
    let counter = on(me, 3, 1)?;
    for (number, puppet) in (1..).zip(&puppets) {
        set_schedule(puppet.id, None, Some(1_000))?;
        let rdi = number * 0x1111_1111;
        puppet.start(code, Regs { rdi, rbx: u64::MAX, rsi, ..Regs::default() })?;
    }
    counter.start(Code::Count, Regs::default())?;
    let mut before = 0;
    for round in 0..10 * ROUNDS as u32 {
        for (number, puppet) in (0..).zip(&puppets) {
            set_cpu(puppet.id, (round >> number) & 1)?;
            // It would have come to its end if it had found anything else.
            same("state", puppet.state()?.state as u64, RunState::Ready as u64)?;
        }
        set_cpu(counter.id, round & 1)?;
        if round % 16 == 0 {
            sleep(WHILE);
            let count = counted(&counter.regs()?)?;
            holds("it counts on from where it was", count >= before)?;
            before = count;
        }
    }
    becomes("it counts in the end", || Ok(counted(&counter.regs()?)? > before))?;
    for (number, puppet) in (1..).zip(&puppets) {
        becomes("it has gone round", || Ok(puppet.regs()?.rbx < u64::MAX))?;
        ExRegs::new(ex_regs::STOP).apply(puppet.id)?;
        same("what it looks for", puppet.regs()?.rdi, number * 0x1111_1111_u64)?;
    }
    Ok(())
}

pub fn no_such_cpu(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    for cpu in [last_cpu() + 1, 64, u32::MAX] {
        same("its chief", set_cpu(puppet.id, cpu), Status::BadArgument)?;
    }
    for cpu in [u64::from(last_cpu()) + 1, 1 << 32, u64::MAX] {
        let words = [schedule::SET_CPU, 0, 0, cpu, 0, 0, 0];
        let (status, _) = puppet.call(Call::ThreadSchedule, puppet.id, words)?;
        same("itself", status, Status::BadArgument)?;
    }
    let (_, regs) = puppet.call(Call::ThreadSchedule, puppet.id, [0; 7])?;
    same("the CPU it is on", regs.rdx, 0_u64)
}

/// How long rallies follow each other: whoever is called may be just about to fall asleep, at one instruction or the next. In ns.
const RALLIES: u64 = 2_000_000_000;

/// Two call each other so often: the second waits for the first, and then both count up what they get. The numbers are right at the end.
fn start_rally(me: Me, calls: u64) -> Check<[Puppet; 2]> {
    let puppets = [on(me, 0, 0)?, on(me, 1, last_cpu())?];
    let message = answer([0], &[]);
    let play = |puppet: &Puppet, to: ThreadId, partner: ThreadId, calls: u64| {
        let rax = Call::Ipc.rax() | message.tag.to_rax();
        puppet.start(Code::Rally, Regs { rax, r12: to.0, r15: partner.0, rbp: calls, ..Regs::default() })
    };
    // Its first does not send.
    play(&puppets[1], ThreadId::NIL, puppets[0].id, calls + 1)?;
    play(&puppets[0], puppets[1].id, puppets[1].id, calls)?;
    Ok(puppets)
}

fn end_rally([first, second]: [Puppet; 2], calls: u64) -> Check {
    let regs = first.finish()?;
    same("status", regs.rax & 0xffff_ffff, Status::Ok)?;
    same("calls that are left", regs.rbp, 0_u64)?;
    same("what both have counted", regs.rbx, 2 * calls)?;
    second.settle()?;
    same("the other waits", second.state()?.state as u64, RunState::Receiving as u64)
}

/// Each is short, so that it ends in its time on a busy host, too; but one call that nobody wakes up for keeps it from that.
pub fn rally(me: Me) -> Check {
    const CALLS: u64 = 100;
    let clock = Clock::of(kip::kip());
    let start = clock.monotonic_ns(tsc());
    while clock.monotonic_ns(tsc()) - start < RALLIES {
        end_rally(start_rally(me, CALLS)?, CALLS)?;
    }
    Ok(())
}

pub fn rally_on_the_move(me: Me) -> Check {
    const CALLS: u64 = 300;
    let puppets = start_rally(me, CALLS)?;
    for round in 0..10 * ROUNDS as u32 {
        set_cpu(puppets[0].id, round & 1)?;
        set_cpu(puppets[1].id, (round >> 1) & 1)?;
        if round % 16 == 0 {
            sleep(WHILE);
        }
    }
    end_rally(puppets, CALLS)
}
