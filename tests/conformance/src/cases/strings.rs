//! Strings: what is copied, what happens at pages that are missing, how a transfer ends before its time.
//!
//! One puppet sends and one receives; this server is the pager of both.

use crate::memory::{self, Page};
use crate::puppet::{Puppet, SOON};
use crate::report::{Check, holds, same};
use proto::Message;
use ukernel_abi::call::{Timeouts, ex_regs};
use ukernel_abi::layout::{PAGE, USER_END, utcb};
use ukernel_abi::msg::StringItem;
use ukernel_abi::utcb::RunState;
use ukernel_abi::{Call, Label, Tag};
use userlib::thread::{ExRegs, sleep};
use userlib::{Me, Rights, Status, ThreadId, ipc, strings, task};

const LABEL: Label = Label(0x44);
const WORD: u64 = 0x1234;
/// The shared pages 0 to 3 are at `SRC` in the sender, 4 to 7 at `DST` in the receiver.
const SRC: u64 = 0x5000_0000;
const DST: u64 = 0x6000_0000;
const PAGES: usize = 4;
const TRANSFER_TIMEOUTS: u64 = utcb(0) + 0x228;
const BUFFER_COUNT: u64 = utcb(0) + 0x230;
const BUFFERS: u64 = utcb(0) + 0xf00;
const NEVER: Timeouts = Timeouts::ALL_NEVER;

struct Pair {
    sender: Puppet,
    receiver: Puppet,
}

fn pattern(addr: u64) -> u8 {
    (addr * 11 + addr / 255) as u8
}

impl Pair {
    /// With all pages mapped but those that are said to be missing.
    fn without(me: Me, missing: &[u64]) -> Check<Self> {
        let pair = Self { sender: Puppet::new(me, 0)?, receiver: Puppet::new(me, 1)? };
        for puppet in [&pair.sender, &pair.receiver] {
            // Its code and stack are there when it has made a call.
            puppet.call(Call::IdNearest, ThreadId::NIL, [0; 7])?;
        }
        for n in 0..PAGES {
            for (puppet, at, page, rights) in
                [(&pair.sender, SRC, Page(n), Rights::R), (&pair.receiver, DST, Page(PAGES + n), Rights::RW)]
            {
                let addr = at + n as u64 * PAGE;
                if !missing.contains(&addr) {
                    puppet.load_with(addr, page.item(rights, addr))?;
                }
            }
        }
        (0..PAGES as u64 * PAGE).for_each(|n| {
            memory::set_byte(n as usize, pattern(SRC + n));
            memory::set_byte(PAGES * PAGE as usize + n as usize, 0);
        });
        Ok(pair)
    }

    fn new(me: Me) -> Check<Self> {
        Self::without(me, &[])
    }

    /// The receiver waits, with these buffers.
    fn receive(&self, buffers: &[StringItem]) -> Check {
        self.receiver.store(BUFFER_COUNT, buffers.len() as u64)?;
        for (n, buffer) in (0..).zip(buffers) {
            self.receiver.store(BUFFERS + 16 * n, buffer.addr)?;
            self.receiver.store(BUFFERS + 16 * n + 8, buffer.word)?;
        }
        self.receiver.start_ipc(ThreadId::NIL, &message(&[]), self.sender.id, NEVER)?;
        self.receiver.settle()
    }

    fn send(&self, items: &[StringItem]) -> Check {
        for (n, item) in (0..).zip(items).skip(3) {
            self.sender.store(utcb(0) + 8 * (1 + 2 * n), item.addr)?;
            self.sender.store(utcb(0) + 8 * (2 + 2 * n), item.word)?;
        }
        self.sender.start_ipc(self.receiver.id, &message(items), ThreadId::NIL, NEVER)
    }

    fn transfer_timeouts(&self, us: u32) -> Check {
        self.sender.store(TRANSFER_TIMEOUTS, Timeouts::new(us, ipc::NEVER).0)
    }

    /// How it ended on both sides.
    fn ended(&self, sender: Status, receiver: Status) -> Check {
        same("status of the sender", self.sender.called()?.0, sender)?;
        let (status, regs) = self.receiver.called()?;
        same("status of the receiver", status, receiver)?;
        same("who sent it", regs.r12, self.sender.id)?;
        same("the word", regs.rbx, WORD)?;
        same("label", Tag::from_rax(regs.rax).label().0, LABEL.0)
    }
}

