//! Page faults, exceptions, foreign system calls.

use crate::code::code_page;
use crate::memory::Page;
use crate::puppet::{Code, Puppet};
use crate::report::{Check, holds, same};
use ukernel_abi::call::{L4_CALL, ex_regs};
use ukernel_abi::utcb::{FIXED_FLAGS, Regs};
use ukernel_abi::{Call, MapItem};
use userlib::thread::ExRegs;
use userlib::{Me, Rights, Status, ThreadId};

const DATA: u64 = 0x5000_0000;
const PAGE: Page = Page(0);
const DIVIDE_ERROR: u64 = 0;
const GENERAL_PROTECTION: u64 = 13;

pub fn execute(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    puppet.load_with(DATA, PAGE.item(Rights::RW, DATA))?;
    let ip = DATA + (Code::Stop.address() & 0xfff);
    puppet.start(Code::Jump, Regs { rdi: ip, ..Regs::default() })?;
    let fault = puppet.page_fault()?;
    same("address", fault.address, ip)?;
    same("ip", fault.ip, ip)?;
    same("access", fault.access.0, Rights::X.0)?;
    // The puppets' code, at another address.
    puppet.reply([], &[MapItem::map(code_page(Rights::RX), DATA)])?;
    same("it runs there", puppet.exception()?.ip, ip)
}

pub fn exceptions(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    let sp = puppet.run(Code::Stop, Regs::default())?.rsp;
    for (what, code, regs, vector) in [
        ("division by zero", Code::Divide, Regs::default(), DIVIDE_ERROR),
        ("a port", Code::PortIn, Regs { rdx: 0x60, ..Regs::default() }, GENERAL_PROTECTION),
        ("cli", Code::Privileged, Regs::default(), GENERAL_PROTECTION),
        ("not canonical", Code::Load, Regs { rdi: 1 << 63, ..Regs::default() }, GENERAL_PROTECTION),
    ] {
        puppet.start(code, regs)?;
        let exception = puppet.exception()?;
        same(what, exception.vector, vector)?;
        holds("ip is in the code", exception.ip.wrapping_sub(code.address()) < 32)?;
        same("sp", exception.sp, sp)?;
        holds("interrupts are on", exception.rflags & 0x200 != 0)?;
    }
    // The answer resumes it: at the same instruction.
    puppet.start(Code::PortIn, Regs { rdx: 0x60, ..Regs::default() })?;
    let first = puppet.exception()?;
    puppet.reply([], &[])?;
    same("again", puppet.exception()?.ip, first.ip)
}

pub fn foreign_call(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    let call = Regs {
        rax: 39,
        rdi: 1,
        rsi: 2,
        rdx: 3,
        r10: 4,
        r8: 5,
        r9: 6,
        r12: 7,
        r15: 8,
        rbp: 9,
        ..Regs::default()
    };
    puppet.start(Code::Syscall, call)?;
    let foreign = puppet.foreign()?;
    same("number", foreign.number, 39_u64)?;
    holds("arguments", foreign.args == [1, 2, 3, 4, 5, 6])?;
    puppet.reply([0x1_0000_4242], &[])?;
    let regs = puppet.finish()?;
    same("result", regs.rax, 0x1_0000_4242_u64)?;
    holds(
        "arguments are kept",
        [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9] == [1, 2, 3, 4, 5, 6],
    )?;
    holds("other registers are kept", [regs.r12, regs.r15, regs.rbp] == [7, 8, 9])?;
    same("rcx is the next instruction", regs.rcx, Code::Syscall.address() + 2)?;
    // The answer may bring memory.
    puppet.start(Code::Syscall, call)?;
    puppet.foreign()?;
    PAGE.write(77);
    puppet.reply([5], &[PAGE.item(Rights::R, DATA)])?;
    same("result", puppet.finish()?.rax, 5_u64)?;
    same("memory that came with it", puppet.load(DATA)?, 77_u64)
}

pub fn reflected_call(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    let set = Regs {
        rax: 0x1_0000_0027,
        rbx: 1,
        rdi: 2,
        rsi: 3,
        rdx: 4,
        r10: 5,
        r8: 6,
        r9: 7,
        r12: 8,
        r13: 9,
        r14: 10,
        r15: 11,
        rbp: 12,
        ..Regs::default()
    };
    let (stop, back) = (Code::Stop.address(), Code::Syscall.address() + 2);
    ExRegs::new(0).trampoline(stop).apply(puppet.id)?;
    let found = puppet.run(Code::Syscall, set)?;
    same("it is at the trampoline", found.rip, stop)?;
    same("the way back", found.rcx, back)?;
    same("the flags", found.r11 & FIXED_FLAGS, FIXED_FLAGS)?;
    let as_set = Regs {
        rip: stop,
        rcx: back,
        rsp: found.rsp,
        r11: found.r11,
        entry: found.entry,
        cs: found.cs,
        ss: found.ss,
        rflags: found.rflags,
        ..set
    };
    holds("all else is as it was", found == as_set)?;
    let before = ExRegs::new(0).trampoline(Code::Return.address()).apply(puppet.id)?;
    same("the trampoline as it was", before.trampoline, stop)?;
    let found = puppet.run(Code::Syscall, set)?;
    same("and back", found.rip, back)?;
    same("with rax as it was", found.rax, set.rax)?;
    // An L4 call is none of the trampoline's.
    same("an L4 call", puppet.call(Call::IdNearest, ThreadId::NIL, [0; 7])?.1.r12, puppet.id)?;
    for bad in [1 << 47, u64::MAX] {
        same("no address", ExRegs::new(0).trampoline(bad).apply(puppet.id), Status::BadArgument)?;
    }
    same("it stays", puppet.state()?.trampoline, Code::Return.address())?;
    ExRegs::new(0).trampoline(0).apply(puppet.id)?;
    puppet.start(Code::Syscall, set)?;
    same("to the handler again", puppet.foreign()?.number, set.rax)
}

pub fn answered_by_registers(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    puppet.start(Code::Syscall, Regs { rax: 1, ..Regs::default() })?;
    puppet.foreign()?;
    let regs = puppet.run(Code::Stop, Regs { rax: 1234, ..Regs::default() })?;
    same("rax as it was set", regs.rax, 1234_u64)?;
    same("a late answer", puppet_answers_twice(&puppet)?, Status::SendTimeout)
}

/// The puppet's exception is over by `CANCEL`; then nothing waits for an answer any more.
fn puppet_answers_twice(puppet: &Puppet) -> Check<Status> {
    ExRegs::new(ex_regs::STOP | ex_regs::CANCEL).apply(puppet.id)?;
    Ok(puppet.reply([], &[]).err().unwrap_or(Status::Ok))
}

pub fn no_such_call(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    for number in [7, 8, 0xff] {
        let regs = puppet.run(Code::Call, Regs { rax: L4_CALL | number, ..Regs::default() })?;
        same("status", regs.rax as u32, Status::NoSuchCall as u32)?;
    }
    // What is above them is not L4's, marked or not.
    for number in [0x8000_0100_u64, 0xffff_ffff] {
        puppet.start(Code::Syscall, Regs { rax: number, ..Regs::default() })?;
        same("number", puppet.foreign()?.number as u32, number as u32)?;
        same("a late answer", puppet_answers_twice(&puppet)?, Status::SendTimeout)?;
    }
    // The high half does not make it an L4 call, nor keep it from being one.
    puppet.start(Code::Syscall, Regs { rax: 0xffff_ffff_0000_0027, ..Regs::default() })?;
    same("number", puppet.foreign()?.number as u32, 0x27_u32)
}
