//! What is measured: functions that children run.
//!
//! A call that fails ends a client at once: what would be measured is not what is meant. It then has not made all its rounds, which the server sees.

use crate::child::end;
use crate::memory::{BLOCK, PAGES, Shared};
use crate::ticks::{now, of, rounds};
use core::sync::atomic::Ordering::Relaxed;
use pipe::Partner;
use proto::Message;
use ukernel_abi::call::{Timeouts, unmap};
use ukernel_abi::layout::PAGE;
use ukernel_abi::msg::StringItem;
use ukernel_abi::{Call, Label, Tag};
use userlib::gate::{self, Frame};
use userlib::{Fpage, Rights, ThreadId, ipc, task};

/// The value of what went well, or the end.
fn must<T, E>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|_| end())
}

/// Two readings and nothing between them.
pub extern "C" fn empty(shared: &'static Shared, _: ThreadId) -> ! {
    rounds(shared, |_| of(|| ()));
    end()
}

/// A call of seven words, answered by seven words.
pub extern "C" fn call(shared: &'static Shared, partner: ThreadId) -> ! {
    let message = Message::new(Label(0), [1, 2, 3, 4, 5, 6, 7]);
    rounds(shared, |_| {
        of(|| {
            must(ipc::call(partner, &message));
        })
    });
    end()
}

/// A message with one item, whose two words these are.
fn item(first: u64, second: u64) -> Message {
    Message { tag: Tag::new(Label(0), 0, 1), words: [first, second, 0, 0, 0, 0, 0] }
}

/// Calls with a string of so many bytes, which is copied.
fn strings(shared: &'static Shared, partner: ThreadId, len: usize) -> ! {
    let string = StringItem::new(shared.source.address(), len as u64);
    rounds(shared, |_| {
        of(|| {
            must(ipc::call(partner, &item(string.addr, string.word)));
        })
    });
    end()
}

pub extern "C" fn string_page(shared: &'static Shared, partner: ThreadId) -> ! {
    strings(shared, partner, PAGE as usize)
}

pub extern "C" fn string_block(shared: &'static Shared, partner: ThreadId) -> ! {
    strings(shared, partner, BLOCK)
}

/// Calls with 2^`log2` bytes of pages, which are mapped for as long as the call takes.
fn mappings(shared: &'static Shared, partner: ThreadId, log2: u32) -> ! {
    // SAFETY: the block is used here alone, and the partner only reads it. What is not there yet would not be mapped.
    unsafe { shared.source.bytes() }.fill(1);
    let pages = Fpage::memory(shared.source.address(), log2, Rights::R);
    rounds(shared, |_| {
        of(|| {
            must(ipc::call(partner, &item(pages.0, 0)));
            must(task::unmap_derived(pages.with_rights(Rights::RWX)));
        })
    });
    end()
}

pub extern "C" fn map_page(shared: &'static Shared, partner: ThreadId) -> ! {
    mappings(shared, partner, PAGE.ilog2())
}

pub extern "C" fn map_block(shared: &'static Shared, partner: ThreadId) -> ! {
    mappings(shared, partner, BLOCK.ilog2())
}

/// A byte there and one back.
pub extern "C" fn pipe_round_trip(shared: &'static Shared, partner: ThreadId) -> ! {
    let [there, back] = &shared.pipes;
    // SAFETY: the memory is made anew for each metric, and this its only writer there and its only reader back.
    let (mut there, mut back) = unsafe { (there.writer(Partner(partner)), back.reader(Partner(partner))) };
    let mut byte = [0];
    rounds(shared, |_| {
        of(|| {
            must(there.write(&byte));
            must(back.read(&mut byte));
        })
    });
    end()
}

/// Bytes that a round of [`pipe_read`] reads.
pub const STREAM: usize = 1 << 20;

/// Reads from a partner that always writes.
pub extern "C" fn pipe_read(shared: &'static Shared, partner: ThreadId) -> ! {
    let [_, back] = &shared.pipes;
    // SAFETY: as above; the block is used here alone.
    let (mut back, block) = unsafe { (back.reader(Partner(partner)), shared.target.bytes()) };
    rounds(shared, |_| {
        of(|| {
            let mut left = STREAM;
            while left > 0 {
                let part = left.min(BLOCK);
                left -= must(back.read(block.get_mut(..part).unwrap_or_default()));
            }
        })
    });
    end()
}

/// Takes rights to memory of its own away from this task, which is what mprotect does for a Linux program.
fn take(base: u64, log2: u32, rights: Rights) {
    let page = Fpage::memory(base, log2, rights);
    let mut frame = Frame::new(Call::FpageUnmap, ThreadId::NIL, [page.0, unmap::FLUSH, 0, 0, 0, 0, 0]);
    // SAFETY: the pages of `Shared`, all whose fields may change at any time; and the pager gives them back.
    unsafe { gate::call(&mut frame, ThreadId::NIL, Timeouts::ALL_NEVER) };
}

/// A page that is not there: the pager maps it.
pub extern "C" fn fault(shared: &'static Shared, _: ThreadId) -> ! {
    let pages = shared.pages.iter().cycle();
    let mut pages = pages.inspect(|page| take(page.address(), PAGE.ilog2(), Rights::RWX));
    rounds(shared, |_| pages.next().map_or(0, |page| of(|| page.write())));
    end()
}

/// From a write to a page that may only be read until the pager hears of it.
pub extern "C" fn trap(shared: &'static Shared, _: ThreadId) -> ! {
    let mut pages = shared.pages.iter().cycle();
    rounds(shared, |_| {
        let Some(page) = pages.next() else { return 0 };
        page.write();
        take(page.address(), PAGE.ilog2(), Rights::W);
        let start = now();
        page.write();
        shared.trapped.load(Relaxed) - start
    });
    end()
}

/// In this order, which is none that a processor foresees; every page once.
fn shuffled(n: usize) -> usize {
    n * 37 % PAGES
}

/// Protect a page, write to it, the pager lifts the protection.
pub extern "C" fn appel1(shared: &'static Shared, _: ThreadId) -> ! {
    shared.pages.iter().for_each(|page| page.write());
    rounds(shared, |n| {
        let Some(page) = shared.pages.get(shuffled(n)) else { return 0 };
        of(|| {
            take(page.address(), PAGE.ilog2(), Rights::W);
            page.write();
        })
    });
    end()
}

/// Protect all pages at once, write to each, the pager lifts the protection of each.
pub extern "C" fn appel2(shared: &'static Shared, _: ThreadId) -> ! {
    shared.pages.iter().for_each(|page| page.write());
    let base = shared.pages[0].address();
    rounds(shared, |_| {
        of(|| {
            take(base, (PAGES as u64 * PAGE).ilog2(), Rights::W);
            for n in 0..PAGES {
                if let Some(page) = shared.pages.get(shuffled(n)) {
                    page.write();
                }
            }
        })
    });
    end()
}
