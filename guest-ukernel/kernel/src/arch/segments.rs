//! GDT, TSS, IDT and the MSRs of SYSCALL.
//!
//! The selectors of user mode (0x2b, 0x33) have the values that Linux uses: programs may see them, and SYSRET and some KVMs want
//! the order of the descriptors to be so.

use core::arch::asm;
use core::cell::Cell;

use super::entry::{self, entry_of};
use super::insn::*;
use super::layout::TSS_BASE;

pub const KERNEL_CS: u64 = 0x10;
pub const USER_SS: u64 = 0x2b;
pub const USER_CS: u64 = 0x33;
const TSS_SELECTOR: u16 = 0x40;

/// Flags that SYSCALL clears: TF IF DF IOPL NT AC RF.
const SFMASK: u64 = 0x4_7700 | 0x1_0000;

/// Offset of a CPU's TSS from its part of the TSS region: its 0x68 bytes end the first page, and the I/O bitmap of the
/// current task follows on the next two pages, which differ from space to space (see `mem`).
const TSS_OFFSET: u64 = 0x1000 - 0x68;
const TSS_STRIDE: u64 = 16 << 10;
/// TSS, 8 KiB of bitmap, and the byte of ones that must end it (SDM vol. 1, 19.5.2).
const TSS_LIMIT: u64 = 0x68 + 0x2000;

#[repr(C, align(16))]
struct Gdt([Cell<u64>; 10]);

#[repr(C, align(16))]
struct Idt([Cell<[u64; 2]>; 256]);

#[repr(C, align(16))]
struct IstStacks([Cell<[u8; 4096]>; 3]);

/// Tables of the boot CPU.
struct Tables {
    gdt: Gdt,
    idt: Idt,
    stacks: IstStacks,
}

// SAFETY: changed only by `init`, on one CPU; afterwards the processor alone reads them.
unsafe impl Sync for Tables {}

static TABLES: Tables = Tables {
    gdt: Gdt([const { Cell::new(0) }; 10]),
    idt: Idt([const { Cell::new([0; 2]) }; 256]),
    stacks: IstStacks([const { Cell::new([0; 4096]) }; 3]),
};

#[repr(C, packed)]
struct Pointer {
    limit: u16,
    base: u64,
}

/// Address of the TSS of CPU `cpu`.
fn tss(cpu: u64) -> u64 {
    TSS_BASE + cpu * TSS_STRIDE + TSS_OFFSET
}

/// Set up TSS and SYSCALL on the boot CPU. The TSS region must be mapped, the GDT loaded.
pub fn init() {
    init_tss();
    // SAFETY: the selectors are those of the GDT just loaded and the entry is the kernel's; SYSCALL is not used before.
    unsafe {
        wrmsr(MSR_STAR, 0x23 << 48 | KERNEL_CS << 32);
        wrmsr(MSR_LSTAR, entry::syscall_address());
        wrmsr(MSR_SFMASK, SFMASK);
    }
}

/// Load GDT, flat segments and IDT, so that from here on a mistake of the kernel's has last words. It clears the base of
/// GS, so it comes before all that uses that.
pub fn init_tables() {
    init_gdt();
    init_idt();
}

fn init_gdt() {
    let tss = tss(0);
    let descriptors = [
        0,
        0,
        0x00af_9b00_0000_ffff, // 0x10 kernel code
        0x00cf_9300_0000_ffff, // 0x18 kernel data
        0x00cf_fb00_0000_ffff, // 0x20 user code, 32 bit: SYSRET's base
        0x00cf_f300_0000_ffff, // 0x28 user data
        0x00af_fb00_0000_ffff, // 0x30 user code
        0,
        TSS_LIMIT | (tss & 0xff_ffff) << 16 | 0x89 << 40 | (tss >> 24 & 0xff) << 56, // 0x40 TSS
        tss >> 32,
    ];
    for (cell, value) in TABLES.gdt.0.iter().zip(descriptors) {
        cell.set(value);
    }
    let pointer = Pointer { limit: 10 * 8 - 1, base: TABLES.gdt.0.as_ptr() as u64 };
    // SAFETY: the GDT is static and has flat segments at the selectors that are loaded; a null FS and GS do not
    // matter in long mode (their bases are set by MSR).
    unsafe {
        asm!(
            "lgdt [{pointer}]",
            "push 0x10",
            "lea {tmp}, [rip + 2f]",
            "push {tmp}",
            "retfq",
            "2:",
            "mov {tmp:e}, 0x18",
            "mov ss, {tmp:x}",
            "xor {tmp:e}, {tmp:e}",
            "mov ds, {tmp:x}",
            "mov es, {tmp:x}",
            "mov fs, {tmp:x}",
            "mov gs, {tmp:x}",
            pointer = in(reg) &pointer,
            tmp = out(reg) _,
        );
    }
}

fn init_tss() {
    let base = tss(0);
    let write = |offset: u64, value: u64| {
        // SAFETY: the TSS lies in the mapped TSS region and nobody else has a reference to it. Fields are only 4-aligned.
        unsafe { ((base + offset) as *mut u64).write_unaligned(value) };
    };
    for (n, stack) in TABLES.stacks.0.iter().enumerate() {
        write(0x24 + 8 * n as u64, stack.as_ptr() as u64 + 4096);
    }
    // I/O map base: just behind the TSS.
    write(0x60, 0x68 << 48);
    // SAFETY: selector and descriptor were set up by `init_gdt`.
    unsafe { asm!("ltr {:x}", in(reg) TSS_SELECTOR, options(nostack)) };
}

/// Let entries from user mode push their frame below `end`.
pub fn set_kernel_stack(end: u64) {
    // SAFETY: rsp0 of the TSS in the mapped TSS region; the processor reads it at the next entry.
    unsafe { ((tss(0) + 4) as *mut u64).write_unaligned(end) };
}

fn init_idt() {
    for (n, gate) in TABLES.idt.0.iter().enumerate() {
        let Some(address) = entry_of(n as u8) else { continue };
        // #BP can be raised by user code; NMI, double fault and machine check have stacks of their own.
        let dpl = if n == 3 { 3 } else { 0 };
        let ist = match n {
            2 => 1,
            8 => 2,
            18 => 3,
            _ => 0,
        };
        let low = address & 0xffff
            | KERNEL_CS << 16
            | ist << 32
            | (0x8e | dpl << 5) << 40
            | (address >> 16 & 0xffff) << 48;
        gate.set([low, address >> 32]);
    }
    let pointer = Pointer { limit: 256 * 16 - 1, base: TABLES.idt.0.as_ptr() as u64 };
    // SAFETY: the IDT is static and its gates lead to the entry code.
    unsafe { asm!("lidt [{}]", in(reg) &pointer, options(nostack, readonly)) };
}