/// A word and these items, of which the first three lie in registers.
fn message(items: &[StringItem]) -> Message {
    let mut message = Message::new(LABEL, [WORD]);
    for (n, item) in items.iter().enumerate().take(3) {
        message.words[1 + 2 * n] = item.addr;
        message.words[2 + 2 * n] = item.word;
    }
    message.tag = Tag::new(LABEL, 1, items.len());
    message
}

/// `len` bytes from `src` on have come to `dst`, and no more.
fn arrived(src: u64, dst: u64, len: u64) -> Check {
    let received = |addr: u64| memory::byte((PAGES as u64 * PAGE + addr - DST) as usize);
    for n in 0..len {
        same("a byte", received(dst + n), pattern(src + n))?;
    }
    same("the byte behind", received(dst + len), 0_u8)
}

pub fn plain(me: Me) -> Check {
    for (src, dst, len) in [
        (SRC, DST, 0),
        (SRC, DST, 1),
        (SRC + 1, DST, 7),
        (SRC, DST, 4096),
        (SRC + 5, DST + 9, 4096),
        (SRC + 4095, DST + 1, 2),
        (SRC + 3, DST + 4001, 10_000),
    ] {
        let pair = Pair::new(me)?;
        pair.receive(&[StringItem::new(dst, 12_000)])?;
        pair.send(&[StringItem::new(src, len)])?;
        pair.ended(Status::Ok, Status::Ok)?;
        arrived(src, dst, len)?;
    }
    Ok(())
}

pub fn gather_and_scatter(me: Me) -> Check {
    let pair = Pair::new(me)?;
    pair.receive(&[StringItem::new(DST + 3, 3000).more(), StringItem::new(DST + 0x2000, 7000)])?;
    let parts = [(SRC, 1000), (SRC + 1000, 2001), (SRC + 3001, 5000)];
    let [a, b, c] = parts.map(|(addr, len)| StringItem::new(addr, len));
    pair.send(&[a.more(), b.more(), c])?;
    pair.ended(Status::Ok, Status::Ok)?;
    arrived(SRC, DST + 3, 3000)?;
    arrived(SRC + 3000, DST + 0x2000, 5001)
}

/// More than the kernel copies at one go; and two strings, for each of which there is a buffer.
pub fn long(me: Me) -> Check {
    const LEN: u64 = 13_001;
    const PARTS: usize = 16;
    let pair = Pair::new(me)?;
    let mut buffers = [StringItem::new(DST, LEN).more(); PARTS];
    buffers[PARTS - 2] = StringItem::new(DST, LEN);
    buffers[PARTS - 1] = StringItem::new(DST + LEN, 9);
    let mut items = [StringItem::new(SRC, LEN).more(); PARTS];
    items[PARTS - 2] = StringItem::new(SRC + 1, LEN);
    items[PARTS - 1] = StringItem::new(SRC + 1 + LEN, 9);
    pair.receive(&buffers)?;
    pair.send(&items)?;
    pair.ended(Status::Ok, Status::Ok)?;
    arrived(SRC + 1, DST, LEN + 9)
}

impl Pair {
    /// The next fault is of the sender, at `addr`, and answered by `page`.
    fn sender_faults(&self, addr: u64, page: Page) -> Check {
        fault(&self.sender, &self.receiver, addr, Rights::R, page)
    }

    fn receiver_faults(&self, addr: u64, page: Page) -> Check {
        fault(&self.receiver, &self.sender, addr, Rights::W, page)
    }
}

/// Both are looked at before the answer: whoever runs on another CPU goes on at once then.
fn fault(puppet: &Puppet, other: &Puppet, addr: u64, access: Rights, page: Page) -> Check {
    let fault = puppet.page_fault()?;
    same("address", fault.address, addr)?;
    same("access", fault.access.0, access.0)?;
    same("error code", fault.code, 4 | u64::from(access.0 & Rights::W.0))?;
    same("state", puppet.state()?.state as u64, RunState::PageFault as u64)?;
    same("state of the other", other.state()?.state as u64, RunState::InTransfer as u64)?;
    puppet.reply([], &[page.item(access.union(Rights::R), addr & !(PAGE - 1))])?;
    Ok(())
}

