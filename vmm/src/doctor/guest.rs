//! The probe guest: a kernel of a few instructions, and a user program that enters it.
//!
//! Its tables are those of all probes ([`set_up`]); here is also the program of the first one ([`program`]), [`super::debugging`] has another.
//! The user program executes SYSCALL. Where guest kernel mode is native, that arrives at LSTAR; where it is emulated, as a
//! page fault at the address in LSTAR. Then it measures the shortest of many round trips by INT3, which is the one
//! entry that works in the same way everywhere. What it finds it writes to the ports of [`super::probe`].

use crate::kvm::{KvmError, failed};
use crate::loader::tables::{self, HIGH_BASE};
use crate::loader::{Entry, LoadError};
use crate::memory::GuestMemory;
use crate::vcpu::entry;
use kvm_bindings::{kvm_dtable, kvm_segment};
use kvm_ioctls::VcpuFd;
use vm_memory::{Bytes, GuestAddress};

/// Guest-physical memory that it needs.
pub const MEMORY: u64 = 4 << 20;
/// What [`PORT_SYSCALL`] gets.
pub const SYSCALL_NATIVE: u32 = 1;
pub const SYSCALL_FAULT: u32 = 2;
pub const PORT_SYSCALL: u16 = 0x10;
/// Gets the cycles of a round trip.
pub const PORT_CYCLES: u16 = 0x14;
/// Gets anything when something unexpected has happened.
pub const PORT_FAILED: u16 = 0x18;
/// Gets anything at the end.
pub const PORT_DONE: u16 = 0x1c;

// Physical addresses. The tables of `loader::tables` are below 0x10000.
pub const CODE: u64 = 0x10_0000;
pub const USER_PAGE: u64 = CODE + 0x1000;
/// Of the page behind it in virtual memory.
pub const USER_DATA: u64 = 0x2_7000;
const IDT: u64 = 0x2_0000;
const TSS: u64 = 0x2_1000;
const USER_PDPT: u64 = 0x2_2000;
const USER_PD: u64 = 0x2_3000;
const USER_PT: u64 = 0x2_4000;
pub const KERNEL_STACK: u64 = 0x2_6000;
/// Where the user page is in virtual memory.
pub const USER: u64 = 0x80_0000_0000;

// Offsets in the code, fixed by `.org`: where SYSCALL and exceptions arrive.
pub const ON_SYSCALL: u64 = 0x100;
const ON_PAGE_FAULT: u64 = 0x140;
const ON_BREAKPOINT: u64 = 0x180;
const ON_UNDEFINED: u64 = 0x1c0;
const ON_OTHER: u64 = 0x200;

const TSS_SELECTOR: u16 = 0x40;
const TSS_SIZE: usize = 0x68;
const TSS_RSP0: u64 = 4;

core::arch::global_asm!(
    ".pushsection .rodata.ukvmm_probe, \"a\", @progbits",
    ".globl ukvmm_probe_start, ukvmm_probe_end",
    "ukvmm_probe_start:",
    // MSRs, value in rdi for LSTAR: STAR has kernel selectors from 0x10 and user selectors from 0x20.
    "mov ecx, 0xc0000081",
    "xor eax, eax",
    "mov edx, 0x00200010",
    "wrmsr",
    "mov ecx, 0xc0000082",
    "mov rax, rdi",
    "mov rdx, rdi",
    "shr rdx, 32",
    "wrmsr",
    "mov ecx, 0xc0000084",
    "mov eax, 0x47700",
    "xor edx, edx",
    "wrmsr",
    "mov r12, rdi",
    // To user mode, at rsi.
    "push 0x2b",
    "push 0",
    "push 0x202",
    "push 0x33",
    "push rsi",
    "iretq",
    ".org ukvmm_probe_start + 0x100, 0xf4",
    "mov eax, 1",
    "mov edx, 0x10",
    "out dx, eax",
    "sysretq",
    ".org ukvmm_probe_start + 0x140, 0xf4",
    "mov rax, cr2",
    "cmp rax, r12",
    "jne 9f",
    "mov eax, 2",
    "mov edx, 0x10",
    "out dx, eax",
    "add rsp, 8",
    "mov [rsp], rcx",
    "mov qword ptr [rsp + 16], 0x202",
    "iretq",
    "9: mov edx, 0x18",
    "out dx, eax",
    "8: hlt",
    "jmp 8b",
    ".org ukvmm_probe_start + 0x180, 0xf4",
    "iretq",
    ".org ukvmm_probe_start + 0x1c0, 0xf4",
    "mov eax, r8d",
    "mov edx, 0x14",
    "out dx, eax",
    "mov edx, 0x1c",
    "out dx, eax",
    "8: hlt",
    "jmp 8b",
    ".org ukvmm_probe_start + 0x200, 0xf4",
    "mov edx, 0x18",
    "out dx, eax",
    "8: hlt",
    "jmp 8b",
    // The user program.
    ".org ukvmm_probe_start + 0x1000, 0xf4",
    "syscall",
    "mov ebx, 64",
    "mov r8, -1",
    "2: rdtsc",
    "mov r9d, eax",
    "int3",
    "rdtsc",
    "sub eax, r9d",
    "cmp rax, r8",
    "cmovb r8, rax",
    "dec ebx",
    "jnz 2b",
    "ud2",
    "ukvmm_probe_end:",
    ".popsection",
);

