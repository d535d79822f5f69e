//! I/O ports and interrupt lines.

use crate::puppet::{Code, Puppet, answer};
use crate::report::{Check, holds, same};
use ukernel_abi::call::{Timeouts, unmap};
use ukernel_abi::layout::utcb;
use ukernel_abi::utcb::Regs;
use ukernel_abi::{Call, MapItem};
use userlib::{Fpage, Me, Status, ThreadId, ipc, irq, root, task};
use vmm_abi::ports::{DEBUG, DEBUG_PRESENT};

/// The line that the server set gives this server, and one that it does not. Nothing is connected to either.
const OWN_LINE: u8 = 9;
const OTHER_LINE: u8 = 11;
const GENERAL_PROTECTION: u64 = 13;

fn read_port() -> Regs {
    Regs { rdx: DEBUG.into(), ..Regs::default() }
}

pub fn ports(me: Me) -> Check {
    root::accept_devices()?;
    let puppet = Puppet::new(me, 0)?;
    puppet.start(Code::PortIn, read_port())?;
    same("without the right", puppet.exception()?.vector, GENERAL_PROTECTION)?;
    // It takes ports, and gets one.
    puppet.store(utcb(0) + 0x208, Fpage::ports(0, 16).0)?;
    puppet.start_ipc(ThreadId::NIL, &answer([], &[]), me.id, Timeouts::ALL_NEVER)?;
    puppet.settle()?;
    let port = Fpage::ports(DEBUG, 0);
    ipc::send(puppet.id, &answer([], &[MapItem::map(port, 0)]), ipc::NOW)?;
    same("receiving", puppet.called()?.0, Status::Ok)?;
    same("what the port says", puppet.run(Code::PortIn, read_port())?.rax, u64::from(DEBUG_PRESENT))?;
    puppet.start(Code::PortIn, Regs { rdx: u64::from(DEBUG) + 1, ..Regs::default() })?;
    same("the port beside it", puppet.exception()?.vector, GENERAL_PROTECTION)?;
    let (status, _) = puppet.call(Call::FpageUnmap, ThreadId::NIL, [port.0, unmap::FLUSH, 0, 0, 0, 0, 0])?;
    same("giving it up", status, Status::Ok)?;
    puppet.start(Code::PortIn, read_port())?;
    same("after it was given up", puppet.exception()?.vector, GENERAL_PROTECTION)
}

/// `puppet` takes a port or line from `from`.
fn expect_io(puppet: &Puppet, from: ThreadId) -> Check {
    puppet.store(utcb(0) + 0x208, Fpage::ports(0, 16).0)?;
    puppet.start_ipc(ThreadId::NIL, &answer([], &[]), from, Timeouts::ALL_NEVER)?;
    puppet.settle()
}

/// Two puppets that have `page`: the first from this server, the second from the first.
fn chain(me: Me, page: Fpage, base: u64) -> Check<[Puppet; 2]> {
    root::accept_devices()?;
    let (first, second) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    expect_io(&first, me.id)?;
    ipc::send(first.id, &answer([], &[MapItem::map(page, 0)]), ipc::NOW)?;
    same("the first receives", first.called()?.0, Status::Ok)?;
    expect_io(&second, first.id)?;
    let item = MapItem { snd: page, base };
    first.start_ipc(second.id, &answer([], &[item]), ThreadId::NIL, Timeouts::ALL_NEVER)?;
    same("the first sends", first.called()?.0, Status::Ok)?;
    same("the second receives", second.called()?.0, Status::Ok)?;
    Ok([first, second])
}

/// Whether a puppet may read the port.
fn may_read(puppet: &Puppet) -> Check<bool> {
    puppet.start(Code::PortIn, read_port())?;
    Ok(puppet.exception()?.vector != GENERAL_PROTECTION)
}

/// Which of the two may read the port.
fn readers(what: &'static str, puppets: &[Puppet; 2], want: [bool; 2]) -> Check {
    puppets.iter().zip(want).try_for_each(|(puppet, want)| same(what, may_read(puppet)?, want))
}

/// Whether a puppet may receive from the line.
fn may_attach(puppet: &Puppet) -> Check<bool> {
    puppet.start_ipc(ThreadId::NIL, &answer([], &[]), ThreadId::irq(OWN_LINE), Timeouts::new(0, 0))?;
    Ok(puppet.called()?.0 != Status::Denied)
}

pub fn ports_taken_back(me: Me) -> Check {
    let port = Fpage::ports(DEBUG, 0);
    let puppets = chain(me, port, 0)?;
    readers("both have it", &puppets, [true, true])?;
    task::unmap_derived(port)?;
    readers("nobody has it", &puppets, [false, false])?;
    drop(puppets);
    let puppets = chain(me, port, 0)?;
    task::unmap_in(puppets[1].id, port)?;
    readers("the second has it not", &puppets, [true, false])?;
    drop(puppets);
    let [first, second] = chain(me, port, 0)?;
    drop(first);
    same("the first has gone, and what came from it", may_read(&second)?, false)?;
    drop(second);
    let puppets = chain(me, port, MapItem::GRANT)?;
    readers("granted", &puppets, [false, true])?;
    task::unmap_derived(port)?;
    same("it is this server's all the same", may_read(&puppets[1])?, false)
}

pub fn lines_taken_back(me: Me) -> Check {
    let line = Fpage::irqs(OWN_LINE, 0);
    let [first, second] = chain(me, line, 0)?;
    same("the second attaches", may_attach(&second)?, true)?;
    same("the first cannot, then", may_attach(&first)?, false)?;
    let (status, _) = first.call(Call::FpageUnmap, ThreadId::NIL, [line.0, 0, 0, 0, 0, 0, 0])?;
    same("the first takes it back", status, Status::Ok)?;
    same("the second has it not", may_attach(&second)?, false)?;
    same("the first attaches", may_attach(&first)?, true)?;
    // A thread that waits for the line alone would wait for ever.
    first.start_ipc(ThreadId::NIL, &answer([], &[]), ThreadId::irq(OWN_LINE), Timeouts::ALL_NEVER)?;
    first.settle()?;
    task::unmap_derived(line)?;
    same("the wait is over", first.called()?.0, Status::Denied)?;
    irq::attach(OWN_LINE)?;
    give_up_line(me)
}

/// This server loses the line, and so is not attached any more. Root gives it again.
fn give_up_line(me: Me) -> Check {
    Ok(task::unmap_in(me.id, Fpage::irqs(OWN_LINE, 0))?)
}

pub fn interrupts(me: Me) -> Check {
    root::accept_devices()?;
    let puppet = Puppet::new(me, 0)?;
    same("a line of nobody's", irq::attach(OTHER_LINE), Status::Denied)?;
    puppet.start_ipc(ThreadId::NIL, &answer([], &[]), ThreadId::irq(OWN_LINE), Timeouts::new(0, 0))?;
    same("a puppet without the right", puppet.called()?.0, Status::Denied)?;
    irq::attach(OWN_LINE)?;
    let nothing = ipc::receive(ThreadId::irq(OWN_LINE), 5_000);
    same("nothing comes from it", nothing, Status::ReceiveTimeout)?;
    let sent = ipc::send(ThreadId::irq(OWN_LINE), &answer([], &[]), ipc::NOW);
    holds("nothing can be sent to it", sent.is_err())?;
    give_up_line(me)
}
