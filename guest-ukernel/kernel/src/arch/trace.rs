//! The stubs of the kernel's trace points, for a host that wants records (`vmm_abi::trace`). Without a profile none of this is ever executed: the kernel only
//! says where it is, in [`ukernel_trace_sites`].
//!
//! *Sites* are marked where they are, in [`super::entry`] and [`super::fast`]: `SITE` before the instructions, `END_SITE name` behind them. The host writes a
//! jump to the stub `trace_NAME` over them, and what was there, with a jump back, to the stub's tail. So a stub only records; it leaves all registers as they
//! are but the flags, which are free at every site.
//!
//! *What a record costs* has to be taken off what is measured, so it should not depend on anything: all stubs for an event execute the same instructions.
//! Whether the ring is full, and whether it is time for the doorbell, is only seen when a count of free places has come to zero (`trace_refill`). An entry
//! reads the time stamp counter as early as it can, an exit as late.
//!
//! *What it costs is measured* by each CPU before it leaves the kernel for the first time (`trace_first_exit`), as [`Event::CALIBRATE`] says.
//!
//! The stubs have a few words of each CPU's own, in the page that begins with its [`Cpu`](crate::cpu::Cpu): zeroes at first, so that the first record finds no place and
//! everything is set up then. The stub that saves vector registers in user mode (`super::fpu`) is no thread: its comings and goings are not recorded.

use core::arch::global_asm;
use core::mem::offset_of;

use ukernel_abi::layout::GATE;
use ukernel_abi::sites::{FILL, JUMP, MAGIC, SITE_MAX, SiteTable, VERSION};
use ukernel_core::thread::{FRAME_END, Frame, Thread};
use vmm_abi::ports::TRACE;
use vmm_abi::trace::{CAPACITY, DOORBELL_EVERY, Event, RECORDS, RING_SIZE, Record, Ring};

use super::insn::MSR_KERNEL_GS_BASE;
use super::layout::{PHYSMAP, PHYSMAP_SIZE};
use super::segments::{ROOM, ROOM_OFFSET};
use crate::cpu::{CPU_IN_STUB, CPU_INDEX, CPU_RSP0};
use crate::debug::Address;

/// Rounds in which all costs are measured.
const ROUNDS: u64 = 16;
/// Vectors are recorded as one byte; above that are none of the processor's exceptions.
const NO_EXCEPTION: u64 = 0x100;

/// What a CPU's stubs know.
#[repr(C)]
struct State {
    /// Places that may be taken before anything has to be looked at.
    free: u64,
    /// Virtual address of the CPU's ring.
    ring: u64,
    /// Its number, where a record has it.
    tag: u64,
    /// Registers, while a stub uses them.
    rax: u64,
    rdx: u64,
    rcx: u64,
    r11: u64,
    /// The same for `trace_refill`, and where it goes on.
    refill_rax: u64,
    refill_rdx: u64,
    found: u64,
    full: u64,
}

const _: () = assert!(size_of::<State>() <= ROOM);

/// Offset of a word of the CPU's.
const fn word(offset: usize) -> usize {
    ROOM_OFFSET as usize + offset
}

/// Offset of a thread's identifier from the end of its frame.
const ID: isize = offset_of!(Thread, id) as isize - FRAME_END as isize;
/// Bytes of a frame that the processor pushes, without and with an error code.
const PUSHED: usize = size_of::<Frame>() - offset_of!(Frame, rip);
const PUSHED_ERROR: usize = PUSHED + 8;

