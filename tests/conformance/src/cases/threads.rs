//! Registers and states of threads.

use super::vectors::Vectors;
use crate::memory::Page;
use crate::puppet::{Code, Puppet, SOON, answer, becomes};
use crate::report::{Check, holds, same};
use ukernel_abi::Call;
use ukernel_abi::call::{Timeouts, ex_regs};
use ukernel_abi::utcb::{FIXED_FLAGS, FpuState, Regs, RunState, USER_FLAGS};
use userlib::thread::{ExRegs, set_schedule, sleep};
use userlib::{Me, Rights, Status, ThreadId, ipc};

const DATA: u64 = 0x5000_0000;

/// Sleeps, so that puppets run.
fn state_is(puppet: &Puppet, what: &'static str, state: RunState, stopped: bool) -> Check {
    let before = puppet.state()?;
    same(what, before.state as u64, state as u64)?;
    same("stopped", before.stopped, stopped)
}

pub fn states(me: Me) -> Check {
    let (puppet, other) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    state_is(&puppet, "new", RunState::Ready, true)?;
    puppet.run(Code::Stop, Regs::default())?;
    state_is(&puppet, "exception", RunState::Exception, false)?;
    puppet.start(Code::Load, Regs { rdi: DATA, ..Regs::default() })?;
    puppet.page_fault()?;
    state_is(&puppet, "page fault", RunState::PageFault, false)?;
    puppet.start(Code::Syscall, Regs::default())?;
    puppet.foreign()?;
    state_is(&puppet, "foreign call", RunState::Foreign, false)?;
    puppet.start_ipc(ThreadId::NIL, &answer([], &[]), ThreadId::ANY, Timeouts::ALL_NEVER)?;
    puppet.settle()?;
    state_is(&puppet, "receiving", RunState::Receiving, false)?;
    puppet.start_ipc(other.id, &answer([], &[]), ThreadId::NIL, Timeouts::ALL_NEVER)?;
    puppet.settle()?;
    state_is(&puppet, "sending", RunState::Sending, false)?;
    puppet.start(Code::Count, Regs::default())?;
    sleep(5_000);
    state_is(&puppet, "running", RunState::Ready, false)?;
    ExRegs::new(ex_regs::STOP).apply(puppet.id)?;
    state_is(&puppet, "stopped", RunState::Ready, true)
}

pub fn stop_and_resume(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    puppet.run(Code::Stop, Regs::default())?;
    puppet.start(Code::Count, Regs::default())?;
    becomes("it runs", || Ok(puppet.regs()?.rbx > 0))?;
    ExRegs::new(ex_regs::STOP).apply(puppet.id)?;
    let first = puppet.regs()?.rbx;
    sleep(20_000);
    same("it does not run", puppet.regs()?.rbx, first)?;
    ExRegs::new(ex_regs::RESUME).apply(puppet.id)?;
    becomes("it runs again", || Ok(puppet.regs()?.rbx > first))
}

pub fn registers(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    let set = Regs {
        r15: 1,
        r14: 2,
        r13: 3,
        r12: 4,
        rbp: 5,
        rbx: 6,
        r11: 7,
        r10: 8,
        r9: 9,
        r8: 10,
        rax: 11,
        rcx: 12,
        rdx: 13,
        rsi: 14,
        rdi: u64::MAX,
        ..Regs::default()
    };
    let found = puppet.run(Code::Stop, set)?;
    let rip = Code::Stop.address();
    let as_set = Regs {
        rip,
        rsp: found.rsp,
        entry: found.entry,
        cs: found.cs,
        ss: found.ss,
        rflags: found.rflags,
        ..set
    };
    holds("all registers are as they were set", found == as_set)?;
    // One after the other.
    ExRegs::new(0).ip(Code::Load.address()).sp(0x1234_5678).apply(puppet.id)?;
    let before = puppet.state()?;
    same("ip", before.ip, Code::Load.address())?;
    same("sp", before.sp, 0x1234_5678_u64)?;
    same("pager", before.pager, me.id)?;
    same("handler", before.handler, me.id)?;
    for ip in [1 << 47, u64::MAX, 0xffff_8000_0000_0000] {
        same("an ip that is none", ExRegs::new(0).ip(ip).apply(puppet.id), Status::BadArgument)?;
        me.utcb.set_regs(&Regs { rip: ip, ..set });
        same(
            "registers with such an ip",
            ExRegs::new(ex_regs::SET_REGS).apply(puppet.id),
            Status::BadArgument,
        )?;
    }
    let unknown = ExRegs::new(1 << 63).apply(puppet.id);
    same("a flag that does not exist", unknown, Status::BadArgument)
}

pub fn flags(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    const TRAP_AND_RESUME: u64 = 0x1_0100;
    for rflags in [0, !TRAP_AND_RESUME, 0x3000, 0x4000, 0x400, 0x2_0000] {
        let found = puppet.run(Code::Stop, Regs { rflags, ..Regs::default() })?.rflags;
        same("flags that a program may not have", found & !(USER_FLAGS | FIXED_FLAGS), 0_u64)?;
        same("flags that it always has", found & FIXED_FLAGS, FIXED_FLAGS)?;
        let kept = USER_FLAGS & !TRAP_AND_RESUME;
        same("flags that it was given", found & kept, rflags & kept)?;
    }
    Ok(())
}

