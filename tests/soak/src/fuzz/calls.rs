//! The seven calls, and what is none.

use super::{Fuzzer, PRIORITY, arguments as a, hazards};
use crate::random::Random;
use core::mem::offset_of;
use ukernel_abi::call::{L4_CALL, Timeouts, ex_regs, task_new as new};
use ukernel_abi::layout::utcb;
use ukernel_abi::utcb::{Regs, Utcb};
use ukernel_abi::{Call, Fpage, Label, Tag, ThreadId};
use userlib::Status;
use userlib::clock::tsc;
use userlib::gate::Frame;

/// Writes windows, message words and registers for others.
pub fn fill_utcb(me: Fuzzer, r: &mut Random) {
    let Some(lthread) = me.utcb else { return };
    let base = utcb(lthread as u16);
    let put = |offset: usize, value| me.program.write(base + offset as u64, value);
    let window = if r.chance(30) { Fpage::NIL.0 } else { a::flexpage(r) };
    put(offset_of!(Utcb, window), window);
    put(offset_of!(Utcb, io_window), if r.chance(50) { Fpage::ports(0, 16).0 } else { r.word() });
    for index in 0..r.below(4) {
        put(offset_of!(Utcb, words) + (7 + index as usize * 2) * 8, a::flexpage(r));
        put(offset_of!(Utcb, words) + (8 + index as usize * 2) * 8, a::address(r) | r.below(2));
    }
    put(offset_of!(Utcb, send_deadline), deadline(r));
    put(offset_of!(Utcb, receive_deadline), deadline(r));
    let regs = offset_of!(Utcb, regs);
    put(regs + offset_of!(Regs, rip), a::ip(r));
    put(regs + offset_of!(Regs, rsp), a::sp(r));
    put(regs + offset_of!(Regs, rflags), r.word());
    put(regs + offset_of!(Regs, cs), r.word());
    put(regs + r.below(21) as usize * 8, r.word());
    put(offset_of!(Utcb, fs_base), if r.chance(80) { a::address(r) } else { r.word() });
    put(offset_of!(Utcb, fpu) + r.below(64) as usize * 8, r.word());
}

/// A reading of the TSC that comes soon, or any.
fn deadline(r: &mut Random) -> u64 {
    if r.chance(80) { tsc().wrapping_add(r.below(3_000_000)) } else { r.word() }
}

/// Makes the call; mostly with all other registers 0.
fn call(me: Fuzzer, r: &mut Random, call: Call, subject: u64, mut words: [u64; 7]) -> Frame {
    if r.chance(2) {
        words[r.below(7) as usize] = r.word();
    }
    let mut frame = Frame::new(call, ThreadId(subject), words);
    if r.chance(2) {
        frame.rax |= r.word() << 32;
    }
    // `task_new` takes an address where `ipc` takes a sender.
    me.program.call(&mut frame, a::ip(r), Timeouts::new(0, 0));
    frame
}

pub fn ipc(me: Fuzzer, r: &mut Random) {
    let (words, items) = match r.below(10) {
        0..5 => (r.below(8) as usize, 0),
        5..8 => (1, 1 + r.below(3) as usize),
        8 => (r.below(8) as usize, r.below(29) as usize),
        _ => (r.below(64) as usize, 0),
    };
    let label = if r.chance(90) { r.below(0x8000) } else { r.word() };
    let mut tag = Tag::new(Label(label as u16), words, items).0;
    if r.chance(3) {
        tag = r.word() as u32;
    }
    let mut registers = core::array::from_fn(|_| r.word());
    for at in (words..7).step_by(2).take(items) {
        registers[at] = a::flexpage(r);
        if let Some(base) = registers.get_mut(at + 1) {
            *base = a::address(r) & !0xfff | u64::from(r.chance(30));
        }
    }
    let to = if r.chance(25) { 0 } else { a::thread(me, r) };
    let from = match r.below(4) {
        0 => 0,
        1 => to,
        2 => ThreadId::ANY.0,
        _ => a::thread(me, r),
    };
    let mut frame = Frame { rax: Call::Ipc.rax() | u64::from(tag) << 32, words: registers, r12: to };
    me.program.call(&mut frame, from, Timeouts::of(a::timeout(r), a::timeout(r)));
}