pub fn faults(me: Me) -> Check {
    let pair = Pair::without(me, &[SRC, SRC + PAGE, DST, DST + 2 * PAGE])?;
    pair.receive(&[StringItem::new(DST + 5, 4 * PAGE)])?;
    pair.send(&[StringItem::new(SRC, 2 * PAGE)])?;
    pair.sender_faults(SRC, Page(0))?;
    pair.receiver_faults(DST + 5, Page(PAGES))?;
    pair.sender_faults(SRC + PAGE, Page(1))?;
    pair.receiver_faults(DST + 2 * PAGE, Page(PAGES + 2))?;
    pair.ended(Status::Ok, Status::Ok)?;
    arrived(SRC, DST + 5, 2 * PAGE)?;
    // A page that cannot be written to: as for copy-on-write.
    task::unmap_derived(Page(PAGES).fpage(Rights::W))?;
    pair.receive(&[StringItem::new(DST, 10)])?;
    pair.send(&[StringItem::new(SRC + 7, 10)])?;
    pair.receiver_faults(DST, Page(PAGES))?;
    pair.ended(Status::Ok, Status::Ok)?;
    same("a byte", memory::byte(PAGES * PAGE as usize + 9), pattern(SRC + 16))?;
    // An answer that does not help: the fault comes again.
    task::unmap_derived(Page(0).fpage(Rights::RWX))?;
    pair.receive(&[StringItem::new(DST, 10)])?;
    pair.send(&[StringItem::new(SRC, 10)])?;
    same("address", pair.sender.page_fault()?.address, SRC)?;
    pair.sender.reply([], &[])?;
    pair.sender_faults(SRC, Page(0))?;
    pair.ended(Status::Ok, Status::Ok)
}

pub fn cut(me: Me) -> Check {
    let pair = Pair::new(me)?;
    for (buffers, fits) in [
        (&[StringItem::new(DST, 99)][..], 99),
        (&[StringItem::new(DST, 50).more(), StringItem::new(DST + 50, 59)][..], 109),
        (&[StringItem { addr: DST, word: u64::MAX }][..], 0),
        (&[][..], 0),
    ] {
        pair.receive(buffers)?;
        pair.send(&[StringItem::new(SRC, 200)])?;
        pair.ended(Status::MessageCut, Status::MessageCut)?;
        if fits > 0 {
            arrived(SRC, DST, fits)?;
        }
    }
    // A thread that waits for the answer to a fault takes no strings; it goes on.
    pair.sender.start(crate::puppet::Code::Syscall, ukernel_abi::utcb::Regs::default())?;
    pair.sender.foreign()?;
    let bytes = [0; 8];
    let answer = strings::send(pair.sender.id, &Message::new(LABEL, [7]), &[&bytes], ipc::NOW);
    same("in an answer", answer, Status::MessageCut)?;
    same("it goes on", pair.sender.finish()?.rax, 7_u64)
}

pub fn bad_arguments(me: Me) -> Check {
    let pair = Pair::new(me)?;
    pair.receive(&[StringItem::new(DST, 100)])?;
    for bad in [
        StringItem::new(USER_END - 1, 2),
        StringItem::new(utcb(0), 8),
        StringItem::new(u64::MAX, 1),
        StringItem::new(SRC, StringItem::MAX + 1),
        StringItem { addr: SRC, word: 8 << 12 | 2 | 4 },
    ] {
        pair.send(&[StringItem::new(SRC, 1), bad])?;
        same("a bad string", pair.sender.called()?.0, Status::BadArgument)?;
    }
    pair.send(&[StringItem::new(SRC, 100)])?;
    pair.ended(Status::Ok, Status::Ok)
}

