//! From the loader's entry to Rust.
//!
//! Two ways in for the boot CPU (see `vmm-abi::boot`): `ukvmm` enters at `start64` in long mode; QEMU and other PVH loaders enter at `start32` in protected
//! mode without paging. Both end on the kernel's own page tables, which are linked into the image, ready made: nothing has to be
//! computed before the first line of Rust.
//!
//! The identity mapping in slot 0 of the first page-table root serves only the switch to long mode; [`crate::start`] removes it. The other
//! CPUs come by a root of their own ([`super::ap`]).

use core::arch::global_asm;

use super::layout::{PTE_P, PTE_W};

/// CR0: PG, AM, WP, NE, ET, MP, PE (SDM vol. 3, 2.5). No TS, no EM: the FPU is switched eagerly.
const CR0: u64 = 0x8005_0033;
/// CR4: PAE, PGE, OSFXSR, OSXMMEXCPT.
pub const CR4: u64 = 0x6a0;
const CR4_PGE: u64 = 1 << 7;
/// EFER: SCE, LME, NXE.
const EFER: u64 = 0x901;

/// Bytes of the stack of a CPU.
pub const STACK_SIZE: usize = 32 << 10;

global_asm!(
    r#"
    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 8, 18                      /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad start32 - {base}

    .section .text.entry, "ax"
    .code32
    .globl start32
start32:
    cli
    mov edi, offset start64 - {base}
    mov esi, offset boot_pml4 - {base}
    /* From protected mode without paging to 64-bit mode, at edi in the kernel image, with esi as the root of page tables. PGE
       stays off, so that nothing of the identity mapping outlasts the next load of CR3. */
    .globl long_mode
long_mode:
    mov eax, {cr4} & ~{pge}
    mov cr4, eax
    mov cr3, esi
    mov ecx, 0xc0000080
    mov eax, {efer}
    xor edx, edx
    wrmsr
    mov eax, {cr0}
    mov cr0, eax
    lgdt [boot_gdt_pointer32 - {base}]
    .byte 0xea                          /* ljmp $0x10, $1f */
    .long 1f - {base}
    .word 0x10
    .code64
1:  movabs rax, {base}
    add rdi, rax
    jmp rdi

    .globl start64
start64:
    cli
    cld
    mov eax, {cr4}
    mov cr4, rax
    mov ecx, 0xc0000080
    mov eax, {efer}
    xor edx, edx
    wrmsr
    mov rax, offset boot_pml4 - {base}
    mov cr3, rax
    mov eax, {cr0}
    mov cr0, rax
    mov rsp, offset boot_stack + {stack}
    xor ebp, ebp
    mov rdi, rbx
    call {main}
    ud2

    .section .rodata.boot, "a"
    .balign 8
    .globl boot_gdt
boot_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff            /* 0x8: 32-bit code */
    .quad 0x00af9b000000ffff            /* 0x10: 64-bit code */
    .quad 0x00cf93000000ffff            /* 0x18: data */
boot_gdt_pointer32:
    .word 31
    .long boot_gdt - {base}
    .long 0

    /* Page tables. 7 = present, writable, user; leaves below say more. */
    .section .data.pages, "aw"
    .balign 4096
    .globl boot_pml4
boot_pml4:
    .quad boot_pdpt_low - {base} + 3    /* slot 0: identity, for the switch to long mode only */
    .skip 8 * 254
    .quad boot_pdpt_user - {base} + 7   /* slot 255 */
    .skip 8 * 17
    .quad boot_pdpt_physmap - {base} + 3 /* slot 273 */
    .skip 8 * 110
    .quad boot_pdpt_tcb - {base} + 3    /* slot 384 */
    .skip 8 * 126
    .quad boot_pdpt_kernel - {base} + 3 /* slot 511 */
    .globl boot_pdpt_low
boot_pdpt_low:
    .quad boot_pd_kernel - {base} + 3
    .skip 8 * 511
boot_pdpt_kernel:
    .skip 8 * 510
    .quad boot_pd_kernel - {base} + 3
    .skip 8
boot_pd_kernel:                         /* 1 GiB, global, executable */
    .set i, 0
    .rept 512
    .quad (i << 21) + 0x1e3
    .set i, i + 1
    .endr
    .globl boot_pdpt_physmap
boot_pdpt_physmap:
    .quad boot_pd_physmap - {base} + 3
    .skip 8 * 511
boot_pd_physmap:                        /* 1 GiB, global, not executable */
    .set i, 0
    .rept 512
    .quad (i << 21) + 0x80000000000001e3
    .set i, i + 1
    .endr
boot_pdpt_user:                         /* 0x7fff_0000_0000 */
    .skip 8 * 508
    .quad boot_pd_user - {base} + 7
    .skip 8 * 3
boot_pd_user:
    .quad boot_pt_user - {base} + 7
    .skip 8 * 511
boot_pt_user:
    .quad gate_page - {base} + 5        /* user, read-only, executable */
    .quad kip_page - {base} + 0x8000000000000005
    .skip 8 * 510
    .globl boot_pdpt_tcb
boot_pdpt_tcb:                          /* every TCB is the zero page: no thread has the identifier 0 */
    .rept 256
    .quad boot_pd_zero - {base} + 3
    .endr
    .skip 8 * 256
    .globl boot_pd_zero
boot_pd_zero:
    .rept 512
    .quad boot_pt_zero - {base} + 3
    .endr
    .globl boot_pt_zero
boot_pt_zero:
    .rept 512
    .quad zero_page - {base} + 0x8000000000000101
    .endr
zero_page:
    .skip 4096

    .globl gate_page
gate_page:                              /* see kip.rs: becomes int3; ret; ret where SYSCALL faults */
    syscall
    ret
    .balign 32, 0xcc                    /* CONTINUE */
    int3
    .balign 64, 0xcc                    /* VECTOR_SAVE */
    xsave64 [rbx]
    int3
    .balign 32, 0xcc                    /* VECTOR_RESTORE */
    xrstor64 [rbx]
    int3
    .balign 4096, 0xcc
    .globl kip_page
kip_page:
    .skip 4096

    .section .bss.stack, "aw", @nobits
    .balign 16
boot_stack:
    .skip {stack}
    "#,
    base = const super::layout::KERNEL_BASE,
    cr0 = const CR0,
    cr4 = const CR4,
    pge = const CR4_PGE,
    efer = const EFER,
    stack = const STACK_SIZE,
    main = sym crate::start::main,
);

unsafe extern "C" {
    pub static boot_pml4: [u64; 512];
    static boot_pdpt_low: [u64; 512];
    static kernel_start: u8;
    static kernel_end: u8;
    static boot_stack: u8;
}

/// Physical address of the page-table root that all spaces take the kernel's half from.
pub fn template_root() -> u64 {
    &raw const boot_pml4 as u64 - super::layout::KERNEL_BASE
}

/// Entry of slot 0 of a page-table root that maps low memory one to one.
pub fn identity_entry() -> u64 {
    (&raw const boot_pdpt_low as u64 - super::layout::KERNEL_BASE) | PTE_P | PTE_W
}

/// Physical memory that the kernel image takes, .bss included.
pub fn image() -> core::ops::Range<u64> {
    let base = super::layout::KERNEL_BASE;
    &raw const kernel_start as u64 - base..&raw const kernel_end as u64 - base
}

/// Top of the boot CPU's stack.
pub fn stack_top() -> u64 {
    &raw const boot_stack as u64 + STACK_SIZE as u64
}
