//! The entries of SYSCALL and of page faults, and the fast path: what happens most often, from here straight to the partner.
//!
//! Five things are done here: a *call* (send a short message to a thread that waits, and wait for its answer), a *reply and wait*, a *foreign
//! system call* on its way to the handler or the trampoline and the answer to it, a *page fault* on its way to the pager, and `id_nearest` of
//! oneself. Everything else, and each of these when something speaks against it, goes to [`super::entry`] and on to Rust, where the same
//! things are done in full; so this file only takes short ways through `ukernel_core::ipc` and must agree with it. (The crate
//! `ukernel-model` interprets it, and compares.)
//!
//! *Check first, then commit.* Up to the comment `commit` nothing is changed but rcx and r11, which SYSCALL has destroyed anyway, and the
//! slots of the caller's frame for rip, rflags and rsp, which are right whatever happens. So any check may jump to `syscall_slow`.
//!
//! *Messages stay where they are.* The seven words travel in rbx rdi rsi rdx r10 r8 r9, which nothing here touches. Of the caller's other registers,
//! a system call keeps r15, rbp, rsp and the FPU; only these are saved, and a thread that waits for a message has only these. A foreign
//! call keeps all but rax, rcx and r11, so all are saved, and loaded with the answer.
//!
//! *No scheduler.* The partner runs at once if its priority is not below the CPU's floor ([`ukernel_core::sched`]). The caller blocks, and blocked
//! threads need not be taken out of anything. *No FPU:* servers have no FPU state; a program may be answered if the FPU still holds its
//! state. *No lock:* only threads of this CPU are touched, and other CPUs do not touch them without asking.
//!
//! The way in by SYSCALL is in kernel mode only where SYSCALL changes the privilege level; on such machines SYSRET works too, so it is the
//! way out. RCX is safe for SYSRET: a frame's rip is checked wherever it can be set, and the last page of user space cannot be mapped by
//! programs. A page fault saves all registers, as any exception does, and leaves by IRETQ; this way is taken on all machines.
//!
//! Registers: rsp the end of the caller's frame, rcx the partner's TCB, r11 free.

use core::arch::global_asm;
use core::mem::offset_of;

use ukernel_abi::call::{Call, L4_CALL};
use ukernel_abi::msg::{Label, Tag};
use ukernel_abi::utcb::RunState;
use ukernel_core::thread::{FRAME_END, Frame, Thread};

use crate::cpu::{CPU_FLOOR, CPU_FPU_OWNER, CPU_IN_STUB, CPU_OPEN, CPU_RSP0, CPU_SCRATCH, CPU_TCBS};

/// Tag bits that a short message without items does not have: kernel labels, items, more words than registers.
const NOT_SHORT: u64 = 0x8000_fff8;
/// The message that a foreign call becomes.
const FOREIGN_TAG: u64 = Tag::new(Label::FOREIGN, 7, 0).to_rax();
/// The message that a page fault becomes: see `write_fault` in `ukernel_core::ipc`.
const PAGE_FAULT_TAG: u64 = Tag::new(Label::PAGE_FAULT, 4, 0).to_rax();
/// Bit of [`Thread::uses_fpu`] in the first word of a thread's state.
const USES_FPU: u64 = 1 << (8 * (offset_of!(Thread, uses_fpu) - offset_of!(Thread, state)));
/// What distinguishes that word of a thread that waits for the answer to a foreign call from one that waits for a message.
const FOREIGN: u8 = RunState::Foreign as u8 ^ RunState::Receiving as u8;

/// Offset of a field of the caller's TCB from the end of its frame.
const fn own(offset: usize) -> isize {
    offset as isize - FRAME_END as isize
}
/// The same of a register in its frame.
const fn saved(offset: usize) -> isize {
    own(offset_of!(Thread, frame) + offset)
}

// Thread identifiers: the low 26 bits are the index of the TCB (`find`), the low 16 the task.
const _: () = assert!(ukernel_abi::ThreadId::TASKS * ukernel_abi::ThreadId::LTHREADS == 1 << 26);
const _: () = assert!(Call::Ipc as u64 == 0 && Call::IdNearest as u64 == 1);