global_asm!(
    r#"
    /* rcx = a record's place less {records}, \ring = the CPU's ring. To \full if there is no place. */
    .macro TAKE ring, full
    dec qword ptr gs:[{free}]
    js 71f
70: mov \ring, gs:[{ring}]
    mov ecx, [\ring]
    and ecx, {capacity} - 1
    shl ecx, {record_shift}
    add rcx, \ring
    .pushsection .trace.refill, "ax"
71: lea rcx, [rip + \full]
    mov gs:[{refill_full}], rcx
    lea rcx, [rip + 70b]
    jmp trace_refill
    .popsection
    .endm

    .macro STORE_TSC
    mov [rcx + {records} + {tsc}], eax
    mov [rcx + {records} + {tsc} + 4], edx
    .endm
    .macro STORE_RAX field
    mov [rcx + {records} + \field], rax
    .endm
    .macro STORE_EVENT event
    mov eax, gs:[{tag}]
    or eax, \event
    mov [rcx + {records}], eax
    .endm
    /* Last of all: the sequence number, which makes it a record. Only then is the place said to be taken: who reads never has to wait for a CPU that does not run. */
    .macro STORE_SEQUENCE ring
    mov rax, [\ring]
    inc rax
    mov [rcx + {records} + 4], eax
    mov [\ring], rax
    .endm

    .macro SAVE_TWO
    mov gs:[{rax}], rax
    mov gs:[{rdx}], rdx
    .endm
    .macro RESTORE_TWO
    mov rax, gs:[{rax}]
    mov rdx, gs:[{rdx}]
    .endm
    .macro SAVE_LINK
    mov gs:[{rcx}], rcx
    mov gs:[{r11}], r11
    .endm
    .macro RESTORE_LINK
    mov rcx, gs:[{rcx}]
    mov r11, gs:[{r11}]
    .endm

    /* The records. Each begins and ends with the registers of its site. */

    /* GS is the user's. */
    .macro RECORD_SYSCALL event
    swapgs
    SAVE_TWO
    rdtsc
    SAVE_LINK
    TAKE r11, 72f
    STORE_TSC
    mov rax, gs:[{rsp0}]
    mov rax, [rax + {id}]
    STORE_RAX {thread}
    mov rax, gs:[{rax}]
    STORE_RAX {argument}
    STORE_EVENT \event
    STORE_SEQUENCE r11
72: RESTORE_LINK
    RESTORE_TWO
    swapgs
    .endm

    /* On the stack so many words, the error code and what the processor pushes. Nothing is recorded of the kernel's own (75), nor of the FPU's stub (74). */
    .macro BEGIN_ON_STACK words
    test byte ptr [rsp + (\words + 2) * 8], 3
    jz 75f
    push rsi
    push rdx
    push rcx
    push rax
    rdtsc
    swapgs
    cmp byte ptr gs:[{in_stub}], 0
    jne 74f
    TAKE rsi, 74f
    STORE_TSC
    mov rax, [rsp + (\words + 4) * 8 + {pushed_error} + {id}]
    STORE_RAX {thread}
    .endm
    /* From 73 on the event is known. */
    .macro END_ON_STACK event
72: STORE_EVENT \event
73: STORE_SEQUENCE rsi
74: swapgs
    pop rax
    pop rcx
    pop rdx
    pop rsi
75:
    .endm

    /* In edi the vector; on the stack rdi, error code and what the processor pushes. */
    .macro RECORD_TRAP event
    BEGIN_ON_STACK 1
    mov eax, [rsp + 5 * 8]
    shl rax, 32
    or rax, rdi
    STORE_RAX {argument}
    cmp edi, 3
    je 76f
    END_ON_STACK \event
    .pushsection .trace.gate, "ax"
    /* The gate page's breakpoint is a system call. */
76: movabs rax, {gate} + 1
    cmp rax, [rsp + 6 * 8]
    jne 72b
    mov rax, [rsp]
    STORE_RAX {argument}
    STORE_EVENT {enter_syscall}
    jmp 73b
    .popsection
    .endm

    /* On the stack error code and what the processor pushes. */
    .macro RECORD_PAGE_FAULT event
    BEGIN_ON_STACK 0
    mov rax, cr2
    STORE_RAX {argument}
    lea rdx, [rip + first_syscall]
    cmp rax, rdx
    je 76f
    END_ON_STACK \event
    .pushsection .trace.gate, "ax"
    /* SYSCALL, where it does not change the privilege level, goes on at LSTAR in user mode. */
76: cmp rax, [rsp + 5 * 8]
    jne 72b
    mov rax, [rsp]
    STORE_RAX {argument}
    STORE_EVENT {enter_syscall}
    jmp 73b
    .popsection
    .endm

    /* rsp is the end of the sender's frame, rcx the partner's TCB, r11 free. */
    .macro RECORD_COMMIT event
    SAVE_TWO
    rdtsc
    mov gs:[{rcx}], rcx
    TAKE r11, 72f
    STORE_TSC
    mov rax, [rsp + {id}]
    STORE_RAX {thread}
    mov rax, gs:[{rcx}]
    mov rax, [rax + {partner_id}]
    STORE_RAX {argument}
    STORE_EVENT \event
    STORE_SEQUENCE r11
72: mov rcx, gs:[{rcx}]
    RESTORE_TWO
    .endm

    /* rax and rdx are saved; the end of the frame is \above rsp. */
    .macro RECORD_GOING event, above
    TAKE r11, 72f
    mov rax, [rsp + \above + {id}]
    STORE_RAX {thread}
    mov rax, gs:[{rax}]
    STORE_RAX {argument}
    STORE_EVENT \event
    rdtsc
    STORE_TSC
    STORE_SEQUENCE r11
72: RESTORE_TWO
    .endm

    /* rsp is the end of the frame, rcx and r11 are free. */
    .macro RECORD_EXIT event
    SAVE_TWO
    RECORD_GOING \event, 0
    .endm

    /* All registers are the user's already, and below rsp they are in the frame, which is not the thread's if it is for the FPU. */
    .macro RECORD_SLOW_EXIT event
    cmp byte ptr gs:[{in_stub}], 0
    jne 73f
    SAVE_TWO
    RECORD_GOING \event, {pushed_error}
    mov rcx, [rsp - {pushed_rcx}]
    mov r11, [rsp - {pushed_r11}]
73:
    .endm

    /* rsi, rdx, rcx, rax are saved; in edi the vector. If it is an exception the kernel has a mistake, which may be here. */
    .macro RECORD_IDLE event
    cmp edi, 32
    jb 72f
    rdtsc
    TAKE rsi, 72f
    STORE_TSC
    xor eax, eax
    STORE_RAX {thread}
    movzx eax, dil
    STORE_RAX {argument}
    STORE_EVENT \event
    STORE_SEQUENCE rsi
72:
    .endm

    /* A reading of the counter by the first instruction. */
    .macro RECORD_BARE
    rdtsc
    TAKE rsi, 72f
    STORE_TSC
    xor eax, eax
    STORE_RAX {thread}
    mov eax, {calibrate}
    STORE_RAX {argument}
    STORE_EVENT {calibrate}
    STORE_SEQUENCE rsi
72:
    .endm

    .macro STUB name, record, event
    .section .trace.stubs, "ax"
    .balign 16
    .weak trace_\name, trace_\name\()_tail
trace_\name:
    \record \event
trace_\name\()_tail:
    .fill {tail}, 1, {fill}
    .endm

    STUB syscall, RECORD_SYSCALL, {enter_syscall}
    STUB trap, RECORD_TRAP, {enter_trap}
    STUB page_fault, RECORD_PAGE_FAULT, {enter_page_fault}
    STUB idle, RECORD_IDLE, {idle_interrupt}
    STUB deliver, RECORD_COMMIT, {commit}
    STUB answer, RECORD_COMMIT, {commit}
    STUB forward, RECORD_COMMIT, {commit}
    STUB fault_message, RECORD_COMMIT, {commit}
    STUB leave_deliver, RECORD_EXIT, {exit}
    STUB leave_answer, RECORD_EXIT, {exit}
    STUB leave_forward, RECORD_EXIT, {exit}
    STUB leave_fault, RECORD_EXIT, {exit}
    STUB leave_reflect, RECORD_EXIT, {exit}
    STUB leave_id, RECORD_EXIT, {exit}
    STUB leave_kernel, RECORD_SLOW_EXIT, {exit}

    .section .trace.refill, "ax"
    .balign 16
    /* There are no places left, as far as is known. Goes on at rcx, or where `full` says. */
trace_refill:
    mov gs:[{found}], rcx
    mov gs:[{refill_rax}], rax
    mov gs:[{refill_rdx}], rdx
    mov eax, gs:[{index}]
    mov ecx, eax
    shl ecx, 16
    mov gs:[{tag}], rcx
    mov ecx, eax
    shl rcx, {ring_shift}
    add rcx, [rip + trace_rings]
    mov gs:[{ring}], rcx
    /* rdx = places that are free, if any */
    mov rdx, [rcx + {read}]
    add rdx, {capacity}
    sub rdx, [rcx]
    dec rdx
    cmp rdx, {capacity}
    jae 3f
    inc rdx
    test dword ptr [rcx], {doorbell} - 1
    jnz 1f
    out {port}, al
1:  /* no more than to the next doorbell */
    mov eax, [rcx]
    and eax, {doorbell} - 1
    sub eax, {doorbell}
    neg eax
    cmp rdx, rax
    cmova rdx, rax
    dec rdx
    mov gs:[{free}], rdx
    mov rdx, gs:[{refill_rdx}]
    mov rax, gs:[{refill_rax}]
    jmp qword ptr gs:[{found}]
3:  inc qword ptr [rcx + {dropped}]
    mov qword ptr gs:[{free}], 0
    mov rdx, gs:[{refill_rdx}]
    mov rax, gs:[{refill_rax}]
    jmp qword ptr gs:[{refill_full}]

    /* What is measured, with the two jumps that there are at a site. */
    .macro ONCE record
    jmp 77f
77: \record {calibrate}
    jmp 78f
78:
    .endm
    .macro MEASURE record, event
    mov eax, \event
    lea rcx, [rip + trace_no_partner]
    ONCE \record
    ONCE \record
    RECORD_BARE
    .endm

    /* In place of the jump to `leave_kernel` by which a CPU goes to user mode for the first time; rax is the frame. */
    .section .trace.calibrate, "ax"
    .balign 16
    .globl trace_first_exit
trace_first_exit:
    mov r15, rax
    /* It may go to the stub that saves vector registers, which is not to be seen. */
    movzx r14d, byte ptr gs:[{in_stub}]
    mov byte ptr gs:[{in_stub}], 0
    /* What SWAPGS swaps is the same for now. */
    mov ecx, {user_gs}
    rdmsr
    mov r12d, eax
    mov r13d, edx
    mov eax, gs:[0]
    mov edx, gs:[4]
    wrmsr
    /* An end of a frame, and above it what the processor would have pushed: from user mode, no error, no known address. All of nobody's, thread 0. */
    sub rsp, 64
    xor eax, eax
    mov [rsp + {id}], rax
    mov [rsp + {pushed_error} + {id}], rax
    mov [rsp + 8 + {pushed_error} + {id}], rax
    mov [rsp + 8], rax
    mov qword ptr [rsp + 16], 3
    mov qword ptr [rsp + 24], 3
    mov eax, {enter_page_fault}
    mov cr2, rax
    mov ebx, {rounds}
1:  MEASURE RECORD_SYSCALL, {enter_syscall}
    mov edi, {enter_trap}
    MEASURE RECORD_TRAP, {enter_trap}
    MEASURE RECORD_PAGE_FAULT, {enter_page_fault}
    MEASURE RECORD_COMMIT, {commit}
    MEASURE RECORD_EXIT, {exit}
    mov edi, {no_exception} + {idle_interrupt}
    MEASURE RECORD_IDLE, {idle_interrupt}
    dec ebx
    jnz 1b
    add rsp, 64
    mov ecx, {user_gs}
    mov eax, r12d
    mov edx, r13d
    wrmsr
    mov gs:[{in_stub}], r14b
    mov rax, r15
    jmp leave_kernel

    .section .trace.data, "a"
    .balign 8
    /* The host writes it. */
trace_rings:
    .quad 0
    /* As if a TCB began here. */
trace_no_partner:
    .quad {commit}
    "#,
    free = const word(offset_of!(State, free)),
    ring = const word(offset_of!(State, ring)),
    tag = const word(offset_of!(State, tag)),
    rax = const word(offset_of!(State, rax)),
    rdx = const word(offset_of!(State, rdx)),
    rcx = const word(offset_of!(State, rcx)),
    r11 = const word(offset_of!(State, r11)),
    refill_rax = const word(offset_of!(State, refill_rax)),
    refill_rdx = const word(offset_of!(State, refill_rdx)),
    found = const word(offset_of!(State, found)),
    refill_full = const word(offset_of!(State, full)),
    index = const CPU_INDEX,
    rsp0 = const CPU_RSP0,
    in_stub = const CPU_IN_STUB,
    id = const ID,
    partner_id = const offset_of!(Thread, id),
    pushed_error = const PUSHED_ERROR,
    pushed_rcx = const offset_of!(Frame, entry) - offset_of!(Frame, rcx),
    pushed_r11 = const offset_of!(Frame, entry) - offset_of!(Frame, r11),
    gate = const GATE,
    capacity = const CAPACITY,
    doorbell = const DOORBELL_EVERY,
    records = const RECORDS,
    record_shift = const Record::SIZE.trailing_zeros(),
    ring_shift = const RING_SIZE.trailing_zeros(),
    read = const offset_of!(Ring, read),
    dropped = const offset_of!(Ring, dropped),
    thread = const offset_of!(Record, thread),
    tsc = const offset_of!(Record, tsc),
    argument = const offset_of!(Record, argument),
    port = const TRACE,
    tail = const SITE_MAX + JUMP,
    fill = const FILL,
    rounds = const ROUNDS,
    no_exception = const NO_EXCEPTION,
    user_gs = const MSR_KERNEL_GS_BASE,
    enter_syscall = const Event::ENTER_SYSCALL.0,
    enter_trap = const Event::ENTER_TRAP.0,
    enter_page_fault = const Event::ENTER_PAGE_FAULT.0,
    commit = const Event::COMMIT.0,
    exit = const Event::EXIT.0,
    idle_interrupt = const Event::IDLE_INTERRUPT.0,
    calibrate = const Event::CALIBRATE.0,
);

const _: () = assert!(RING_SIZE.is_power_of_two() && DOORBELL_EVERY.is_power_of_two());

unsafe extern "C" {
    // From the linker script.
    static trace_sites: u8;
    static trace_sites_end: u8;
    static trace_stubs: u8;
    static trace_stubs_end: u8;
    static trace_rings: u8;
}

// SAFETY: nothing else has this name: it is found by the host.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".trace.table")]
#[used]
#[allow(non_upper_case_globals)]
static ukernel_trace_sites: SiteTable<Address> = SiteTable {
    magic: MAGIC,
    version: VERSION,
    sites: Address::of(&raw const trace_sites),
    sites_end: Address::of(&raw const trace_sites_end),
    stubs: Address::of(&raw const trace_stubs),
    stubs_end: Address::of(&raw const trace_stubs_end),
    rings: Address::of(&raw const trace_rings),
    physmap: PHYSMAP,
    physmap_size: PHYSMAP_SIZE,
};
