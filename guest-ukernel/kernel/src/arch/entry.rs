//! Into the kernel and out of it.
//!
//! However the kernel is entered from user mode, the thread's registers end up in the frame in its TCB: the processor pushes the
//! first part there itself (`tss.rsp0` is the frame's end) and the code here the rest. Then the CPU's own stack is taken,
//! which stays hot in the cache whatever thread runs. Handlers run to completion and return the frame to leave with: another thread's,
//! if there was a switch.
//!
//! GS base is the [`Cpu`] while in the kernel; SWAPGS at each border with user mode. In kernel mode interrupts are only taken
//! while idle; their frame goes onto the CPU's stack. NMIs are ignored: the machine has no source of them that the kernel
//! would want to hear of.
//!
//! *Idle.* STI lets no interrupt in before the instruction behind it, HLT, so that none is missed between the two. But that does not hold
//! everywhere: QEMU's SVM forgets it when its guest is left and entered again there, and the end of an NMI forgets it, too. An interrupt
//! that was taken before HLT must not go back to it, or whoever it has made ready would wait for the next one. So none ever does.
//!
//! IRETQ can fault (SDM vol. 3, 6.14.4), but only on an address that is not canonical, and such an address cannot get
//! into a frame. Should it happen all the same, it is made the thread's general-protection fault, not the kernel's; what the processor has
//! pushed is then in the place of some of the thread's registers.

use core::arch::global_asm;

use crate::cpu::{CPU_SCRATCH, CPU_STACK};
use crate::trap;

/// First vector of the interrupt lines.
pub const VECTOR_IRQ: u8 = 0x30;
/// Number of interrupt lines.
pub const IRQ_COUNT: u8 = 64;
pub const VECTOR_TIMER: u8 = 0xf0;
/// Another CPU wants this one to enter the kernel.
pub const VECTOR_IPI: u8 = 0xf1;
pub const VECTOR_SPURIOUS: u8 = 0xff;

global_asm!(
    include_str!("site.s"),
    r#"
    .macro ENTRY vector, error
    .balign 16
    .if \error == 0
    push 0
    .endif
    push rdi
    mov edi, \vector
    jmp trap_entry
    .endm

    /* All registers but rdi, which is saved already. */
    .macro SAVE
    SAVE_FIRST
    push r8
    push r9
    push r10
    SAVE_LAST
    .endm
    .macro SAVE_FIRST
    push rsi
    push rdx
    push rcx
    push rax
    .endm
    .macro SAVE_LAST
    push r11
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    .endm
    .macro RESTORE
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    pop r11
    pop r10
    pop r9
    pop r8
    pop rax
    pop rcx
    pop rdx
    pop rsi
    pop rdi
    .endm

    .section .text.entry, "ax"
    .balign 16
    .globl exception_entries
exception_entries:
    .set v, 0
    .rept 32
    .if v == {page_fault_vector}
    .balign 16
    jmp page_fault_entry
    .elseif v == 8 || v == 10 || v == 11 || v == 12 || v == 13 || v == 17 || v == 21 || v == 29 || v == 30
    ENTRY v, 1
    .else
    ENTRY v, 0
    .endif
    .set v, v + 1
    .endr
    .balign 16
    .globl irq_entries
irq_entries:
    .set v, {irq_base}
    .rept {irq_count}
    ENTRY v, 0
    .set v, v + 1
    .endr
    .balign 16
    .globl timer_entry
timer_entry:
    ENTRY {timer}, 0
    .balign 16
    .globl ipi_entry
ipi_entry:
    ENTRY {ipi}, 0
    .balign 16
    .globl spurious_entry
spurious_entry:
    iretq
    .globl nmi_entry
nmi_entry:
    iretq

    /* A page fault in kernel mode. */
    .globl page_fault_in_kernel
page_fault_in_kernel:
    push rdi
    mov edi, {page_fault_vector}
    jmp trap_entry

    /* A page fault when the fast path has not done it: all registers are saved, GS is the kernel's. */
    .globl page_fault_slow
page_fault_slow:
    mov rsp, gs:[{stack}]
    call {page_fault}
    jmp leave_kernel

    .balign 64
trap_entry:
    SITE
    test byte ptr [rsp + 3 * 8], 3
    END_SITE trap
    jz 2f
    SAVE
    cld
    swapgs
    mov rsp, gs:[{stack}]
    cmp edi, 32
    jae 4f
    call {exception}
    .globl leave_kernel
leave_kernel:
    mov rsp, rax
    RESTORE
    SITE
    add rsp, 8
    swapgs
    END_SITE leave_kernel
leave_iretq:
    iretq
    .pushsection .data.exits, "aw"
    .quad leave_iretq
    .popsection

4:  lea rax, [rip + leave_kernel]
    push rax
    jmp {interrupt}

2:  /* from kernel mode; where IRETQ has faulted the stack is a TCB, with no room for more */
    cmp qword ptr [rsp + 2 * 8], offset leave_iretq
    je 3f
    /* An interrupt while they are off: QEMU's SVM has delivered it twice. It was seen the first time. */
    cmp edi, 32
    jb 5f
    test byte ptr [rsp + 4 * 8 + 1], 2
    jz 6f
5:
    SAVE_FIRST
    SITE
    push r8
    push r9
    push r10
    END_SITE idle
    SAVE_LAST
    cld
    mov rsi, rsp
    mov rbx, rsp
    and rsp, -16
    call {kernel_trap}
    mov rsp, rbx
    RESTORE
    add rsp, 8
    /* It was idle: whether HLT had begun or not, waiting is over. */
    mov qword ptr [rsp], offset interrupt_has_come
    iretq
6:  pop rdi
    add rsp, 8
    iretq
3:  swapgs
    mov rsp, gs:[{stack}]
    call {iret_fault}
    jmp leave_kernel

    /* The room behind it is for a test that puts something between STI and HLT. */
    .globl wait_for_interrupt
wait_for_interrupt:
    sti
    hlt
interrupt_has_come:
    cli
    ret
    .fill 5, 1, 0x90

    /* SYSCALL, when the fast path has not done it: it has saved rip, rflags and rsp below rsp, the end of the frame. */
    .balign 16
    .globl syscall_slow
syscall_slow:
    mov rcx, [rsp - 40]
    mov r11, [rsp - 24]
    lea rsp, [rsp - 40]
    push 0
    push rdi
    SAVE
    mov rsp, gs:[{stack}]
    call {syscall}
    jmp leave_kernel

    /* The first SYSCALL of all; from then on LSTAR leads to syscall_entry at once. */
    .balign 16
    .globl first_syscall
first_syscall:
    swapgs
    mov gs:[{scratch}], rsp
    mov rsp, gs:[{stack}]
    .irp register, rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11
    push \register
    .endr
    sub rsp, 8
    call {native}
    add rsp, 8
    .irp register, r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax
    pop \register
    .endr
    mov rsp, gs:[{scratch}]
    swapgs
    jmp syscall_entry
    "#,
    irq_base = const VECTOR_IRQ,
    irq_count = const IRQ_COUNT,
    timer = const VECTOR_TIMER,
    ipi = const VECTOR_IPI,
    stack = const CPU_STACK,
    page_fault_vector = const 14,
    page_fault = sym trap::page_fault_trap,
    exception = sym trap::exception_trap,
    interrupt = sym trap::interrupt_trap,
    kernel_trap = sym trap::kernel_trap,
    iret_fault = sym trap::iret_fault,
    syscall = sym trap::syscall_trap,
    scratch = const CPU_SCRATCH,
    native = sym trap::first_syscall,
);