/// What a chief reads and sets of vector registers, and what it does not touch.
pub fn vectors(me: Me) -> Check {
    if let Vectors::Sse = Vectors::find() {
        return Ok(());
    }
    const VALUE: u64 = 0x1234_5678_9abc_def0;
    let word = |state: &FpuState, register: usize| {
        let at = 160 + 16 * register;
        state.0[at..at + 8].iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
    };
    let puppet = Puppet::new(me, 0)?;
    let run = Regs { rdi: VALUE, rbx: 1, ..Regs::default() };
    same("as they were set", puppet.run(Code::Wide, run)?.rax, VALUE)?;
    ExRegs::new(ex_regs::GET_FPU).apply(puppet.id)?;
    let mut state = me.utcb.fpu();
    same("xmm0, read", word(&state, 0), VALUE)?;
    same("xmm3, read", word(&state, 3), 0_u64)?;
    same("xmm15, read", word(&state, 15), VALUE)?;
    state.0[160 + 3 * 16] = 0x77;
    state.0[160 + 15 * 16] = 0x99;
    me.utcb.set_fpu(&state);
    ExRegs::new(ex_regs::SET_FPU).apply(puppet.id)?;
    ExRegs::new(ex_regs::SET_FS_BASE).apply(puppet.id)?;
    let found = puppet.run(Code::ReadWide, Regs::default())?;
    same("xmm3, set", found.rbx, 0x77_u64)?;
    same("xmm15, set", found.rcx, VALUE & !0xff | 0x99)?;
    same("upper half of ymm15, untouched", found.rax, VALUE)?;
    ExRegs::new(ex_regs::RESET_FPU).apply(puppet.id)?;
    let found = puppet.run(Code::ReadWide, Regs::default())?;
    same("all reset", found.rax | found.rbx | found.rcx, 0_u64)
}

pub fn create_and_destroy(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    puppet.run(Code::Stop, Regs::default())?;
    let wanted = ThreadId::new(puppet.id.task(), 5, 0);
    let make = ExRegs::new(ex_regs::CREATE | ex_regs::WITH_UTCB | ex_regs::RESUME);
    let made = make.ip(Code::Stop.address()).pager(me.id).handler(me.id).apply(wanted)?.thread;
    same("number", made.lthread(), 5_u16)?;
    same("task", made.task(), puppet.id.task())?;
    holds("version", made.is_valid())?;
    // It shares the puppet's memory: the code is there already.
    let received = ipc::receive(made, SOON)?;
    same("label", received.message.label().0, ukernel_abi::Label::EXCEPTION.0)?;
    same("made twice", make.apply(wanted).map(|b| b.thread == made), Status::BadArgument)?;
    ExRegs::new(ex_regs::DESTROY).apply(made)?;
    same("destroyed", ipc::send(made, &answer([], &[]), ipc::NOW), Status::NotExistent)?;
    let again = make.apply(wanted)?.thread;
    holds("another of the same number has another identifier", again != made)?;
    let first = ThreadId::new(puppet.id.task(), 0, 0);
    same("the first thread is there", ExRegs::new(ex_regs::CREATE).apply(first), Status::BadArgument)
}

pub fn not_ones_own(me: Me) -> Check {
    let (puppet, sibling) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    for stranger in [ThreadId::SIGMA0, ThreadId::ROOT] {
        same("a stranger's registers", ExRegs::new(0).apply(stranger), Status::Denied)?;
        same("stopping a stranger", ExRegs::new(ex_regs::STOP).apply(stranger), Status::Denied)?;
    }
    for (what, victim) in [("its chief", me.id), ("one of its clan", sibling.id), ("root", ThreadId::ROOT)] {
        let (status, _) = puppet.call(Call::LthreadExRegs, victim, [ex_regs::STOP, 0, 0, 0, 0, 0, 0])?;
        same(what, status, Status::Denied)?;
    }
    Page(0).write(1);
    same("the clan is unharmed", sibling.load_with(DATA, Page(0).item(Rights::R, DATA))?, 1_u64)
}

/// A thread that has FPU state of its own cannot make one that has none, and so uses that of others.
pub fn fpu_is_passed_on(me: Me) -> Check {
    const NUMBER: u64 = 0x1111_1111;
    let (victim, maker) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    victim.run(Code::Stop, Regs::default())?;
    let sp = maker.run(Code::Stop, Regs::default())?.rsp - 1024;
    // It begins with zeroes in all registers, goes round for ever, and is not said to use the FPU.
    let flags = ex_regs::CREATE | ex_regs::RESUME | ex_regs::SET_IP | ex_regs::SET_SP;
    let words = [flags, Code::Vectors.address(), sp, 0, 0, 0, 0];
    let (status, made) = maker.call(Call::LthreadExRegs, ThreadId::new(maker.id.task(), 3, 0), words)?;
    same("a thread of its own", status, Status::Ok)?;
    let made = ThreadId(made.r12);
    for thread in [victim.id, made] {
        set_schedule(thread, None, Some(1_000))?;
    }
    victim.start(Code::Vectors, Regs { rdi: NUMBER, rbx: 2_000_000, ..Regs::default() })?;
    let regs = victim.finish_rounds()?;
    same("what the registers hold", regs.rax, NUMBER)?;
    same("rounds that are left", regs.rbx, 0_u64)?;
    // It would have come to its end if it had seen the other's numbers.
    same("it still goes round", ipc::receive(made, ipc::NOW), Status::ReceiveTimeout)
}
