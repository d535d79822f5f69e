//! GDT, TSS, IDT and the MSRs of SYSCALL.
//!
//! The selectors of user mode (0x2b, 0x33) have the values that Linux uses: programs may see them, and SYSRET and some KVMs want
//! the order of the descriptors to be so.

use core::arch::asm;
use core::cell::Cell;

use super::entry::{self, entry_of};
use super::insn::*;

pub const KERNEL_CS: u64 = 0x10;
pub const USER_SS: u64 = 0x2b;
pub const USER_CS: u64 = 0x33;
const TSS_SELECTOR: u16 = 0x40;

/// Flags that SYSCALL clears: TF IF DF IOPL NT AC RF.
const SFMASK: u64 = 0x4_7700 | 0x1_0000;

/// Each CPU has four pages of the TSS region: one that begins with its [`Cpu`](crate::cpu::Cpu) and ends with the 0x68 bytes of its TSS, two
/// with the I/O bitmap of the current task, which differ from space to space (see `mem`), and one of ones, because a byte of ones
/// must end the bitmap (SDM vol. 1, 19.5.2).
pub const TSS_STRIDE: u64 = 16 << 10;
pub const TSS_OFFSET: u64 = 0x1000 - 0x68;
const TSS_LIMIT: u64 = 0x68 + 0x2000;

/// Bytes before the TSS, in two cache lines, that are the trace points' own (`super::trace`).
pub const ROOM: usize = 128;
pub const ROOM_OFFSET: u64 = (TSS_OFFSET - ROOM as u64) & !63;

#[repr(C, align(16))]
pub struct Idt([Cell<[u64; 2]>; 256]);

// SAFETY: changed only by `init_tables`, on one CPU; afterwards the processors only read it.
unsafe impl Sync for Idt {}

pub static IDT: Idt = Idt([const { Cell::new([0; 2]) }; 256]);

/// Room for the few words that an entry without an error code pushes.
#[repr(C, align(16))]
struct NmiStack([Cell<u64>; 8]);

/// One CPU's descriptors, and the stack for NMIs, which do nothing.
#[repr(C, align(16))]
pub struct Segments {
    gdt: [Cell<u64>; 10],
    nmi_stack: NmiStack,
}

/// Stack of the faults after which the kernel only has last words: all CPUs share it.
#[repr(C, align(16))]
struct LastStack(Cell<[u8; 4096]>);

// SAFETY: only the processor writes there, and the first fault that uses it ends the system.
unsafe impl Sync for LastStack {}

static LAST_STACK: LastStack = LastStack(Cell::new([0; 4096]));

#[repr(C, packed)]
struct Pointer {
    limit: u16,
    base: u64,
}

/// Load segments and the IDT, so that from here on a mistake of the kernel's has last words. It clears the base of
/// GS, so it comes before all that uses that.
pub fn init_tables() {
    load_flat();
    init_idt();
}

impl Segments {
    pub const fn new() -> Self {
        Self { gdt: [const { Cell::new(0) }; 10], nmi_stack: NmiStack([const { Cell::new(0) }; 8]) }
    }

    /// Load the descriptors and the TSS of the CPU whose structure is at `cpu`, and set up SYSCALL.
    pub fn load(&'static self, cpu: u64) {
        let tss = cpu + TSS_OFFSET;
        self.fill_gdt(tss);
        self.fill_tss(tss);
        let pointer = Pointer { limit: 10 * 8 - 1, base: self.gdt.as_ptr() as u64 };
        // SAFETY: the GDT lives as long as the CPU and has the segments in use where they were, and the TSS at its selector. The MSRs name
        // these selectors and the kernel's entry; SYSCALL is not used before.
        unsafe {
            asm!("lgdt [{}]", in(reg) &pointer, options(nostack, readonly));
            asm!("ltr {:x}", in(reg) TSS_SELECTOR, options(nostack));
            asm!("lidt [{}]", in(reg) &idt_pointer(), options(nostack, readonly));
            wrmsr(MSR_STAR, 0x23 << 48 | KERNEL_CS << 32);
            wrmsr(MSR_LSTAR, entry::syscall_address());
            wrmsr(MSR_SFMASK, SFMASK);
        }
    }

    fn fill_gdt(&self, tss: u64) {
        let descriptors = [
            0,
            0,
            0x00af_9b00_0000_ffff, // 0x10 kernel code
            0x00cf_9300_0000_ffff, // 0x18 kernel data
            0, // 0x20 SYSRET's base: there is no 32-bit user code, whose SYSCALL would lead elsewhere
            0x00cf_f300_0000_ffff, // 0x28 user data
            0x00af_fb00_0000_ffff, // 0x30 user code
            0,
            TSS_LIMIT | (tss & 0xff_ffff) << 16 | 0x89 << 40 | (tss >> 24 & 0xff) << 56, // 0x40 TSS
            tss >> 32,
        ];
        for (cell, value) in self.gdt.iter().zip(descriptors) {
            cell.set(value);
        }
    }

    fn fill_tss(&self, tss: u64) {
        let write = |offset: u64, value: u64| {
            // SAFETY: the TSS lies in the mapped TSS region and nobody else has a reference to it. Fields are only 4-aligned.
            unsafe { ((tss + offset) as *mut u64).write_unaligned(value) };
        };
        let last = &raw const LAST_STACK as u64 + size_of::<LastStack>() as u64;
        write(0x24, &raw const self.nmi_stack as u64 + size_of::<NmiStack>() as u64);
        write(0x2c, last);
        write(0x34, last);
        // I/O map base: just behind the TSS.
        write(0x60, 0x68 << 48);
    }
}

unsafe extern "C" {
    static boot_gdt: [u64; 4];
}

/// Load segments that are only what the kernel needs until [`Segments::load`].
pub fn load_flat() {
    let pointer = Pointer { limit: 4 * 8 - 1, base: &raw const boot_gdt as u64 };
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

/// Let entries from user mode push their frame below `end`.
#[inline(always)]
pub fn set_kernel_stack(end: u64) {
    // SAFETY: rsp0 of the CPU's TSS, which ends the page that GS points to; the processor reads it at the next entry.
    unsafe { asm!("mov gs:[{}], {}", const TSS_OFFSET + 4, in(reg) end, options(nostack, preserves_flags)) };
}

/// Where entries from user mode push their frame.
#[inline(always)]
pub fn kernel_stack() -> u64 {
    let end: u64;
    // SAFETY: as above.
    unsafe {
        asm!("mov {}, gs:[{}]", out(reg) end, const TSS_OFFSET + 4, options(nostack, preserves_flags, readonly))
    };
    end
}

fn init_idt() {
    for (n, gate) in IDT.0.iter().enumerate() {
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
    // SAFETY: the IDT is static and its gates lead to the entry code.
    unsafe { asm!("lidt [{}]", in(reg) &idt_pointer(), options(nostack, readonly)) };
}

fn idt_pointer() -> Pointer {
    Pointer { limit: 256 * 16 - 1, base: IDT.0.as_ptr() as u64 }
}
