//! I/O ports and interrupt lines.

use crate::puppet::{Code, Puppet, answer};
use crate::report::{Check, holds, same};
use ukernel_abi::call::{Timeouts, unmap};
use ukernel_abi::layout::utcb;
use ukernel_abi::utcb::Regs;
use ukernel_abi::{Call, MapItem};
use userlib::{Fpage, Me, Status, ThreadId, ipc, irq, root};
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
    // Ports are in no mapping database: a task gives up its own.
    let (status, _) = puppet.call(Call::FpageUnmap, ThreadId::NIL, [port.0, unmap::FLUSH, 0, 0, 0, 0, 0])?;
    same("giving it up", status, Status::Ok)?;
    puppet.start(Code::PortIn, read_port())?;
    same("after it was given up", puppet.exception()?.vector, GENERAL_PROTECTION)
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
    holds("nothing can be sent to it", sent.is_err())
}
