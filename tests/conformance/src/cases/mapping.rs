//! Flexpages of memory.

use crate::memory::{self, Page};
use crate::puppet::{Code, PRIORITY, Puppet, answer};
use crate::report::{Check, Failure, holds, same};
use ukernel_abi::call::{Timeouts, unmap};
use ukernel_abi::layout::{GATE, KIP, utcb};
use ukernel_abi::utcb::Regs;
use ukernel_abi::{Call, MapItem};
use userlib::{Fpage, Me, Rights, Status, ThreadId, ipc, root, task};

/// Where puppets have shared memory.
const DATA: u64 = 0x5000_0000;
const PAGE: Page = Page(0);
const OTHER: Page = Page(1);

/// `puppet` receives from `from` with this window, for memory.
fn receive_with(puppet: &Puppet, window: Fpage, from: ThreadId) -> Check {
    puppet.store(utcb(0) + 0x200, window.0)?;
    puppet.start_ipc(ThreadId::NIL, &answer([], &[]), from, Timeouts::ALL_NEVER)?;
    puppet.settle()
}

pub fn on_fault(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    PAGE.write(0x1234);
    same("what was loaded", puppet.load_with(DATA, PAGE.item(Rights::R, DATA))?, 0x1234_u64)?;
    puppet.store_faults(DATA + 8)?;
    puppet.reply([], &[PAGE.item(Rights::RW, DATA)])?;
    puppet.finish()?;
    puppet.store(DATA, 0x5678)?;
    same("what was stored", PAGE.read(), 0x5678_u64)?;
    puppet.load_faults(DATA + 4096)?;
    // An answer without an item: the fault comes again.
    puppet.reply([], &[])?;
    same("faults again", puppet.page_fault()?.address, DATA + 4096)
}

pub fn shared(me: Me) -> Check {
    let (first, second) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    first.load_with(DATA, PAGE.item(Rights::RW, DATA))?;
    second.load_with(DATA + 0x7000, PAGE.item(Rights::R, DATA + 0x7000))?;
    first.store(DATA, 99)?;
    same("seen by the other", second.load(DATA + 0x7000)?, 99_u64)?;
    second.store_faults(DATA + 0x7000)
}

pub fn demote_and_unmap(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    PAGE.write(7);
    puppet.load_with(DATA, PAGE.item(Rights::RW, DATA))?;
    puppet.store(DATA, 8)?;
    task::unmap_derived(PAGE.fpage(Rights::W))?;
    same("still readable", puppet.load(DATA)?, 8_u64)?;
    puppet.store_faults(DATA)?;
    task::unmap_derived(PAGE.fpage(Rights::RWX))?;
    puppet.load_faults(DATA)?;
    same("the owner's own", PAGE.read(), 8_u64)?;
    PAGE.write(9);
    puppet.reply([], &[PAGE.item(Rights::R, DATA)])?;
    same("mapped again", puppet.finish()?.rax, 9_u64)
}

pub fn unmap_derived(me: Me) -> Check {
    let (first, second) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    PAGE.write(5);
    first.load_with(DATA, PAGE.item(Rights::RW, DATA))?;
    pass_on(&first, &second, MapItem::map(Fpage::memory(DATA, 12, Rights::RW), DATA))?;
    same("passed on", second.load(DATA)?, 5_u64)?;
    task::unmap_derived(PAGE.fpage(Rights::RWX))?;
    first.load_faults(DATA)?;
    second.load_faults(DATA)
}

/// The first sends an item to the second.
fn pass_on(first: &Puppet, second: &Puppet, item: MapItem) -> Check {
    receive_with(second, Fpage::memory(DATA, 24, Rights::RWX), first.id)?;
    first.start_ipc(second.id, &answer([1], &[item]), ThreadId::NIL, Timeouts::ALL_NEVER)?;
    same("sending", first.called()?.0, Status::Ok)?;
    let (status, regs) = second.called()?;
    same("receiving", status, Status::Ok)?;
    same("the word before the item", regs.rbx, 1_u64)
}

pub fn unmap_in_task(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    puppet.load_with(DATA, PAGE.item(Rights::RW, DATA))?;
    puppet.load_with(DATA + 4096, OTHER.item(Rights::RW, DATA + 4096))?;
    task::unmap_in(puppet.id, Fpage::memory(DATA, 12, Rights::W))?;
    puppet.load(DATA)?;
    puppet.store_faults(DATA)?;
    task::unmap_in(puppet.id, Fpage::memory(DATA, 12, Rights::RWX))?;
    puppet.load_faults(DATA)?;
    puppet.store(DATA + 4096, 3)?;
    same("a puppet may not", deny_unmap(&puppet, me.id)?, Status::Denied)?;
    same("nor may this server with root", task::unmap_in(ThreadId::ROOT, Fpage::ALL), Status::Denied)
}

