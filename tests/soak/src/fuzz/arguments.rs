//! Arguments that might mean something: of things that are there, that were there, that are not one's own.

use super::{Fuzzer, census};
use crate::places::*;
use crate::random::Random;
use proto::place::IMAGE;
use ukernel_abi::call::Timeout;
use ukernel_abi::layout::{GATE, KIP, PAGE, USER_END, utcb, vector_area};
use ukernel_abi::{Fpage, Rights, ThreadId};

/// The identifier of somebody, of nobody, or no identifier.
pub fn thread(me: Fuzzer, r: &mut Random) -> u64 {
    let id = match r.below(16) {
        0 => return ThreadId::NIL.0,
        1 => return ThreadId::ANY.0,
        2 => return ThreadId::irq(r.below(64) as u8).0,
        3 => return r.word(),
        4 => ThreadId::SIGMA0.0,
        5 => ThreadId::ROOT.0,
        6..12 => {
            let count = me.program.read(CENSUS).clamp(1, census::MOST);
            me.program.read(CENSUS + (census::FIRST + r.below(count)) * 8)
        }
        _ => made(me, r),
    };
    near(id, r)
}

/// One that this thread was given for what it made.
pub fn made(me: Fuzzer, r: &mut Random) -> u64 {
    me.program.read(context(me.number) + (word::MADE + r.below(word::MADE_COUNT)) * 8)
}

pub fn remember(me: Fuzzer, r: &mut Random, id: u64) {
    me.program.write(context(me.number) + (word::MADE + r.below(word::MADE_COUNT)) * 8, id);
}

/// Mostly the identifier itself, else one that was or may be.
fn near(id: u64, r: &mut Random) -> u64 {
    let t = ThreadId(id);
    match r.below(12) {
        0 => ThreadId::new(t.task(), t.lthread(), t.version().wrapping_add(1)).0,
        1 => ThreadId::new(t.task(), t.lthread(), t.version().wrapping_sub(1)).0,
        2 => ThreadId::new(t.task(), r.below(16) as u16, t.version()).0,
        3 => ThreadId::new(r.below(40) as u16, t.lthread(), t.version()).0,
        _ => id,
    }
}

/// An address where something is, or the kernel's, or any.
pub fn address(r: &mut Random) -> u64 {
    let page = r.below(THREADS) * PAGE;
    let base = match r.below(20) {
        0..4 => DATA + r.below(DATA_PAGES) * PAGE,
        4..7 => SUPERPAGE + r.below(512) * PAGE,
        7 => CONTEXTS + page,
        8 => STACKS + page,
        9 => CENSUS,
        10 => IMAGE + page,
        11 => r.pick([GATE, KIP, GATE + 0x40, GATE + 0x60, 0x7fff_ffff_f000, 1 << 47]),
        12 => r.pick([utcb(0), utcb(1), utcb(1023), vector_area(0), vector_area(2)]) + page,
        13 => USER_END.wrapping_sub(page),
        14 => r.pick([0xffff_8000_0000_0000, 0xffff_ffff_8000_0000, !0xfff_u64]).wrapping_add(page),
        15 => r.below(1 << 47) & !0xfff,
        16 => 0,
        17 => 1 << r.below(64),
        _ => WINDOW + page,
    };
    if r.chance(20) { base.wrapping_add(r.below(PAGE)) } else { base }
}

/// A flexpage of any kind, or none.
pub fn flexpage(r: &mut Random) -> u64 {
    let rights = if r.chance(60) { Rights::RWX } else { Rights(r.below(8) as u8) };
    match r.below(20) {
        0 => Fpage::ports(r.pick([0x80, 0xe9, 0xf4, 0x3f8, 0]), r.below(17) as u32).0,
        1 => Fpage::irqs(r.pick([9, 4, 0, 63]), r.below(7) as u32).0,
        2 => r.word(),
        3 => Fpage::NIL.0,
        4 => Fpage::ALL.with_rights(rights).0,
        _ => {
            let log2 = match r.below(10) {
                0..6 => 12,
                6 => 21,
                7 => 12 + r.below(12) as u32,
                8 => 12 + r.below(36) as u32,
                _ => r.below(64) as u32,
            };
            let base = address(r);
            let aligned = if r.chance(90) { base & (u64::MAX << log2.min(47)) } else { base };
            Fpage::memory(aligned, log2, rights).0
        }
    }
}

/// Where a thread can run, or cannot.
pub fn ip(r: &mut Random) -> u64 {
    match r.below(8) {
        0 => address(r),
        1 => r.word(),
        2 => super::entry(super::PAGER),
        3 => super::hazards::any(r),
        _ => super::child as *const () as u64,
    }
}

pub fn sp(r: &mut Random) -> u64 {
    if r.chance(80) {
        stack_top(super::OWN_THREADS + r.below(THREADS - super::OWN_THREADS))
    } else {
        address(r)
    }
}

/// Mostly one that ends soon.
pub fn timeout(r: &mut Random) -> Timeout {
    match r.below(50) {
        0 => Timeout::Never,
        1 => Timeout::from_bits(r.word() as u32),
        2..5 => Timeout::Deadline,
        5..25 => Timeout::In(r.below(2_000) as u32),
        _ => Timeout::Now,
    }
}
