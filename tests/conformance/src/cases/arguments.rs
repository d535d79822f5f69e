//! Arguments that calls do not take, one rule after the other.

use crate::puppet::{Code, PRIORITY, Puppet, answer};
use crate::report::{Check, Failure, same};
use ukernel_abi::Call;
use ukernel_abi::call::{Timeouts, ex_regs, schedule, task_new};
use ukernel_abi::layout::{USER_END, utcb};
use ukernel_abi::utcb::Regs;
use userlib::thread::ExRegs;
use userlib::{Fpage, MapItem, Me, Rights, Status, ThreadId, ipc, task};

const DATA: u64 = 0x5000_0000;
const BEYOND: u64 = 1 << 47;

/// Has the puppet make each call, and looks at its status.
fn refused(puppet: &Puppet, call: Call, cases: &[(&'static str, ThreadId, [u64; 7], Status)]) -> Check {
    for &(what, subject, words, want) in cases {
        let (status, _) = puppet.call(call, subject, words)?;
        if status != want {
            return Err(Failure::new(what, status as u64, want as u64));
        }
    }
    Ok(())
}

/// An identifier that was a thread's.
fn dead(me: Me) -> Check<ThreadId> {
    let puppet = Puppet::new(me, 3)?;
    task::delete(puppet.id)?;
    Ok(puppet.id)
}

pub fn of_lthread_ex_regs(me: Me) -> Check {
    use Status::{BadArgument, Denied, NotExistent};
    use ex_regs::*;
    let (puppet, sibling, dead) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?, dead(me)?);
    let id = puppet.id;
    let word = |flags, ip, r8| [flags, ip, 0, 0, 0, r8, 0];
    let new = |task: ThreadId, lthread| ThreadId::new(task.task(), lthread, 1);
    refused(
        &puppet,
        Call::LthreadExRegs,
        &[
            ("a flag that is none", id, word(1 << 40, 0, 0), BadArgument),
            ("an ip beyond user space", id, word(SET_IP, BEYOND, 0), BadArgument),
            ("an FS base beyond user space", id, word(SET_FS_BASE, 0, BEYOND), BadArgument),
            ("nil", ThreadId::NIL, word(0, 0, 0), NotExistent),
            ("any", ThreadId::ANY, word(0, 0, 0), NotExistent),
            ("a line", ThreadId::irq(9), word(0, 0, 0), NotExistent),
            ("a dead thread", dead, word(0, 0, 0), NotExistent),
            ("a thread that never was", new(id, 99), word(0, 0, 0), NotExistent),
            ("destroying the dead", dead, word(DESTROY, 0, 0), NotExistent),
            ("destroying a sibling", sibling.id, word(DESTROY, 0, 0), Denied),
            ("a thread of a sibling's", new(sibling.id, 7), word(CREATE, 0, 0), Denied),
            ("a thread of the chief's", new(me.id, 7), word(CREATE, 0, 0), Denied),
            ("a thread of nobody's task", ThreadId::new(60_000, 1, 1), word(CREATE, 0, 0), NotExistent),
            ("the first thread", new(id, 0), word(CREATE, 0, 0), BadArgument),
        ],
    )?;
    // Bases that are no addresses: and the thread is not there then.
    me.utcb.set_regs(&Regs { rip: Code::Stop.address(), ..Regs::default() });
    me.utcb.set_bases(1 << 63, 0);
    let made = ExRegs::new(CREATE | SET_REGS).apply(new(id, 5)).map(drop);
    me.utcb.set_bases(0, 0);
    same("a base that is no address", made, BadArgument)?;
    refused(&puppet, Call::LthreadExRegs, &[("what was not made", new(id, 5), word(0, 0, 0), NotExistent)])
}

pub fn of_task_new(me: Me) -> Check {
    use Status::{BadArgument, Denied, NotExistent};
    use task_new::*;
    let (puppet, dead) = (Puppet::new(me, 0)?, dead(me)?);
    let word = |flags, ip, priority: u64| [flags, ip, 0, 0, 0, 16, priority];
    let nil = ThreadId::NIL;
    refused(
        &puppet,
        Call::TaskNew,
        &[
            ("a flag that is none", nil, word(1 << 40, 0, 1), BadArgument),
            ("an ip beyond user space", nil, word(STOPPED, BEYOND, 1), BadArgument),
            ("a priority above one's own", nil, word(STOPPED, 0, u64::from(PRIORITY) + 1), Denied),
            ("a priority that is none", nil, word(STOPPED, 0, 256), Denied),
            ("deleting and more", nil, word(DELETE | STOPPED, 0, 1), BadArgument),
            ("deleting nobody", nil, word(DELETE, 0, 1), NotExistent),
            ("deleting anybody", ThreadId::ANY, word(DELETE, 0, 1), NotExistent),
            ("deleting the dead", dead, word(DELETE, 0, 1), NotExistent),
        ],
    )
}

pub fn of_thread_schedule(me: Me) -> Check {
    use Status::{BadArgument, Denied, NotExistent, Ok};
    use schedule::*;
    let (puppet, sibling, dead) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?, dead(me)?);
    let id = puppet.id;
    let word = |flags, priority, slice| [flags, priority, slice, u64::MAX, 0, 0, 0];
    refused(
        &puppet,
        Call::ThreadSchedule,
        &[
            ("a flag that is none", id, word(8, 0, 0), BadArgument),
            ("a slice that is too short", id, word(SET_TIMESLICE, 0, 199), BadArgument),
            ("the shortest slice", id, word(SET_TIMESLICE, 0, 200), Ok),
            ("a slice that is too long", id, word(SET_TIMESLICE, 0, u64::from(u32::MAX)), BadArgument),
            ("a CPU that is none", id, word(SET_CPU, 0, 0), BadArgument),
            ("a priority above one's own", id, word(SET_PRIORITY, u64::from(PRIORITY) + 1, 0), Denied),
            ("a priority that is none", id, word(SET_PRIORITY, 1 << 32, 0), Denied),
            ("one's own priority", id, word(SET_PRIORITY, u64::from(PRIORITY), 0), Ok),
            ("a sibling", sibling.id, word(0, 0, 0), Denied),
            ("one's chief", me.id, word(SET_PRIORITY, 1, 0), Denied),
            ("the dead", dead, word(0, 0, 0), NotExistent),
            ("nobody", ThreadId::NIL, word(0, 0, 0), NotExistent),
        ],
    )
}

