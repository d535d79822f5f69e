//! Kernel memory that is used up, by each thing that takes some. What is given back can be used again, and others have as much as
//! before.

use crate::memory::{self, Page};
use crate::puppet::{Code, FRAMES, PRIORITY, Puppet, answer};
use crate::report::{Check, holds, same};
use ukernel_abi::call::{Timeouts, ex_regs, task_new};
use ukernel_abi::layout::utcb;
use ukernel_abi::utcb::Regs;
use ukernel_abi::{Call, MapItem};
use userlib::task::NewTask;
use userlib::{Fpage, Me, Rights, Status, ThreadId, ipc};

const DATA: u64 = 0x5000_0000;
/// What a task itself takes, and a little.
const FEW: u64 = 24;

/// Has `puppet` make threads until there is no more memory; the last that was made.
fn make_threads(puppet: &Puppet, flags: u64) -> Check<(u16, ThreadId)> {
    let mut last = ThreadId::NIL;
    for lthread in 1..=FRAMES as u16 {
        let wanted = ThreadId::new(puppet.id.task(), lthread, 1);
        let (status, regs) =
            puppet.call(Call::LthreadExRegs, wanted, [ex_regs::CREATE | flags, 0, 0, 0, 0, 0, 0])?;
        if status != Status::Ok {
            same("it ends", status, Status::NoMemory)?;
            return Ok((lthread - 1, last));
        }
        last = ThreadId(regs.r12);
    }
    same("threads beyond the limit", FRAMES, 0_u64)?;
    Ok((0, last))
}

pub fn threads(me: Me) -> Check {
    let puppet = Puppet::with(me, 0, FEW, PRIORITY)?;
    puppet.run(Code::Stop, Regs::default())?;
    let (made, last) = make_threads(&puppet, 0)?;
    holds("some can be made", made > 0)?;
    let (status, _) = puppet.call(Call::LthreadExRegs, last, [ex_regs::DESTROY, 0, 0, 0, 0, 0, 0])?;
    same("one is destroyed", status, Status::Ok)?;
    let (status, _) = puppet.call(Call::LthreadExRegs, last, [ex_regs::CREATE, 0, 0, 0, 0, 0, 0])?;
    same("and made again", status, Status::Ok)
}

/// A UTCB, or room for vector registers, that there is no memory for: then there is no thread either.
pub fn utcbs(me: Me) -> Check {
    let puppet = Puppet::with(me, 0, FEW, PRIORITY)?;
    puppet.run(Code::Stop, Regs::default())?;
    let (made, _) = make_threads(&puppet, ex_regs::WITH_UTCB | ex_regs::USES_FPU)?;
    let missing = ThreadId::new(puppet.id.task(), made + 1, 1);
    let (status, _) = puppet.call(Call::LthreadExRegs, missing, [0; 7])?;
    same("the one that could not be made", status, Status::NotExistent)?;
    let flags = ex_regs::CREATE | ex_regs::WITH_UTCB;
    let (status, _) = puppet.call(Call::LthreadExRegs, missing, [flags, 0, 0, 0, 0, 0, 0])?;
    holds("not there in part", status == Status::NoMemory || status == Status::Ok)
}

/// A limit that is not enough for a task.
pub fn tasks(me: Me) -> Check {
    for kernel_frames in [0, 1, 2] {
        let flags = task_new::STOPPED | task_new::WITH_UTCB;
        let (pager, handler) = (me.id, me.id);
        let new = NewTask { flags, ip: 0, sp: 0, pager, handler, kernel_frames, priority: 1 };
        same("too little for a task", new.make().map(drop), Status::NoMemory)?;
    }
    Puppet::new(me, 0)?.run(Code::Stop, Regs::default()).map(drop)
}

/// Mappings in one table: nodes of the mapping database.
pub fn mappings(me: Me) -> Check {
    let (puppet, other) = (Puppet::with(me, 0, FEW, PRIORITY)?, Puppet::new(me, 1)?);
    puppet.run(Code::Stop, Regs::default())?;
    puppet.store(utcb(0) + 0x200, Fpage::memory(DATA, 24, Rights::RWX).0)?;
    let mut failed = false;
    for block in 0..256_u64 {
        puppet.start_ipc(ThreadId::NIL, &answer([], &[]), me.id, Timeouts::ALL_NEVER)?;
        puppet.settle()?;
        let item = MapItem::map(memory::all(Rights::R), block << 16);
        match ipc::send(puppet.id, &answer([], &[item]), ipc::NOW) {
            Ok(()) => same("receiving", puppet.called()?.0, Status::Ok)?,
            Err(status) => {
                same("sending", status, Status::MapFailed)?;
                // The message has arrived all the same.
                same("receiving", puppet.called()?.0, Status::Ok)?;
                failed = true;
                break;
            }
        }
    }
    holds("there is an end", failed)?;
    let all = Fpage::memory(DATA, 24, Rights::RWX);
    let (status, _) = puppet.call(Call::FpageUnmap, ThreadId::NIL, [all.0, 1, 0, 0, 0, 0, 0])?;
    same("giving all back", status, Status::Ok)?;
    Page(0).write(3);
    same("then there is room", puppet.load_with(DATA, Page(0).item(Rights::R, DATA))?, 3_u64)?;
    same("others have room", other.load_with(DATA, Page(0).item(Rights::R, DATA))?, 3_u64)
}