unsafe extern "C" {
    static ukvmm_probe_start: u8;
    static ukvmm_probe_end: u8;
}

/// The probe's code: kernel and user page.
pub fn program() -> &'static [u8] {
    let (start, end) = (&raw const ukvmm_probe_start, &raw const ukvmm_probe_end);
    // SAFETY: the two symbols are the ends of one read-only section part, defined above in this order, so the bytes
    // between them are initialised, never written and live as long as the process.
    unsafe { std::slice::from_raw_parts(start, end as usize - start as usize) }
}

/// Puts a guest with this code into `memory`, which has [`MEMORY`] bytes, and has `vcpu` start it.
pub fn set_up(memory: &GuestMemory, vcpu: &VcpuFd, program: &[u8]) -> Result<(), SetUpError> {
    tables::write(memory).map_err(LoadError::from)?;
    write_tables(memory, program)
        .map_err(|e| LoadError::from(crate::loader::start_info::StartInfoError::from(e)))?;
    entry::set_registers(vcpu, Entry::Native { rip: HIGH_BASE + CODE, start_info: 0 })?;
    let mut sregs = vcpu.get_sregs().map_err(failed("KVM_GET_SREGS"))?;
    sregs.idt = kvm_dtable { base: HIGH_BASE + IDT, limit: 0xfff, ..Default::default() };
    sregs.gdt.limit = TSS_SELECTOR + 15;
    sregs.tr = kvm_segment {
        base: HIGH_BASE + TSS,
        limit: TSS_SIZE as u32 - 1,
        selector: TSS_SELECTOR,
        type_: 0b1011,
        present: 1,
        ..Default::default()
    };
    vcpu.set_sregs(&sregs).map_err(failed("KVM_SET_SREGS"))?;
    let mut regs = vcpu.get_regs().map_err(failed("KVM_GET_REGS"))?;
    regs.rsp = HIGH_BASE + KERNEL_STACK;
    regs.rdi = HIGH_BASE + CODE + ON_SYSCALL;
    regs.rsi = USER;
    vcpu.set_regs(&regs).map_err(failed("KVM_SET_REGS"))?;
    Ok(())
}

#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Kvm(#[from] KvmError),
}

fn write_tables(memory: &GuestMemory, program: &[u8]) -> Result<(), vm_memory::GuestMemoryError> {
    let put = |address: u64, value: u64| memory.write_slice(&value.to_le_bytes(), GuestAddress(address));
    memory.write_slice(program, GuestAddress(CODE))?;
    // GDT: user data 0x28, user code 0x30, TSS 0x40 (SDM vol. 3, 3.4.5 and 8.2.3).
    put(tables::GDT + 0x28, 0x00cf_f300_0000_ffff)?;
    put(tables::GDT + 0x30, 0x00af_fb00_0000_ffff)?;
    let (base, limit) = (HIGH_BASE + TSS, TSS_SIZE as u64 - 1);
    let low = limit | (base & 0xff_ffff) << 16 | 0x8b << 40 | (base >> 24 & 0xff) << 56;
    put(tables::GDT + u64::from(TSS_SELECTOR), low)?;
    put(tables::GDT + u64::from(TSS_SELECTOR) + 8, base >> 32)?;
    put(TSS + TSS_RSP0, HIGH_BASE + KERNEL_STACK)?;
    for vector in 0..256 {
        let handler = match vector {
            3 => ON_BREAKPOINT,
            6 => ON_UNDEFINED,
            14 => ON_PAGE_FAULT,
            _ => ON_OTHER,
        };
        let (low, high) = gate(HIGH_BASE + CODE + handler);
        put(IDT + vector * 16, low)?;
        put(IDT + vector * 16 + 8, high)?;
    }
    // The user pages alone in their corner of the address space; 7: present, writable, user.
    put(tables::PML4 + (USER >> 39 & 511) * 8, USER_PDPT | 7)?;
    put(USER_PDPT, USER_PD | 7)?;
    put(USER_PD, USER_PT | 7)?;
    put(USER_PT, USER_PAGE | 7)?;
    put(USER_PT + 8, USER_DATA | 7)
}

/// An interrupt gate that user mode may use (SDM vol. 3, 7.14.1).
fn gate(handler: u64) -> (u64, u64) {
    const PRESENT_DPL3_INTERRUPT: u64 = 0xee;
    let selector = u64::from(tables::CODE_SELECTOR) << 16;
    let low = handler & 0xffff | selector | PRESENT_DPL3_INTERRUPT << 40 | (handler >> 16 & 0xffff) << 48;
    (low, handler >> 32)
}
