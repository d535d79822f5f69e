//! Single instructions.

use core::arch::asm;

/// MSRs (SDM vol. 4; AMD APM vol. 2, appendix A).
pub const MSR_APIC_BASE: u32 = 0x1b;
pub const MSR_TSC_DEADLINE: u32 = 0x6e0;
pub const MSR_STAR: u32 = 0xc000_0081;
pub const MSR_LSTAR: u32 = 0xc000_0082;
pub const MSR_SFMASK: u32 = 0xc000_0084;
pub const MSR_FS_BASE: u32 = 0xc000_0100;
pub const MSR_GS_BASE: u32 = 0xc000_0101;
pub const MSR_KERNEL_GS_BASE: u32 = 0xc000_0102;

pub fn rdmsr(msr: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: the kernel only reads MSRs that the architecture or CPUID says are there.
    unsafe { asm!("rdmsr", in("ecx") msr, out("eax") low, out("edx") high, options(nomem, nostack)) };
    low as u64 | (high as u64) << 32
}

/// # Safety
/// The write must not take away what running code depends on (stack, GS base, code mapping).
pub unsafe fn wrmsr(msr: u32, value: u64) {
    // SAFETY: the caller's.
    unsafe {
        asm!("wrmsr", in("ecx") msr, in("eax") value as u32, in("edx") (value >> 32) as u32, options(nostack))
    };
}

pub fn rdtsc() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reads a counter.
    unsafe { asm!("rdtsc", out("eax") low, out("edx") high, options(nomem, nostack)) };
    low as u64 | (high as u64) << 32
}

pub fn cr2() -> u64 {
    let value: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, cr2", out(reg) value, options(nomem, nostack)) };
    value
}

pub fn cr3() -> u64 {
    let value: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, cr3", out(reg) value, options(nomem, nostack)) };
    value
}

/// # Safety
/// `root` must be the root of page tables that map the kernel's half as all spaces do.
pub unsafe fn set_cr3(root: u64) {
    // SAFETY: the caller's.
    unsafe { asm!("mov cr3, {}", in(reg) root, options(nostack)) };
}

pub const CR4_OSXSAVE: u64 = 1 << 18;

pub fn cr4() -> u64 {
    let value: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, cr4", out(reg) value, options(nomem, nostack)) };
    value
}

/// # Safety
/// The processor must have every feature that `value` enables, and `value` must not take away what running code depends on.
pub unsafe fn set_cr4(value: u64) {
    // SAFETY: the caller's.
    unsafe { asm!("mov cr4, {}", in(reg) value, options(nostack)) };
}

/// Write extended control register `register`.
///
/// # Safety
/// CR4.OSXSAVE must be set and `value` valid for the register. Only where kernel mode is the processor's own.
pub unsafe fn xsetbv(register: u32, value: u64) {
    // SAFETY: the caller's.
    unsafe {
        asm!("xsetbv", in("ecx") register, in("eax") value as u32, in("edx") (value >> 32) as u32, options(nomem, nostack))
    };
}

/// Forget the translation of the page at `va` in the current space.
pub fn invlpg(va: u64) {
    // SAFETY: drops a cached translation, which the next access makes anew.
    unsafe { asm!("invlpg [{}]", in(reg) va, options(nostack)) };
}

/// Forget all translations of all spaces, global ones too (SDM vol. 3, 4.10.4.1): a change of CR4.PGE does that.
pub fn toggle_global_pages() {
    const PGE: u64 = 1 << 7;
    // SAFETY: CR4 ends as it was, and global pages are pages like others meanwhile.
    unsafe {
        asm!(
            "mov {old}, cr4",
            "mov {off}, {old}",
            "and {off}, {mask}",
            "mov cr4, {off}",
            "mov cr4, {old}",
            old = out(reg) _,
            off = out(reg) _,
            mask = const !(PGE as i32),
            options(nostack),
        );
    }
}

/// Stop for good.
pub fn halt_forever() -> ! {
    loop {
        // SAFETY: nothing is left to do.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}

pub fn outb(port: u16, value: u8) {
    // SAFETY: the ports that the kernel writes (debug, exit, PIC, PIT) are not connected to memory.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack)) };
}

pub fn outw(port: u16, value: u16) {
    // SAFETY: as `outb`.
    unsafe { asm!("out dx, ax", in("dx") port, in("ax") value, options(nomem, nostack)) };
}

pub fn inb(port: u16) -> u8 {
    let value: u8;
    // SAFETY: as `outb`.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack)) };
    value
}

/// CPUID leaf `leaf`, subleaf 0: eax, ebx, ecx, edx.
pub fn cpuid(leaf: u32) -> [u32; 4] {
    cpuid_sub(leaf, 0)
}

/// CPUID leaf `leaf`, subleaf `sub`: eax, ebx, ecx, edx.
pub fn cpuid_sub(leaf: u32, sub: u32) -> [u32; 4] {
    let r = core::arch::x86_64::__cpuid_count(leaf, sub);
    [r.eax, r.ebx, r.ecx, r.edx]
}