global_asm!(
    include_str!("site.s"),
    r#"
    /* rcx = TCB of the identifier in \id; whose it is remains to be seen. */
    .macro FIND id
    mov rcx, \id
    shl rcx, 38
    shr rcx, 26
    add rcx, gs:[{tcbs}]
    .endm

    /* The partner may run at once, or else. */
    .macro CHECK_PRIORITY
    movzx r11d, byte ptr [rcx + {priority}]
    cmp r11d, gs:[{floor}]
    jb syscall_slow
    .endm

    /* Nothing waits for the caller, who will wait for anybody. */
    .macro CHECK_NOTHING_WAITS
    cmp qword ptr [rsp + {own_senders}], 0
    jne syscall_slow
    cmp byte ptr [rsp + {own_pending_lines}], 0
    jne syscall_slow
    .endm

    /* From the caller to the partner. */
    .macro SWITCH
    mov r11, [rcx + {cr3}]
    cmp r11, [rsp + {own_cr3}]
    je 1f
    mov cr3, r11
1:  lea rsp, [rcx + {frame_end}]
    mov gs:[{rsp0}], rsp
    .endm

    /* To the thread whose frame ends at rsp. */
    .macro LEAVE name
    SITE
    mov rcx, [rsp + {own_rip}]
    END_SITE \name
    mov r11, [rsp + {own_rflags}]
    mov rsp, [rsp + {own_rsp}]
    swapgs
    EXIT
    sysretq
    .endm

    /* What follows goes on in user mode: a debugger has to know (`crate::debug`). */
    .macro EXIT
9:  .pushsection .data.exits, "aw"
    .quad 9b
    .popsection
    .endm

    .section .text.fast, "ax"
    .balign 64
    .globl syscall_entry
syscall_entry:
    SITE
    swapgs
    mov gs:[{scratch}], rsp
    END_SITE syscall
    mov rsp, gs:[{rsp0}]
    mov [rsp + {own_rip}], rcx
    mov [rsp + {own_rflags}], r11
    mov rcx, gs:[{scratch}]
    mov [rsp + {own_rsp}], rcx
    cmp eax, {l4_call}
    jne not_ipc

    /* A short message, a partner that lives and waits, and never to end the wait for the answer. */
    mov rcx, rax
    shr rcx, 32
    test ecx, {not_short}
    jnz syscall_slow
    test r14d, r14d
    jnz syscall_slow
    FIND r12
    cmp [rcx + {id}], r12
    jne syscall_slow
    mov r11, [rcx + {state}]
    xor r11, gs:[{open}]
    jnz partner_has_fpu
partner_waits:
    cmp r13, r12
    jne reply_and_wait

    /* Call: it waits for anybody (or for the caller), and is in the caller's clan (or is its chief, or made by it). */
    mov r11, [rcx + {partner}]
    cmp r11, -1
    jne call_closed
    movzx r11d, word ptr [rsp + {own_chief}]
    cmp r11w, [rcx + {chief}]
    jne call_chief
call_allowed:
    /* One who waits to send may do so in the partner's name. */
    cmp qword ptr [rsp + {own_senders}], 0
    jne syscall_slow
    CHECK_PRIORITY
    /* commit */
    mov byte ptr [rcx + {waited_for}], 1
deliver:
    SITE
    mov byte ptr [rsp + {own_state}], {receiving}
    mov [rsp + {own_partner}], r13
    END_SITE deliver
    mov byte ptr [rcx + {state}], {ready}
    mov [rsp + {own_r15}], r15
    mov [rsp + {own_rbp}], rbp
    mov r12, [rsp + {own_id}]
    btr rax, 31
    SWITCH
    mov r15, [rsp + {own_r15}]
    mov rbp, [rsp + {own_rbp}]
    LEAVE leave_deliver

    /* Reply and wait: the partner waits for the caller alone, so they may talk to each other. */
reply_and_wait:
    cmp r13, -1
    jne syscall_slow
    mov r11, [rcx + {partner}]
    cmp r11, [rsp + {own_id}]
    jne syscall_slow
    CHECK_NOTHING_WAITS
    CHECK_PRIORITY
    jmp deliver

call_closed:
    cmp r11, [rsp + {own_id}]
    je call_allowed
    jmp syscall_slow
call_chief:
    cmp r11w, [rcx + {id}]
    je call_allowed
    movzx r11d, word ptr [rsp + {own_id}]
    cmp r11w, [rcx + {chief}]
    je call_allowed
    jmp syscall_slow

    .balign 64
    /* Something speaks against it, but perhaps only that the partner has FPU state, which the FPU may still hold. (Nobody else owns the FPU.) */
partner_has_fpu:
    cmp rcx, gs:[{fpu_owner}]
    jne syscall_slow
    sub r11, {uses_fpu}
    jz partner_waits
    cmp r11, {foreign}
    jne syscall_slow

    /* It waits for the answer to a foreign call: reply and wait, word 0 becomes its rax. */
    mov r11, [rcx + {partner}]
    cmp r11, [rsp + {own_id}]
    jne syscall_slow
    cmp r13, -1
    jne syscall_slow
    CHECK_NOTHING_WAITS
    CHECK_PRIORITY
    /* commit */
    SITE
    mov byte ptr [rsp + {own_state}], {receiving}
    mov [rsp + {own_partner}], r13
    END_SITE answer
    mov byte ptr [rcx + {state}], {ready}
    mov [rsp + {own_r15}], r15
    mov [rsp + {own_rbp}], rbp
    mov rax, rbx
    SWITCH
    mov r15, [rsp + {own_r15}]
    mov r14, [rsp + {own_r14}]
    mov r13, [rsp + {own_r13}]
    mov r12, [rsp + {own_r12}]
    mov rbp, [rsp + {own_rbp}]
    mov rbx, [rsp + {own_rbx}]
    mov r10, [rsp + {own_r10}]
    mov r9, [rsp + {own_r9}]
    mov r8, [rsp + {own_r8}]
    mov rdx, [rsp + {own_rdx}]
    mov rsi, [rsp + {own_rsi}]
    mov rdi, [rsp + {own_rdi}]
    LEAVE leave_answer

    .balign 64
not_ipc:
    test eax, eax
    js not_foreign
    cmp qword ptr [rsp + {own_trampoline}], 0
    jne reflect

    /* A foreign call: a message to the handler, if that is a thread of the caller's chief and waits for anybody. */
    mov r11, [rsp + {own_handler}]
    FIND r11
    cmp [rcx + {id}], r11
    jne syscall_slow
    mov r11, [rcx + {state}]
    cmp r11, gs:[{open}]
    jne syscall_slow
    cmp qword ptr [rcx + {partner}], -1
    jne syscall_slow
    movzx r11d, word ptr [rsp + {own_chief}]
    cmp r11w, [rcx + {id}]
    jne syscall_slow
    CHECK_PRIORITY
    /* commit */
    SITE
    mov [rsp + {own_rax}], rax
    END_SITE forward
    mov [rsp + {own_r15}], r15
    mov [rsp + {own_r14}], r14
    mov [rsp + {own_r13}], r13
    mov [rsp + {own_r12}], r12
    mov [rsp + {own_rbp}], rbp
    mov [rsp + {own_rbx}], rbx
    mov [rsp + {own_r10}], r10
    mov [rsp + {own_r9}], r9
    mov [rsp + {own_r8}], r8
    mov [rsp + {own_rdx}], rdx
    mov [rsp + {own_rsi}], rsi
    mov [rsp + {own_rdi}], rdi
    mov byte ptr [rsp + {own_state}], {state_foreign}
    mov r11, [rcx + {id}]
    mov [rsp + {own_partner}], r11
    mov byte ptr [rcx + {state}], {ready}
    mov byte ptr [rcx + {waited_for}], 1
    mov rbx, rax
    movabs rax, {foreign_tag}
    mov r12, [rsp + {own_id}]
    SWITCH
    mov r15, [rsp + {own_r15}]
    mov rbp, [rsp + {own_rbp}]
    LEAVE leave_forward

    /* Page faults come here. A message to the pager, if that belongs to the caller's chief or clan and waits for anybody. */
    .balign 64
    .globl page_fault_entry
page_fault_entry:
    SITE
    test byte ptr [rsp + 16], 3
    END_SITE page_fault
    jz page_fault_in_kernel
    push rdi
    push rsi
    push rdx
    push rcx
    push rax
    push r8
    push r9
    push r10
    push r11
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    swapgs
    cld
    lea rsp, [rsp + {frame_size}]
    cmp byte ptr gs:[{in_stub}], 0
    jne page_fault_slow
    mov rbx, cr2
    /* SYSCALL, where it does not change the privilege level. */
    lea r11, [rip + first_syscall]
    cmp rbx, r11
    je page_fault_slow
    mov r11, [rsp + {own_pager}]
    FIND r11
    cmp [rcx + {id}], r11
    jne page_fault_slow
    mov r11, [rcx + {state}]
    cmp r11, gs:[{open}]
    jne page_fault_slow
    cmp qword ptr [rcx + {partner}], -1
    jne page_fault_slow
    movzx r11d, word ptr [rsp + {own_chief}]
    cmp r11w, [rcx + {id}]
    je 2f
    cmp r11w, [rcx + {chief}]
    jne page_fault_slow
2:  movzx r11d, byte ptr [rcx + {priority}]
    cmp r11d, gs:[{floor}]
    jb page_fault_slow
    /* commit */
    SITE
    mov byte ptr [rsp + {own_state}], {state_page_fault}
    mov r11, [rcx + {id}]
    END_SITE fault_message
    mov [rsp + {own_partner}], r11
    mov byte ptr [rcx + {state}], {ready}
    mov byte ptr [rcx + {waited_for}], 1
    mov rdi, [rsp + {own_rip}]
    mov rdx, [rsp + {own_entry}]
    /* 4 read, 2 write, 1 execute */
    mov esi, 4
    mov r8d, edx
    and r8d, 2
    sub esi, r8d
    mov r8d, 1
    test edx, 16
    cmovnz esi, r8d
    movabs rax, {page_fault_tag}
    mov r12, [rsp + {own_id}]
    SWITCH
    /* What is the faulting thread's alone does not go with the message. */
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    xor r13d, r13d
    xor r14d, r14d
    mov r15, [rsp + {own_r15}]
    mov rbp, [rsp + {own_rbp}]
    SITE
    mov rcx, [rsp + {own_rip}]
    END_SITE leave_fault
    mov r11, [rsp + {own_rflags}]
    lea rsp, [rsp + {own_rip}]
    swapgs
    EXIT
    iretq

    /* To the trampoline, with all registers as they were: rcx holds the way back. */
reflect:
    SITE
    mov rcx, [rsp + {own_rip}]
    END_SITE leave_reflect
    mov r11, [rsp + {own_trampoline}]
    mov [rsp + {own_rip}], r11
    mov r11, [rsp + {own_rflags}]
    lea rsp, [rsp + {own_rip}]
    swapgs
    EXIT
    iretq

not_foreign:
    cmp eax, {id_nearest}
    jne syscall_slow
    test r12, r12
    jnz syscall_slow
    mov r12, [rsp + {own_id}]
    xor eax, eax
    LEAVE leave_id
    "#,
    own_id = const own(offset_of!(Thread, id)),
    own_state = const own(offset_of!(Thread, state)),
    own_partner = const own(offset_of!(Thread, partner)),
    own_cr3 = const own(offset_of!(Thread, cr3)),
    own_chief = const own(offset_of!(Thread, chief)),
    own_pending_lines = const own(offset_of!(Thread, pending_lines)),
    own_handler = const own(offset_of!(Thread, handler)),
    own_pager = const own(offset_of!(Thread, pager)),
    own_trampoline = const own(offset_of!(Thread, trampoline)),
    own_senders = const own(offset_of!(Thread, senders)),
    own_r15 = const saved(offset_of!(Frame, r15)),
    own_r14 = const saved(offset_of!(Frame, r14)),
    own_r13 = const saved(offset_of!(Frame, r13)),
    own_r12 = const saved(offset_of!(Frame, r12)),
    own_rbp = const saved(offset_of!(Frame, rbp)),
    own_rbx = const saved(offset_of!(Frame, rbx)),
    own_r10 = const saved(offset_of!(Frame, r10)),
    own_r9 = const saved(offset_of!(Frame, r9)),
    own_r8 = const saved(offset_of!(Frame, r8)),
    own_rax = const saved(offset_of!(Frame, rax)),
    own_rdx = const saved(offset_of!(Frame, rdx)),
    own_rsi = const saved(offset_of!(Frame, rsi)),
    own_rdi = const saved(offset_of!(Frame, rdi)),
    own_entry = const saved(offset_of!(Frame, entry)),
    own_rip = const saved(offset_of!(Frame, rip)),
    own_rflags = const saved(offset_of!(Frame, rflags)),
    own_rsp = const saved(offset_of!(Frame, rsp)),
    id = const offset_of!(Thread, id),
    frame_end = const FRAME_END,
    state = const offset_of!(Thread, state),
    partner = const offset_of!(Thread, partner),
    cr3 = const offset_of!(Thread, cr3),
    chief = const offset_of!(Thread, chief),
    priority = const offset_of!(Thread, priority),
    waited_for = const offset_of!(Thread, waited_for),
    tcbs = const CPU_TCBS,
    floor = const CPU_FLOOR,
    scratch = const CPU_SCRATCH,
    rsp0 = const CPU_RSP0,
    open = const CPU_OPEN,
    in_stub = const CPU_IN_STUB,
    fpu_owner = const CPU_FPU_OWNER,
    l4_call = const L4_CALL,
    id_nearest = const L4_CALL + Call::IdNearest as u64,
    not_short = const NOT_SHORT,
    foreign_tag = const FOREIGN_TAG,
    page_fault_tag = const PAGE_FAULT_TAG,
    frame_size = const size_of::<Frame>(),
    uses_fpu = const USES_FPU,
    foreign = const FOREIGN,
    receiving = const RunState::Receiving as u8,
    ready = const RunState::Ready as u8,
    state_page_fault = const RunState::PageFault as u8,
    state_foreign = const RunState::Foreign as u8,
);
