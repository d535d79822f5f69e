//! Tasks and what the kernel spends on them.

use crate::memory::Page;
use crate::puppet::{Code, FRAMES, PRIORITY, Puppet};
use crate::report::{Check, Failure, holds, same};
use ukernel_abi::Call;
use ukernel_abi::call::task_new;
use ukernel_abi::utcb::Regs;
use userlib::{Me, Rights, Status, ThreadId, ipc, root, task};

const DATA: u64 = 0x5000_0000;

/// Makes and deletes tasks that use memory, more than there would be if any of it were lost.
pub fn thousand(me: Me) -> Check {
    let frames = root::info()?.kernel_frames;
    let used_by_one = 8;
    for round in 0..(2 * frames / used_by_one).max(1000) {
        let puppet = Puppet::new(me, 0)?;
        if round % 16 == 0 {
            puppet.load_with(DATA, Page(0).item(Rights::RW, DATA))?;
        }
    }
    Ok(())
}

/// A puppet with little kernel memory makes tasks until it is used up.
pub fn quota(me: Me) -> Check {
    let (puppet, other) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    let mut status = Status::Ok;
    let mut made = 0;
    while status == Status::Ok && made <= FRAMES {
        let words =
            [task_new::STOPPED | task_new::WITH_UTCB, 0, 0, me.id.0, me.id.0, FRAMES, PRIORITY.into()];
        status = puppet.call(Call::TaskNew, ThreadId::NIL, words)?.0;
        made += 1;
    }
    same("it ends", status, Status::NoMemory)?;
    holds("some could be made", made > 1)?;
    other.load_with(DATA, Page(0).item(Rights::RW, DATA))?;
    same("it goes on itself", puppet.call(Call::IdNearest, ThreadId::NIL, [0; 7])?.0, Status::Ok)?;
    drop(puppet);
    let next = Puppet::new(me, 0)?;
    same("after it another has as much", next.run(Code::Stop, Regs { rax: 3, ..Regs::default() })?.rax, 3_u64)
}

/// Pages all over the address space need page tables: the puppet's memory is used up, and nobody else's.
pub fn mapping_quota(me: Me) -> Check {
    let (puppet, other) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    let mut failed = None;
    for n in 1..=FRAMES {
        let address = n << 39 >> 8;
        puppet.start(Code::Load, Regs { rdi: address, ..Regs::default() })?;
        same("address of the fault", puppet.page_fault()?.address, address)?;
        if let Err(status) = puppet.reply([], &[Page(0).item(Rights::R, address)]) {
            failed = Some(status);
            break;
        }
        puppet.finish()?;
    }
    match failed {
        Some(status) => same("status", status, Status::MapFailed)?,
        None => return Err(Failure::new("page tables beyond the limit", FRAMES, 0)),
    }
    other.load_with(DATA, Page(0).item(Rights::RW, DATA)).map(drop)
}

pub fn children_go_too(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    let words = [task_new::STOPPED, 0, 0, me.id.0, me.id.0, 16, 1];
    let (status, regs) = puppet.call(Call::TaskNew, ThreadId::NIL, words)?;
    same("a task of a puppet's", status, Status::Ok)?;
    let child = ThreadId(regs.r12);
    same("it is not this server's", task::delete(child), Status::Denied)?;
    let (status, _) = puppet.call(Call::LthreadExRegs, child, [0; 7])?;
    same("its chief has power over it", status, Status::Ok)?;
    task::delete(puppet.id)?;
    let (next, message) = (Puppet::new(me, 1)?, proto::Message::ok([]));
    same("it has gone with its chief", ipc::send(child, &message, ipc::NOW), Status::NotExistent)?;
    holds("its identifier is not used again", next.id != child)
}

pub fn not_ones_own(me: Me) -> Check {
    let (puppet, sibling) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    for stranger in [ThreadId::SIGMA0, ThreadId::ROOT, me.id] {
        same("deleting a stranger", task::delete(stranger), Status::Denied)?;
    }
    for victim in [me.id, sibling.id, ThreadId::ROOT, puppet.id] {
        let (status, _) = puppet.call(Call::TaskNew, victim, [task_new::DELETE, 0, 0, 0, 0, 0, 0])?;
        same("a puppet deletes", status, Status::Denied)?;
    }
    let words = [task_new::STOPPED, 0, 0, me.id.0, me.id.0, 4, u64::from(PRIORITY) + 1];
    let (status, _) = puppet.call(Call::TaskNew, ThreadId::NIL, words)?;
    same("a priority above one's own", status, Status::Denied)
}
