//! What events cost, in cycles, by what is published.
//!
//! There is no one figure: processors differ, and what an instruction costs depends on its neighbours. So each cost is a range, from the least to the most that
//! a source gives for a processor of 2013 or later; and where a source gives only what a whole path takes, its ends are what is left of that when the rest is taken to cost the most, or the least.

use super::event::Event;
use std::ops::{Add, Mul, Sub};

/// Cycles, from and to.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Range {
    pub low: f64,
    pub high: f64,
}

impl Range {
    pub const fn new(low: f64, high: f64) -> Self {
        Self { low, high }
    }
}

impl Add for Range {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::new(self.low + other.low, self.high + other.high)
    }
}

impl Sub<f64> for Range {
    type Output = Self;
    fn sub(self, much: f64) -> Self {
        Self::new(self.low - much, self.high - much)
    }
}

/// So many of something with this cost; a negative number is something that is saved.
impl Mul<f64> for Range {
    type Output = Self;
    fn mul(self, times: f64) -> Self {
        let (one, other) = (self.low * times, self.high * times);
        Self::new(one.min(other), one.max(other))
    }
}

/// A cost and where it is from.
pub struct Cost {
    pub cycles: Range,
    pub source: &'static str,
}

/// seL4's IPC without its fast path takes so many more instructions (call, reply), and so many more cycles on Haswell and on Skylake.
const SLOW_PATH: [f64; 2] = [591.0, 486.0];
const SLOW_PATH_CYCLES: [f64; 2] = [190.0, 494.0];

/// Instructions of seL4's null system call besides SYSCALL and SYSRET, and the cycles of all of it on Haswell and on Skylake.
const NULL_CALL: f64 = 78.0;
const NULL_CALL_CYCLES: [f64; 2] = [124.0, 136.0];

/// What every instruction costs that is no event: what more instructions of the same kernel cost more.
pub const ORDINARY: Cost = Cost {
    cycles: Range::new(SLOW_PATH_CYCLES[0] / SLOW_PATH[0], SLOW_PATH_CYCLES[1] / SLOW_PATH[1]),
    source: "seL4's IPC with and without its fast path: 591 instructions more are 190 cycles more (Haswell, call), 486 are 494 (Skylake, reply); sel4bench-results, 2026-06-26, and our count of the instructions",
};

const SYSCALL: Range = Range::new(
    (NULL_CALL_CYCLES[0] - NULL_CALL * ORDINARY.cycles.high) / 2.0,
    (NULL_CALL_CYCLES[1] - NULL_CALL * ORDINARY.cycles.low) / 2.0,
);

/// seL4's page fault on Skylake until its handler runs: cycles, a CR3 write's, and instructions.
const PAGE_FAULT: [f64; 3] = [872.0, 216.0, 595.0];
const DELIVERY: f64 = PAGE_FAULT[0] - PAGE_FAULT[1] - PAGE_FAULT[2] * ORDINARY.cycles.high;

const SYSCALL_SOURCE: &str = "half of what remains of seL4's null system call of 80 instructions, 124 cycles (Haswell) and 136 (Skylake), without the other 78; sel4bench-results";
const SEGMENT_SOURCE: &str = "low: WRFSBASE, a rule of thumb, and SWAPGS is \"only marginally slower than WRGSBASE\" (Linux, tag x86-fsgsbase-2020-08-04); high: SWAPGS in SkyBridge, EuroSys '19 (Skylake), quoted from memory";

/// What an event costs.
pub const fn of(event: Event) -> Cost {
    let (low, high, source) = match event {
        Event::Syscall | Event::Sysret => (SYSCALL.low, SYSCALL.high, SYSCALL_SOURCE),
        Event::Delivery => (
            DELIVERY,
            715.0,
            "low: what remains of seL4's page fault on Skylake, 872 cycles, without a CR3 write of 216 and 595 instructions at their dearest; high: a page fault's delivery on Haswell, L. Torvalds, 2014-04-30",
        ),
        Event::Iret => (
            240.0,
            330.0,
            "low: Core Duo, and about what SYSRET saves in its place (80 ns, Linux 2a23c6b8a9c4); high: Haswell; L. Torvalds, 2014-04-30",
        ),
        Event::Cr3Write => (
            176.0,
            247.0,
            "with the first misses of the TLB, with PCID. Low: seL4's IPC between address spaces and within one, Haswell; high: half of what seL4's Meltdown mitigation costs a null system call, Skylake; sel4bench-results",
        ),
        Event::Cr0Write => (
            195.0,
            340.0,
            "with the reading before: seL4 since 2025-12-18, which sets CR0.TS in reply (low) and call (high), beside 2025-04, Skylake; sel4bench-results",
        ),
        Event::Cr0Read => (ORDINARY.cycles.low, ORDINARY.cycles.high, "in what the write costs"),
        Event::Invlpg => (
            350.0,
            420.0,
            "low: INVPCID of a page, Skylake, linux-mm; high: 140 ns, Linux' patch for flush_tlb_range, 2012, at 3 GHz",
        ),
        Event::Wrmsr => (100.0, 300.0, "a rule of thumb; no measurement was found"),
        Event::Rdmsr => (30.0, 50.0, "a rule of thumb; no measurement was found"),
        Event::Swapgs | Event::SegmentBase => (15.0, 26.0, SEGMENT_SOURCE),
        Event::VectorState => (
            222.0,
            235.0,
            "half of XSAVE and XRSTOR together: seL4 2025-08 (eager) beside 2025-04 (lazy), reply and call, Skylake; sel4bench-results",
        ),
        Event::Lock => {
            (17.0, 20.0, "low: LOCK CMPXCHG, AMD Jaguar, LLVM's model; high: Alder Lake, uops.info")
        }
        Event::Exit => (
            1344.0,
            1376.0,
            "VMRUN until behind the exit, EPYC, linux-kernel 2020-12; KVM's own instructions come on top",
        ),
    };
    Cost { cycles: Range::new(low, high), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_ranges() {
        for cost in Event::ALL.map(of).iter().chain([&ORDINARY]) {
            assert!(0.0 < cost.cycles.low && cost.cycles.low <= cost.cycles.high, "{:?}", cost.cycles);
            assert!(!cost.source.is_empty());
        }
    }

    #[test]
    fn derived_costs_are_what_is_left_of_the_whole() {
        let pair = of(Event::Syscall).cycles + of(Event::Sysret).cycles;
        assert!((pair.low - 44.7).abs() < 0.1 && (pair.high - 110.9).abs() < 0.1, "{pair:?}");
        assert!((of(Event::Delivery).cycles.low - 51.2).abs() < 0.1);
        assert!((ORDINARY.cycles.low - 0.32).abs() < 0.01 && (ORDINARY.cycles.high - 1.02).abs() < 0.01);
    }

    #[test]
    fn what_is_saved_is_a_range_too() {
        assert_eq!(Range::new(1.0, 3.0) * -2.0, Range::new(-6.0, -2.0));
        assert_eq!(Range::new(1.0, 3.0) * 2.0 + Range::new(1.0, 1.0), Range::new(3.0, 7.0));
    }
}