/// What `puppet` gets when it wants to unmap the memory of `victim`.
fn deny_unmap(puppet: &Puppet, victim: ThreadId) -> Check<Status> {
    Ok(puppet.call(Call::FpageUnmap, victim, [Fpage::ALL.0, unmap::IN_TASK, 0, 0, 0, 0, 0])?.0)
}

pub fn grant(me: Me) -> Check {
    let (first, second) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    PAGE.write(42);
    first.load_with(DATA, PAGE.item(Rights::RW, DATA))?;
    let page = Fpage::memory(DATA, 12, Rights::RW);
    pass_on(&first, &second, MapItem { snd: page, base: (DATA + 0x3000) | MapItem::GRANT })?;
    same("the new owner has it", second.load(DATA + 0x3000)?, 42_u64)?;
    second.store(DATA + 0x3000, 43)?;
    same("it is the same page", PAGE.read(), 43_u64)?;
    first.load_faults(DATA)?;
    task::unmap_derived(PAGE.fpage(Rights::RWX))?;
    second.load_faults(DATA + 0x3000)
}

/// Kernel memory in which a puppet can have a superpage, but not the 512 pages of it.
const FEW_FRAMES: u64 = 24;

pub fn superpages(me: Me) -> Check {
    let (window, _) = root::dma(21)?;
    let memory = window.cells(0, 1).ok_or_else(|| Failure::new("size of the window", 0, 1))?;
    let whole = Fpage::memory(memory.as_ptr().expose_provenance() as u64, 21, Rights::RW);
    let part = Fpage::memory(whole.base() + 0x5000, 12, Rights::RWX);
    let (first, second) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    let poor = Puppet::with(me, 2, FEW_FRAMES, PRIORITY)?;
    for puppet in [&first, &poor] {
        puppet.load_with(DATA, MapItem::map(whole, DATA))?;
    }
    pass_on(&first, &second, MapItem::map(Fpage::memory(DATA, 21, Rights::RW), DATA))?;
    task::unmap_derived(part.with_rights(Rights::W))?;
    for puppet in [&first, &second] {
        puppet.store_faults(DATA + 0x5000)?;
        puppet.load(DATA + 0x5000)?;
        puppet.store(DATA + 0x6000, 1)?;
    }
    // Who cannot pay for the pages loses the right to all of it.
    poor.store_faults(DATA + 0x6000)?;
    poor.load(DATA + 0x5000)?;
    task::unmap_derived(part)?;
    for puppet in [&first, &second] {
        puppet.load_faults(DATA + 0x5000)?;
        puppet.store(DATA + 0x1f_f000, 1)?;
    }
    poor.load_faults(DATA + 0x6000)?;
    task::unmap_derived(whole.with_rights(Rights::RWX))?;
    second.load_faults(DATA + 0x6000)
}

/// Different pages at the same address in two spaces, changed while they do not run: what processors remember of one is not used in the
/// other, and not when it has gone.
pub fn same_address(me: Me) -> Check {
    let (first, second) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
    PAGE.write(1);
    OTHER.write(2);
    let mut pages = [PAGE, OTHER];
    first.load_with(DATA, pages[0].item(Rights::RW, DATA))?;
    second.load_with(DATA, pages[1].item(Rights::RW, DATA))?;
    for _ in 0..4 {
        for (puppet, page) in [&first, &second, &first, &second].into_iter().zip(pages.into_iter().cycle()) {
            let value = page.read();
            same("its own page", puppet.load(DATA)?, value)?;
            puppet.store(DATA, value + 16)?;
            same("stored there", page.read(), value + 16)?;
        }
        // Less rights for the one, while the other has run last.
        task::unmap_in(first.id, Fpage::memory(DATA, 12, Rights::W))?;
        first.store_faults(DATA)?;
        second.store(DATA, pages[1].read())?;
        // The pages change places.
        for puppet in [&first, &second] {
            task::unmap_in(puppet.id, Fpage::memory(DATA, 12, Rights::RWX))?;
        }
        pages.reverse();
        for (puppet, page) in [&first, &second].into_iter().zip(pages) {
            let value = page.read();
            same("the other page", puppet.load_with(DATA, page.item(Rights::RW, DATA))?, value)?;
        }
    }
    // A puppet takes from the other what that has from it.
    const THERE: u64 = DATA + 0x3000;
    pass_on(&first, &second, MapItem::map(Fpage::memory(DATA, 12, Rights::RW), THERE))?;
    same("passed on", second.load(THERE)?, pages[0].read())?;
    let unmap = [Fpage::memory(DATA, 12, Rights::RWX).0, 0, 0, 0, 0, 0, 0];
    same("unmapping", first.call(Call::FpageUnmap, ThreadId::NIL, unmap)?.0, Status::Ok)?;
    second.load_faults(THERE)?;
    same("the giver keeps it", first.load(DATA)?, pages[0].read())
}