unsafe extern "C" {
    pub static exception_entries: u8;
    static irq_entries: u8;
    static timer_entry: u8;
    static ipi_entry: u8;
    static spurious_entry: u8;
    static nmi_entry: u8;
    pub static syscall_entry: u8;
    static first_syscall: u8;
    pub static page_fault_entry: u8;
    /// Takes the frame from rax: not to be called, only jumped to.
    fn leave_kernel();
    #[link_name = "wait_for_interrupt"]
    fn wait();
}

const ENTRY_SIZE: u64 = 16;

/// Address of the code for `vector`, if the vector is used.
pub fn entry_of(vector: u8) -> Option<u64> {
    let irqs = VECTOR_IRQ..VECTOR_IRQ + IRQ_COUNT;
    match vector {
        2 => Some(&raw const nmi_entry as u64),
        0..32 => Some(&raw const exception_entries as u64 + vector as u64 * ENTRY_SIZE),
        VECTOR_TIMER => Some(&raw const timer_entry as u64),
        VECTOR_IPI => Some(&raw const ipi_entry as u64),
        VECTOR_SPURIOUS => Some(&raw const spurious_entry as u64),
        v if irqs.contains(&v) => Some(&raw const irq_entries as u64 + (v - VECTOR_IRQ) as u64 * ENTRY_SIZE),
        _ => None,
    }
}

/// Where SYSCALL goes at first: the value of LSTAR, and for good where it does not change the privilege level.
pub fn syscall_address() -> u64 {
    &raw const first_syscall as u64
}

/// Where SYSCALL goes when it has led to kernel mode once.
pub fn fast_syscall_address() -> u64 {
    &raw const syscall_entry as u64
}

/// Let interrupts in until one has come. They are off again afterwards.
pub fn wait_for_interrupt() {
    // SAFETY: the idle CPU holds no references that a handler could disturb: handlers run to completion on top of this.
    unsafe { wait() }
}

/// Go to user mode for the first time, with the registers of `frame`. Later ways out return from the entry code.
pub fn enter_user(frame: &'static ukernel_core::thread::Frame) -> ! {
    // SAFETY: `frame` is the frame of the thread that `Cpu::leave` has made the current one: CR3, tss.rsp0 and GS
    // base are set for it, and its selectors are the user's.
    unsafe {
        core::arch::asm!(
            // A site without a way back: see `super::trace`.
            "8: jmp {leave}",
            "9: .pushsection .data.sites, \"aw\"",
            ".quad 8b, 9b, trace_first_exit, 0",
            ".popsection",
            leave = sym leave_kernel,
            in("rax") frame,
            options(noreturn),
        );
    }
}