pub fn pager_never_answers(me: Me) -> Check {
    for missing in [SRC, DST] {
        let pair = Pair::without(me, &[missing])?;
        pair.transfer_timeouts(20_000)?;
        // A pager that waits already, so that the fault comes before it is too late, whatever this server is doing.
        let pager = Puppet::new(me, 2)?;
        pager.start_ipc(ThreadId::NIL, &message(&[]), ThreadId::ANY, NEVER)?;
        pager.settle()?;
        pair.receive(&[StringItem::new(DST, 100)])?;
        let faulting = if missing == SRC { &pair.sender } else { &pair.receiver };
        ExRegs::new(0).pager(pager.id).apply(faulting.id)?;
        pair.send(&[StringItem::new(SRC, 100)])?;
        pair.ended(Status::TransferTimeout, Status::TransferTimeout)?;
        let (status, regs) = pager.called()?;
        same("status of the pager", status, Status::Ok)?;
        same("whose fault", regs.r12, faulting.id)?;
        same("address", regs.rbx, missing)?;
    }
    // In time it is not in the way.
    let pair = Pair::new(me)?;
    pair.transfer_timeouts(500_000)?;
    pair.receive(&[StringItem::new(DST, 100)])?;
    pair.send(&[StringItem::new(SRC, 100)])?;
    pair.ended(Status::Ok, Status::Ok)
}

pub fn ended_by_others(me: Me) -> Check {
    for missing in [SRC, DST] {
        for cancels in [true, false] {
            for of_sender in [true, false] {
                let pair = Pair::without(me, &[missing])?;
                pair.receive(&[StringItem::new(DST, 100)])?;
                pair.send(&[StringItem::new(SRC, 100)])?;
                let faulting = if missing == SRC { &pair.sender } else { &pair.receiver };
                same("address", faulting.page_fault()?.address, missing)?;
                let (one, other) =
                    if of_sender { (&pair.sender, &pair.receiver) } else { (&pair.receiver, &pair.sender) };
                if cancels {
                    ExRegs::new(ex_regs::CANCEL).apply(one.id)?;
                    let own = if of_sender { Status::SendCancelled } else { Status::ReceiveCancelled };
                    same("status of the one", one.called()?.0, own)?;
                } else {
                    task::delete(one.id)?;
                }
                same("status of the other", other.called()?.0, Status::TransferAborted)?;
            }
        }
    }
    // A pager that is not there.
    let pair = Pair::without(me, &[SRC])?;
    pair.receive(&[StringItem::new(DST, 100)])?;
    ExRegs::new(0).pager(ThreadId::NIL).apply(pair.sender.id)?;
    pair.send(&[StringItem::new(SRC, 100)])?;
    pair.ended(Status::TransferAborted, Status::TransferAborted)?;
    // While it copies, or a little before or after: no harm is done.
    for us in [0, 1, 10, 100, 1000] {
        let pair = Pair::new(me)?;
        let buffers = [StringItem::new(DST, 16_000).more(); 16];
        pair.receive(&buffers)?;
        pair.send(&[StringItem::new(SRC, 16_000).more(); 16])?;
        sleep(us);
        drop(pair.sender);
        let status = pair.receiver.called()?.0;
        holds("a status", matches!(status, Status::TransferAborted | Status::Ok | Status::Aborted))?;
    }
    Ok(())
}

pub fn with_the_library(me: Me) -> Check {
    let pair = Pair::new(me)?;
    pair.sender.start_ipc(me.id, &message(&[StringItem::new(SRC + 1, 5000)]), ThreadId::NIL, NEVER)?;
    let mut buffer = [0_u8; 5001];
    let received = strings::receive(pair.sender.id, &mut buffer, SOON)?;
    same("length", received.message.words[2] >> 12, 5000_u64)?;
    let right = (0..).zip(&buffer[..5000]).all(|(n, byte)| *byte == pattern(SRC + 1 + n));
    holds("all bytes arrive", right)?;
    same("and no more", buffer[5000], 0_u8)?;
    same("it is sent", pair.sender.called()?.0, Status::Ok)?;
    pair.receiver.store(BUFFER_COUNT, 1)?;
    pair.receiver.store(BUFFERS, DST + 2)?;
    pair.receiver.store(BUFFERS + 8, StringItem::new(DST, 5000).word)?;
    pair.receiver.start_ipc(ThreadId::NIL, &message(&[]), me.id, NEVER)?;
    pair.receiver.settle()?;
    let (one, two) = buffer[..5000].split_at(1234);
    strings::send(pair.receiver.id, &Message::new(LABEL, [WORD]), &[one, two], ipc::NOW)?;
    same("it is received", pair.receiver.called()?.0, Status::Ok)?;
    arrived(SRC + 1, DST + 2, 5000)
}