pub fn id_nearest(me: Fuzzer, r: &mut Random) {
    let subject = a::thread(me, r);
    call(me, r, Call::IdNearest, subject, [0; 7]);
}

pub fn fpage_unmap(me: Fuzzer, r: &mut Random) {
    let flags = if r.chance(95) { r.below(4) } else { r.word() };
    let (subject, page) = (a::thread(me, r), a::flexpage(r));
    call(me, r, Call::FpageUnmap, subject, [page, flags, 0, 0, 0, 0, 0]);
}

pub fn thread_switch(me: Fuzzer, r: &mut Random) {
    let subject = a::thread(me, r);
    call(me, r, Call::ThreadSwitch, subject, [0; 7]);
}

pub fn thread_schedule(me: Fuzzer, r: &mut Random) {
    let flags = if r.chance(95) { r.below(8) } else { r.word() };
    let priority = if r.chance(90) { r.below(u64::from(PRIORITY) + 2) } else { r.word() };
    let slice = if r.chance(90) { r.below(5_000) } else { r.word() };
    let (subject, cpu) = (a::thread(me, r), r.below(3));
    call(me, r, Call::ThreadSchedule, subject, [flags, priority, slice, cpu, 0, 0, 0]);
}

pub fn lthread_ex_regs(me: Fuzzer, r: &mut Random) {
    let mut flags = match r.below(12) {
        0 => r.word(),
        1 => r.below(ex_regs::SET_TRAMPOLINE << 1),
        _ => (0..r.below(4)).fold(0, |flags, _| flags | 1 << r.below(18)),
    };
    let mut subject = a::thread(me, r);
    if r.chance(15) {
        flags |= ex_regs::CREATE | ex_regs::RESUME | ex_regs::SET_IP | ex_regs::SET_SP;
        subject = ThreadId::new(ThreadId(subject).task(), r.below(40) as u16, 1).0;
    }
    let fs_base = if r.chance(80) { a::address(r) } else { r.word() };
    let words = [flags, a::ip(r), a::sp(r), a::thread(me, r), a::thread(me, r), fs_base, a::ip(r)];
    let done = call(me, r, Call::LthreadExRegs, subject, words);
    if done.status() == Status::Ok {
        a::remember(me, r, done.r12);
    }
}

pub fn task_new(me: Fuzzer, r: &mut Random) {
    if r.chance(35) {
        let subject = if r.chance(80) { a::made(me, r) } else { a::thread(me, r) };
        call(me, r, Call::TaskNew, subject, [new::DELETE, 0, 0, 0, 0, 0, 0]);
        return;
    }
    let trampoline = if r.chance(10) { new::SET_TRAMPOLINE } else { 0 };
    let flags = if r.chance(95) { r.below(new::DELETE) | trampoline } else { r.word() };
    let limit = match r.below(8) {
        0 => r.below(8),
        1 => r.word(),
        _ => 8 + r.below(60),
    };
    let priority = if r.chance(90) { r.below(u64::from(PRIORITY) + 1) } else { r.word() };
    let pager = if r.chance(80) { me.program.read(crate::places::CENSUS + 8) } else { a::thread(me, r) };
    let words = [flags, a::ip(r), a::sp(r), pager, a::thread(me, r), limit, priority];
    let subject = a::thread(me, r);
    let done = call(me, r, Call::TaskNew, subject, words);
    if done.status() == Status::Ok {
        a::remember(me, r, done.r12);
    }
}

/// Numbers that are no call's, and calls of other systems.
pub fn none(me: Fuzzer, r: &mut Random) {
    if r.chance(50) {
        return hazards::foreign(me, r);
    }
    let number = r.pick([7, 8, 0xff, 0x100, 0xffff_ffff, 0x7fff_ffff]);
    let mut frame = Frame::new(Call::Ipc, ThreadId(a::thread(me, r)), core::array::from_fn(|_| r.word()));
    frame.rax = if r.chance(50) { L4_CALL | number } else { r.word() };
    me.program.call(&mut frame, a::thread(me, r), Timeouts::of(a::timeout(r), a::timeout(r)));
}
