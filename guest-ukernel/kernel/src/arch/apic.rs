//! Local APIC, its timer, and the I/O APIC.
//!
//! x2APIC where CPUID has it (SDM vol. 3, 11.12), else the same registers in memory. The timer runs in TSC-deadline mode where
//! CPUID has that, else one-shot. Interrupt lines are edge-triggered: each interrupt is one message, and nothing needs to be masked until
//! a driver has answered.

use core::arch::asm;
use core::cell::Cell;

use super::clock::Clock;
use super::entry::{VECTOR_IRQ, VECTOR_SPURIOUS, VECTOR_TIMER};
use super::insn::*;
use super::layout::phys_to_virt;

/// Physical addresses of the register pages.
pub const LAPIC_PHYS: u64 = 0xfee0_0000;
pub const IOAPIC_PHYS: u64 = 0xfec0_0000;

/// Registers, as offsets from MSR 0x800; sixteen times that in memory.
const EOI: u32 = 0x0b;
const SPURIOUS: u32 = 0x0f;
const ICR: u32 = 0x30;
const ICR_HIGH: u32 = 0x31;
const LVT_TIMER: u32 = 0x32;
const LVT_LINT0: u32 = 0x35;
const INITIAL_COUNT: u32 = 0x38;
const DIVIDE: u32 = 0x3e;

/// Interrupt commands. The fixed one, with a vector, is 0.
const INIT: u32 = 5 << 8;
const STARTUP: u32 = 6 << 8;
const ASSERT: u32 = 1 << 14;
const SENDING: u32 = 1 << 12;

const MASKED: u32 = 1 << 16;
const TIMER_DEADLINE: u32 = 2 << 17;

pub struct Apic {
    x2apic: Cell<bool>,
    deadline_mode: Cell<bool>,
    /// TSC reading for which the timer is set; `u64::MAX` if it is not.
    armed: Cell<u64>,
}

impl Apic {
    pub const fn new() -> Self {
        Self { x2apic: Cell::new(false), deadline_mode: Cell::new(false), armed: Cell::new(u64::MAX) }
    }

    pub fn init(&self) {
        let features = cpuid(1)[2];
        self.x2apic.set(features & 1 << 21 != 0);
        self.deadline_mode.set(features & 1 << 24 != 0);
        // The legacy interrupt controllers are not used: mask all their lines.
        outb(0x21, 0xff);
        outb(0xa1, 0xff);
        let enable = if self.x2apic.get() { 0xc00 } else { 0x800 };
        // SAFETY: switches the local APIC on, in the mode that all accesses below use.
        unsafe { wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | enable) };
        self.write(SPURIOUS, 0x100 | VECTOR_SPURIOUS as u32);
        self.write(LVT_LINT0, MASKED);
        self.write(DIVIDE, 0b1011); // by 1
        let mode = if self.deadline_mode.get() { TIMER_DEADLINE } else { 0 };
        self.write(LVT_TIMER, mode | VECTOR_TIMER as u32);
    }

    fn write(&self, register: u32, value: u32) {
        if self.x2apic.get() {
            // SAFETY: an APIC register; none of those used here affects running code.
            unsafe { wrmsr(0x800 + register, value as u64) };
        } else {
            let address = (phys_to_virt(LAPIC_PHYS) + register as u64 * 16) as *mut u32;
            // SAFETY: the page is mapped uncached by `start` before `init`, and is the kernel's alone.
            unsafe { address.write_volatile(value) };
        }
    }

    fn read(&self, register: u32) -> u32 {
        if self.x2apic.get() {
            rdmsr(0x800 + register) as u32
        } else {
            let address = (phys_to_virt(LAPIC_PHYS) + register as u64 * 16) as *const u32;
            // SAFETY: as in `write`; reading these registers has no effect.
            unsafe { address.read_volatile() }
        }
    }

    /// The interrupt in service has been taken care of.
    pub fn end_of_interrupt(&self) {
        self.write(EOI, 0);
    }

    /// Reset CPU `id` and have it wait for a start-up IPI.
    pub fn send_init(&self, id: u32) {
        self.command(id, ASSERT | INIT);
    }

    /// Have CPU `id`, which waits for it, begin at page `page` in real mode.
    pub fn send_startup(&self, id: u32, page: u8) {
        self.command(id, ASSERT | STARTUP | page as u32);
    }

    /// Interrupt CPU `id` with `vector`. All that this CPU has written to memory before is seen by the handler.
    pub fn send_fixed_ipi(&self, id: u32, vector: u8) {
        self.command(id, ASSERT | vector as u32);
    }

    /// Write the interrupt command register (SDM vol. 3, 11.6.1 and 11.12.9).
    fn command(&self, id: u32, command: u32) {
        if self.x2apic.get() {
            // WRMSR does not wait for earlier writes to memory here (11.12.3).
            // SAFETY: fences do nothing else; the command concerns another CPU.
            unsafe {
                asm!("mfence", "lfence", options(nostack, preserves_flags));
                wrmsr(0x800 + ICR, (id as u64) << 32 | command as u64);
            }
        } else {
            while self.read(ICR) & SENDING != 0 {
                core::hint::spin_loop();
            }
            self.write(ICR_HIGH, id << 24);
            self.write(ICR, command);
        }
    }

    /// Have a timer interrupt at `deadline` (TSC) if none is due before.
    pub fn arm(&self, deadline: u64, clock: &Clock) {
        if deadline >= self.armed.get() {
            return;
        }
        self.armed.set(deadline);
        if self.deadline_mode.get() {
            // SAFETY: sets the timer.
            unsafe { wrmsr(MSR_TSC_DEADLINE, deadline.max(1)) };
        } else {
            self.write(INITIAL_COUNT, clock.apic_ticks(deadline.saturating_sub(rdtsc())));
        }
    }

    /// The timer interrupt has come.
    pub fn disarmed(&self) {
        self.armed.set(u64::MAX);
    }
}

fn ioapic_write(register: u32, value: u32) {
    let base = phys_to_virt(IOAPIC_PHYS);
    // SAFETY: the page is mapped uncached by `start`, and is the kernel's alone. Index, then data (82093AA data sheet).
    unsafe {
        (base as *mut u32).write_volatile(register);
        ((base + 0x10) as *mut u32).write_volatile(value);
    }
}

/// Let line `line` of the I/O APIC interrupt the CPU whose APIC is `id`, or nobody. Lines that the I/O APIC has not are ignored by it.
pub fn route(line: u8, id: u32, on: bool) {
    if line >= 24 {
        return;
    }
    let register = 0x10 + 2 * line as u32;
    ioapic_write(register + 1, id << 24);
    ioapic_write(register, (VECTOR_IRQ + line) as u32 | if on { 0 } else { MASKED });
}
