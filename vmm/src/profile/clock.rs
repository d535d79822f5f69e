//! The clocks: how they lie, how fast they run, what they count.
//!
//! A clock that one asks by a system call is read between two readings of the TSC, many times: what is known afterwards is an interval, and all of them together
//! are narrower than each.

use super::exits::End;
use super::procfs::MachineFile;
use crate::kvm::KvmError;
use crate::vm::{host_tsc, read_tsc};
use core::arch::asm;
use core::arch::x86_64::{__cpuid, _mm_lfence};
use kvm_ioctls::VcpuFd;
use profile::file::{Alignment, Certificate, Sampling, Ticks};
use rustix::time::{ClockId, clock_gettime};

/// Readings of which the best one counts.
const READINGS: usize = 64;
/// A run has to be so long for its frequency to be told from it.
const SHORTEST_NS: u64 = 10_000_000;

/// The guest's TSC minus the host's, modulo 2⁶⁴: from `low` to `low + width`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offset {
    low: u64,
    width: u64,
}

impl Offset {
    /// Measures that of a vCPU that is not in the guest.
    pub fn measure(vcpu: &VcpuFd) -> Result<Self, KvmError> {
        let mut best = Self::once(vcpu)?;
        for _ in 1..READINGS {
            best = best.narrowed(Self::once(vcpu)?);
        }
        Ok(best)
    }

    fn once(vcpu: &VcpuFd) -> Result<Self, KvmError> {
        let before = fenced_tsc();
        let guest = read_tsc(vcpu)?;
        let after = fenced_tsc();
        Ok(Self { low: guest.wrapping_sub(after), width: after.wrapping_sub(before) })
    }

    /// What both say. If they contradict each other, the narrower one: somebody has set a clock.
    fn narrowed(self, other: Self) -> Self {
        let ahead = other.low.wrapping_sub(self.low) as i64;
        let low = ahead.max(0);
        let high = ahead.saturating_add_unsigned(other.width).min(0_i64.saturating_add_unsigned(self.width));
        match u64::try_from(high.saturating_sub(low)) {
            Ok(width) => Self { low: self.low.wrapping_add(low as u64), width },
            Err(_) if other.width < self.width => other,
            Err(_) => self,
        }
    }

    /// What is best taken for it.
    pub fn middle(self) -> u64 {
        self.low.wrapping_add(self.width / 2)
    }

    /// How far the true one is from `value` at most.
    fn distance(self, value: u64) -> u64 {
        let low = self.low.wrapping_sub(value) as i64;
        low.unsigned_abs().max(low.saturating_add_unsigned(self.width).unsigned_abs())
    }
}

/// A clock of the host's and the host's TSC, read at the same time.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    pub ns: u64,
    tsc: u64,
    /// Ticks by which `tsc` may be wrong, either way.
    error: u64,
}

impl Reading {
    pub fn of(clock: ClockId) -> Self {
        let readings = (0..READINGS).map(|_| Self::once(clock));
        readings.min_by_key(|reading| reading.error).unwrap_or_else(|| Self::once(clock))
    }

    fn once(clock: ClockId) -> Self {
        let before = fenced_tsc();
        let time = clock_gettime(clock);
        let width = fenced_tsc().wrapping_sub(before);
        let ns = time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64;
        Self { ns, tsc: before.wrapping_add(width / 2), error: width.div_ceil(2) }
    }

    /// Ticks a millisecond since `earlier`, if that is long enough ago.
    pub fn khz_since(&self, earlier: &Self) -> Option<f64> {
        let ns = self.ns.checked_sub(earlier.ns).filter(|ns| *ns >= SHORTEST_NS)?;
        Some(self.tsc.wrapping_sub(earlier.tsc) as f64 / ns as f64 * 1e6)
    }
}

/// The clocks when the guest is about to start.
pub struct Start {
    /// Since 1970.
    pub realtime: Reading,
    /// By a clock that nobody sets or slews.
    raw: Reading,
    /// Of each vCPU.
    offsets: Vec<Offset>,
    machine: MachineFile,
    steal_ns: Option<u64>,
    /// What the TSC counts.
    pub ticks: Ticks,
}

impl Start {
    /// Measures them, of vCPUs that have not run yet.
    pub fn measure(vcpus: &[VcpuFd]) -> Result<Self, KvmError> {
        let machine = MachineFile::open();
        Ok(Self {
            offsets: vcpus.iter().map(Offset::measure).collect::<Result<_, _>>()?,
            realtime: Reading::of(ClockId::Realtime),
            raw: Reading::of(ClockId::MonotonicRaw),
            steal_ns: machine.steal_ns(),
            machine,
            // Not at the end: whoever samples or records might come between.
            ticks: ticks(),
        })
    }

    /// What is taken for the guest's TSC minus the host's.
    pub fn offset(&self) -> u64 {
        self.offsets.first().map_or(0, |offset| offset.middle())
    }

    /// What can be said of the clocks when the guest has ended, its vCPUs' threads with these words.
    pub fn certify(
        &self,
        ends: &[End],
        tsc_khz: u64,
        reader_ns: Option<u64>,
        sampling: Option<Sampling>,
    ) -> Certificate {
        let steal_ns = self.machine.steal_ns().zip(self.steal_ns).map(|(now, then)| now.saturating_sub(then));
        Certificate {
            ticks: self.ticks,
            invariant: is_invariant(),
            measured_khz: Reading::of(ClockId::MonotonicRaw).khz_since(&self.raw),
            resolution: resolution(),
            alignment: Some(self.align(ends.iter().filter_map(|end| end.offset), tsc_khz)),
            vcpus: ends.iter().map(|end| end.vcpu).collect(),
            steal_ns,
            reader_ns,
            sampling,
        }
    }