pub fn of_thread_switch_and_id_nearest(me: Me) -> Check {
    use Status::{NotExistent, Ok};
    let (puppet, sibling, dead) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?, dead(me)?);
    let words = [0; 7];
    let cases = [
        ("a sibling", sibling.id, words, Ok),
        ("one's chief", me.id, words, Ok),
        ("oneself", puppet.id, words, Ok),
        ("the dead", dead, words, NotExistent),
        ("a version to come", ThreadId::new(dead.task(), 0, u32::MAX), words, NotExistent),
    ];
    refused(&puppet, Call::ThreadSwitch, &cases)?;
    refused(&puppet, Call::IdNearest, &cases)
}

/// Flexpages that are none, to be unmapped and to be sent.
pub fn flexpages(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    puppet.store(utcb(0) + 0x208, Fpage::ports(0, 16).0)?;
    for bad in [
        Fpage::memory(0, 48, Rights::RWX),
        Fpage::memory(0, 63, Rights::RWX),
        Fpage::memory(BEYOND, 12, Rights::RWX),
        Fpage::memory(1 << 46, 47, Rights::RWX),
        Fpage::memory(0, 0, Rights::RWX),
        Fpage(DATA | 12 << 4 | 8 | 7),
        Fpage::ports(0, 17),
        Fpage::ports(3, 2),
        Fpage(0x1_0000 << 12 | 1 << 10),
        Fpage::irqs(64, 0),
        Fpage::irqs(0, 7),
        Fpage::irqs(1, 1),
    ] {
        let words = [bad.0, 0, 0, 0, 0, 0, 0];
        let (status, _) = puppet.call(Call::FpageUnmap, ThreadId::NIL, words)?;
        if status != Status::BadArgument {
            return Err(Failure::new("unmapping", status as u64, bad.0));
        }
        puppet.store(utcb(0) + 0x200, Fpage::memory(DATA, 24, Rights::RWX).0)?;
        puppet.start_ipc(ThreadId::NIL, &answer([], &[]), me.id, Timeouts::ALL_NEVER)?;
        puppet.settle()?;
        let sent = ipc::send(puppet.id, &answer([], &[MapItem::map(bad, 0)]), ipc::NOW);
        if sent != Err(Status::MapFailed) {
            return Err(Failure::new("sending", sent.err().unwrap_or(Status::Ok) as u64, bad.0));
        }
        same("the message arrives", puppet.called()?.0, Status::Ok)?;
    }
    puppet.load_faults(DATA)
}

/// Windows that are none, or too small, or beyond user memory: nothing is mapped, and nobody is harmed.
pub fn windows(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    let item = crate::memory::Page(0).item(Rights::RW, 0);
    for (window, status) in [
        (Fpage::NIL, Status::MapFailed),
        (Fpage::memory(DATA, 11, Rights::RWX), Status::MapFailed),
        (Fpage::memory(DATA + 4096, 13, Rights::RWX), Status::MapFailed),
        (Fpage(u64::MAX), Status::MapFailed),
        (Fpage::ports(0, 16), Status::MapFailed),
        (Fpage::memory(USER_END, 12, Rights::RWX), Status::Ok),
        (Fpage::memory(utcb(0), 12, Rights::RWX), Status::Ok),
    ] {
        puppet.store(utcb(0) + 0x200, window.0)?;
        puppet.start_ipc(ThreadId::NIL, &answer([], &[]), me.id, Timeouts::ALL_NEVER)?;
        puppet.settle()?;
        let sent = ipc::send(puppet.id, &answer([], &[item]), ipc::NOW);
        if sent.err().unwrap_or(Status::Ok) != status {
            return Err(Failure::new("sending", sent.err().unwrap_or(Status::Ok) as u64, window.0));
        }
        same("the message arrives", puppet.called()?.0, Status::Ok)?;
        puppet.load_faults(DATA)?;
    }
    Ok(())
}
