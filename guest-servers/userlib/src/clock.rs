//! Time: the processor's time-stamp counter, made nanoseconds with what the kernel interface page says.
//!
//! Reading it costs no system call. Division is done once; a reading costs one widening multiplication (which
//! is one instruction, while the division of 128 bits would be a library call).

use ukernel_abi::kip::Kip;

/// Converts readings of the counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// Nanoseconds a tick, times 2^[`SHIFT`].
    scale: u64,
    epoch_tsc: u64,
    epoch_ns: u64,
}

/// With 40 bits a counter of 1 kHz still fits into `scale`, and one of 5 GHz errs by less than a millisecond
/// a year.
const SHIFT: u32 = 40;
const NS_PER_MS: u64 = 1_000_000;

impl Clock {
    /// A counter of `khz` that read `epoch_tsc` at `epoch_ns` nanoseconds since 1970. Of 0 kHz, as a kernel
    /// that does not know would have it, 1 GHz is made: time then runs at the wrong speed, but it runs.
    pub const fn new(khz: u64, epoch_tsc: u64, epoch_ns: u64) -> Self {
        let khz = if khz == 0 { NS_PER_MS } else { khz };
        Self { scale: (NS_PER_MS << SHIFT) / khz, epoch_tsc, epoch_ns }
    }

    pub const fn of(kip: &Kip) -> Self {
        Self::new(kip.tsc_khz, kip.epoch_tsc, kip.epoch_ns)
    }

    /// Nanoseconds from the epoch's reading to the reading `tsc`; 0 for readings before it.
    pub const fn monotonic_ns(&self, tsc: u64) -> u64 {
        self.ticks_to_ns(tsc.saturating_sub(self.epoch_tsc))
    }

    /// What so many ticks take.
    pub const fn ticks_to_ns(&self, ticks: u64) -> u64 {
        ((ticks as u128 * self.scale as u128) >> SHIFT) as u64
    }

    /// The first reading at which [`monotonic_ns`](Self::monotonic_ns) is `ns` or more.
    pub const fn tsc_at(&self, ns: u64) -> u64 {
        let ticks = ((ns as u128) << SHIFT).div_ceil(self.scale as u128);
        let ticks = if ticks > u64::MAX as u128 { u64::MAX } else { ticks as u64 };
        self.epoch_tsc.saturating_add(ticks)
    }

    /// Nanoseconds since 1970 of the reading `tsc`.
    pub const fn wall_ns(&self, tsc: u64) -> u64 {
        self.epoch_ns.wrapping_add(self.monotonic_ns(tsc))
    }
}

/// Reads the counter.
pub fn tsc() -> u64 {
    // SAFETY: RDTSC is in every x86-64 and the kernel leaves CR4.TSD clear.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_a_second_at_any_frequency() {
        for khz in [1_000, 999_999, 1_000_000, 2_599_998, 5_000_000] {
            let clock = Clock::new(khz, 77, 0);
            let ns = clock.monotonic_ns(77 + khz * 1000);
            assert!(ns.abs_diff(1_000_000_000) <= 1, "{khz} kHz: {ns}");
        }
    }

    #[test]
    fn a_year_errs_by_less_than_a_millisecond() {
        let (khz, seconds) = (4_999_999u64, 365 * 86_400);
        let ns = Clock::new(khz, 0, 0).monotonic_ns(khz * 1000 * seconds);
        assert!(ns.abs_diff(seconds * 1_000_000_000) < 1_000_000, "{ns}");
    }

    #[test]
    fn a_time_begins_with_its_first_reading() {
        for khz in [1_000, 999_999, 1_000_000, 2_599_998, 5_000_000] {
            let clock = Clock::new(khz, 77, 0);
            for ns in [1, 999, 1_000_000_007, 86_400_000_000_000] {
                let tsc = clock.tsc_at(ns);
                assert!(
                    clock.monotonic_ns(tsc) >= ns && clock.monotonic_ns(tsc - 1) < ns,
                    "{khz} kHz, {ns} ns"
                );
            }
        }
    }

    #[test]
    fn strange_readings() {
        let clock = Clock::new(2_000_000, 1000, 5_000);
        assert_eq!(clock.monotonic_ns(999), 0);
        assert_eq!(clock.wall_ns(0), 5_000);
        assert_eq!(clock.wall_ns(3000), 6_000);
        assert_eq!(Clock::new(0, 0, 0).monotonic_ns(1_000), 1_000);
        let _no_overflow = Clock::new(1, 0, u64::MAX).wall_ns(u64::MAX);
        assert_eq!(Clock::new(5_000_000, 7, 0).tsc_at(u64::MAX), u64::MAX);
        assert_eq!(clock.tsc_at(0), 1000);
    }
}