    fn align(&self, at_end: impl Iterator<Item = Offset>, tsc_khz: u64) -> Alignment {
        let offset = self.offset();
        let all = self.offsets.iter().copied().chain(at_end);
        let ns = |ticks: u64| (u128::from(ticks) * 1_000_000 / u128::from(tsc_khz.max(1))) as u64;
        Alignment {
            offset,
            error: all.map(|other| other.distance(offset)).max().unwrap_or(0),
            tsc: self.realtime.tsc.wrapping_add(offset),
            realtime_ns: self.realtime.ns,
            realtime_error_ns: ns(self.realtime.error),
        }
    }
}

/// Whether the CPU says that its TSC runs at one rate, whatever else it does (SDM vol. 3, 18.17.1).
pub fn is_invariant() -> bool {
    const LEAF: u32 = 0x8000_0007;
    __cpuid(0x8000_0000).eax >= LEAF && __cpuid(LEAF).edx & 1 << 8 != 0
}

/// Ticks between two readings that follow each other, as a rule: now and then a CPU executes both at once.
fn resolution() -> u64 {
    let mut all = [(); READINGS].map(|()| {
        let first = host_tsc();
        host_tsc().wrapping_sub(first)
    });
    all.sort_unstable();
    all[READINGS / 2]
}

/// The host's TSC when all has been done that stands before, and nothing of what stands behind. (RDTSC alone may be executed earlier or later: SDM vol. 2.)
fn fenced_tsc() -> u64 {
    // SAFETY: LFENCE is in every x86-64, and touches nothing.
    let fence = || unsafe { _mm_lfence() };
    fence();
    let tsc = host_tsc();
    fence();
    tsc
}

/// What the TSC counts.
fn ticks() -> Ticks {
    if counts_instructions() { Ticks::Instructions } else { Ticks::Cycles }
}

/// Whether the TSC counts instructions, as that of QEMU does with `-icount shift=0`: a loop of two instructions then takes two ticks a turn, exactly. No CPU
/// is as regular as that for long, and none that executes both at once so slow.
fn counts_instructions() -> bool {
    const TURNS: [u64; 4] = [1000, 3000, 4000, 9000];
    const PER_TURN: u64 = 2;
    let ticks = TURNS.map(|turns| (0..8).map(|_| loop_ticks(turns)).min().unwrap_or(0));
    let turns = TURNS.windows(2).map(|two| (two[1] - two[0]) * PER_TURN);
    ticks.windows(2).map(|two| two[1].wrapping_sub(two[0])).eq(turns)
}

/// Ticks of a loop of two instructions a turn.
fn loop_ticks(turns: u64) -> u64 {
    let before = fenced_tsc();
    // SAFETY: counts a register of its own down to 0, from more than that, and touches nothing else but the flags.
    unsafe { asm!("2: dec {0}", "jnz 2b", inout(reg) turns.max(1) => _, options(nomem, nostack)) };
    fenced_tsc().wrapping_sub(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn offset(low: u64, width: u64) -> Offset {
        Offset { low, width }
    }

    #[test]
    fn intervals_narrow_each_other() {
        assert_eq!(offset(100, 50).narrowed(offset(120, 50)), offset(120, 30));
        assert_eq!(offset(120, 50).narrowed(offset(100, 50)), offset(120, 30));
        assert_eq!(offset(100, 50).narrowed(offset(110, 5)), offset(110, 5));
        assert_eq!(offset(110, 5).narrowed(offset(100, 50)), offset(110, 5));
        assert_eq!(offset(u64::MAX - 1, 10).narrowed(offset(2, 10)), offset(2, 6), "across zero");
        assert_eq!(offset(100, 50).narrowed(offset(500, 40)), offset(500, 40), "a contradiction");
        assert_eq!(offset(100, 50).narrowed(offset(0, 60)), offset(100, 50), "another");
    }

    #[test]
    fn the_error_covers_all_that_was_measured() {
        let reading = Reading { ns: 7, tsc: 1000, error: 4 };
        let start = Start {
            realtime: reading,
            raw: reading,
            offsets: vec![offset(100, 20), offset(90, 30)],
            machine: MachineFile::open(),
            steal_ns: None,
            ticks: Ticks::Cycles,
        };
        let alignment = start.align([offset(112, 10)].into_iter(), 2_000_000);
        assert_eq!((alignment.offset, alignment.error), (110, 20));
        assert_eq!((alignment.tsc, alignment.realtime_ns, alignment.realtime_error_ns), (1110, 7, 2));
        assert_eq!(start.align([offset(u64::MAX, 1)].into_iter(), 1).error, 111);
    }

    #[test]
    fn the_host_s_clocks_are_read() {
        let first = Reading::of(ClockId::MonotonicRaw);
        assert_eq!(Reading::of(ClockId::MonotonicRaw).khz_since(&first), None, "too short to be told");
        let later = Reading { ns: first.ns + 20_000_000, tsc: first.tsc + 40_000_000, error: 0 };
        assert_eq!(later.khz_since(&first), Some(2_000_000.0));
        assert!(resolution() > 0 && loop_ticks(0) < loop_ticks(1_000_000));
    }
}