/// A space that takes the place of another has nothing of it.
pub fn new_space(me: Me) -> Check {
    for round in 0..8 {
        PAGE.write(round);
        let (first, second) = (Puppet::new(me, 0)?, Puppet::new(me, 1)?);
        for puppet in [&first, &second, &first, &second] {
            puppet.load_faults(DATA)?;
        }
        first.reply([], &[PAGE.item(Rights::RW, DATA)])?;
        same("what was loaded", first.finish()?.rax, round)?;
        second.load_faults(DATA)?;
        first.store(DATA, round)?;
    }
    Ok(())
}

pub fn windows(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    for page in 0..4 {
        Page(page).write(100 + page as u64);
    }
    let four = Fpage::memory(Page(0).address(), 14, Rights::R);
    // A window smaller than what is sent: the base says which part.
    receive_with(&puppet, Fpage::memory(DATA, 12, Rights::RWX), me.id)?;
    ipc::send(puppet.id, &answer([], &[MapItem::map(four, 0x2000)]), ipc::NOW)?;
    same("receiving", puppet.called()?.0, Status::Ok)?;
    same("the part that the base names", puppet.load(DATA)?, 102_u64)?;
    puppet.load_faults(DATA + 4096)?;
    // A window larger than what is sent: the base says where.
    receive_with(&puppet, Fpage::memory(DATA + 0x10_0000, 16, Rights::RWX), me.id)?;
    ipc::send(puppet.id, &answer([], &[MapItem::map(four, 0xffff_0000_5000)]), ipc::NOW)?;
    same("receiving", puppet.called()?.0, Status::Ok)?;
    for page in 0..4 {
        same("where the base says", puppet.load(DATA + 0x10_4000 + 4096 * page)?, 100 + page)?;
    }
    puppet.load_faults(DATA + 0x10_0000)
}

pub fn bad_flexpages(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    let unaligned = Fpage::memory(PAGE.address() + 4096, 13, Rights::R);
    for bad in [
        unaligned,
        Fpage::memory(PAGE.address(), 11, Rights::R),
        Fpage(3 << 10 | 12 << 4 | 7),
        Fpage(u64::MAX),
    ] {
        receive_with(&puppet, Fpage::memory(DATA, 24, Rights::RWX), me.id)?;
        let sent = ipc::send(puppet.id, &answer([], &[MapItem::map(bad, 0)]), ipc::NOW);
        same("sending a bad flexpage", sent, Status::MapFailed)?;
        let (status, _) = puppet.call(Call::FpageUnmap, ThreadId::NIL, [bad.0, 0, 0, 0, 0, 0, 0])?;
        same("unmapping a bad flexpage", status, Status::BadArgument)?;
    }
    let (status, _) = puppet.call(Call::FpageUnmap, ThreadId::NIL, [Fpage::ALL.0, 0x80, 0, 0, 0, 0, 0])?;
    same("unmapping with a flag that does not exist", status, Status::BadArgument)?;
    // What the sender has not is left out.
    puppet.load_with(DATA + 0x20_0000, MapItem::map(memory::all(Rights::R), DATA + 0x20_0000))?;
    receive_with(&puppet, Fpage::memory(DATA, 24, Rights::RWX), me.id)?;
    let nothing = Fpage::memory(0x7000_0000_0000, 12, Rights::R);
    holds(
        "a page that is not there",
        ipc::send(puppet.id, &answer([], &[MapItem::map(nothing, 0)]), ipc::NOW) != Err(Status::SendTimeout),
    )?;
    puppet.load_faults(DATA)
}

pub fn kernel_area(me: Me) -> Check {
    let puppet = Puppet::new(me, 0)?;
    let magic = puppet.load(KIP)?;
    same("the kernel interface page", magic, ukernel_abi::kip::MAGIC)?;
    for place in [GATE, KIP, utcb(0), utcb(1), 0x7fff_ffff_f000] {
        puppet.start(Code::Load, Regs { rdi: DATA, ..Regs::default() })?;
        puppet.page_fault()?;
        // Whatever the status: nothing must be mapped there, and the calls that follow must work.
        let _refused = puppet.reply([], &[PAGE.item(Rights::RWX, place)]);
    }
    same("it is unharmed", puppet.load(KIP)?, magic)?;
    for page in [Fpage::memory(GATE, 12, Rights::RWX), Fpage::memory(utcb(0), 12, Rights::RWX)] {
        let _refused = task::unmap_in(puppet.id, page);
    }
    same("it is still there", puppet.load(KIP)?, magic)?;
    // The gate still works.
    same("a call", puppet.call(Call::IdNearest, ThreadId::NIL, [0; 7])?.0, Status::Ok)?;
    puppet.start(Code::Store, Regs { rdi: GATE, ..Regs::default() })?;
    same("the gate cannot be written", puppet.page_fault()?.address, GATE)
}
