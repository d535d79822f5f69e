//! The TSC: the kernel's only clock.

use core::cell::Cell;

use super::insn::{cpuid, inb, outb, rdtsc};

/// Converts microseconds to TSC ticks and ticks to APIC timer ticks.
pub struct Clock {
    pub khz: Cell<u64>,
    apic_tick_ns: Cell<u64>,
}

impl Clock {
    pub const fn new() -> Self {
        Self { khz: Cell::new(1_000_000), apic_tick_ns: Cell::new(1) }
    }

    pub fn init(&self, khz: u64, apic_tick_ns: u64) {
        self.khz.set(khz.max(1));
        self.apic_tick_ns.set(apic_tick_ns.max(1));
    }

    pub fn khz(&self) -> u64 {
        self.khz.get()
    }

    /// TSC reading in `us` microseconds.
    pub fn deadline(&self, us: u32) -> u64 {
        rdtsc().saturating_add(self.ticks(us))
    }

    /// TSC ticks in `us` microseconds.
    pub fn ticks(&self, us: u32) -> u64 {
        // 2^32 µs · 2^32 kHz could overflow; clocks do not tick that fast.
        (us as u64).saturating_mul(self.khz.get()) / 1000
    }

    pub fn microseconds(&self, ticks: u64) -> u64 {
        ticks.saturating_mul(1000) / self.khz.get()
    }

    /// Ticks of the APIC timer in `tsc` ticks of the TSC, rounded up: an interrupt before its time is for nothing. At least
    /// one, at most what the timer holds.
    pub fn apic_ticks(&self, tsc: u64) -> u32 {
        let ns = tsc.min(1 << 40).saturating_mul(1_000_000).div_ceil(self.khz.get());
        ns.div_ceil(self.apic_tick_ns.get()).clamp(1, u32::MAX as u64) as u32
    }
}

/// Frequency of the TSC where no boot loader says it: from the hypervisor's timing leaf (0x4000_0010, as VMware and KVM
/// define it) or measured against the PIT, which QEMU's machines have.
pub fn measure_khz() -> u64 {
    if cpuid(1)[2] >> 31 != 0 && cpuid(0x4000_0000)[0] >= 0x4000_0010 {
        let khz = cpuid(0x4000_0010)[0];
        if khz != 0 {
            return khz as u64;
        }
    }
    measure_by_pit()
}

/// Counts TSC ticks during 10 ms of the 8254.
fn measure_by_pit() -> u64 {
    const COUNT: u16 = 11932; // 10 ms at 1.193182 MHz
    // Counter 0 counts down once and raises its output at the end; that is read from the counter itself, because the port that shows the
    // output of counter 2 is not in every machine (QEMU's microvm).
    outb(0x43, 0x30);
    outb(0x40, COUNT as u8);
    outb(0x40, (COUNT >> 8) as u8);
    let start = rdtsc();
    // Bounded: where there is no PIT the frequency is unknown anyway, and 1 GHz is as good a guess as another.
    for n in 0..10_000_000 {
        outb(0x43, 0xe2);
        if inb(0x40) & 0x80 != 0 {
            // At once: nothing is there that would count.
            return if n == 0 { 1_000_000 } else { (rdtsc() - start) / 10 };
        }
    }
    1_000_000
}
