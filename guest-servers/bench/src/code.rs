//! The loops, in assembler: it has to be known what each round executes.
//!
//! A client gets the number of rounds in rbp and an argument in r15, which the kernel both keeps, and ends with UD2, the ticks it
//! took in rax. The first instruction of a round does not fault, or one could not tell a round's begin. All of it lies in pages of this server's image that puppets get at the same address.

use core::arch::global_asm;
use core::ops::Range;
use ukernel_abi::call::{Timeouts, task_new, unmap};
use ukernel_abi::layout::{GATE, utcb};
use ukernel_abi::msg::StringItem;
use ukernel_abi::utcb::Utcb;
use ukernel_abi::{Call, Fpage, Label, Rights, Tag};
use userlib::{Status, ThreadId, ipc};
use vmm_abi::ports::UART;

/// Reply and wait: a client that does not wait is not waited for.
const REPLY: u64 = Timeouts::new(ipc::NOW, ipc::NEVER).0;
/// An `ipc` that sends one item.
const ITEM: u64 = Call::Ipc.rax() | Tag::new(Label(0), 0, 1).to_rax();
/// Lengths of strings.
const LONG: u64 = 4096;
const SHORT: u64 = 8;
/// Number of a Linux call that every program makes; nobody looks at it.
const GETPID: u64 = 39;
/// Kernel memory of a task that does nothing, in frames.
const FRAMES: u64 = 16;
/// Interrupt identification register of a 16550; reading it ends the interrupt of an empty transmitter.
const UART_IDENTIFICATION: u16 = UART + 2;

global_asm!(
    r#"
    .macro CLIENT name
    .globl client_\name
client_\name:
    rdtsc
    shl rdx, 32
    or rax, rdx
    push rax
    .globl loop_\name
loop_\name:
    .endm

    .macro END name
    dec rbp
    jnz loop_\name
    rdtsc
    shl rdx, 32
    or rax, rdx
    pop rcx
    sub rax, rcx
    ud2
    .endm

    .macro L4 call
    mov eax, \call
    movabs r11, {gate}
    call r11
    .endm

    /* A call to the thread r15. */
    .macro CALL
    mov r12, r15
    mov r13, r15
    movabs r14, {never}
    L4 {ipc}
    .endm

    .section .text.puppet, "ax"
    .balign 4096
    .globl puppet_code
puppet_code:

    CLIENT ipc_inter
    CALL
    END ipc_inter

    CLIENT ipc_intra
    CALL
    END ipc_intra

    CLIENT id_nearest
    xor r12d, r12d
    L4 {id_nearest}
    END id_nearest

    CLIENT switch
    mov r12, r15
    L4 {thread_switch}
    END switch

    CLIENT foreign
    mov eax, {getpid}
    syscall
    END foreign

    /* To the trampoline and back. */
    CLIENT reflected
    mov eax, {getpid}
    syscall
    END reflected

    .globl puppet_trampoline
puppet_trampoline:
    jmp rcx

    /* Calls the thread r15 with a string that is described by `item`. */
    .macro STRING name, item
    CLIENT \name
    lea rbx, [rip + puppet_code]
    mov edi, \item
    movabs rax, {item_call}
    mov r12, r15
    mov r13, r15
    movabs r14, {never}
    movabs r11, {gate}
    call r11
    END \name
    .endm
    STRING string_long, {long}
    STRING string_short, {short}

    /* Receives strings in the page r15 from now on. */
    .globl puppet_buffer
puppet_buffer:
    mov byte ptr [r15], 0
    movabs rax, {buffers}
    mov [rax], r15
    mov qword ptr [rax + 8], {long}
    movabs rax, {buffer_count}
    mov qword ptr [rax], 1
    ud2

    /* Writes to the page r15, which is not there, and gives it back. */
    CLIENT fault
    nop
    mov byte ptr [r15], 1
    lea rbx, [r15 + {page}]
    mov edi, {flush}
    xor r12d, r12d
    L4 {fpage_unmap}
    END fault

    /* The transmitter is empty as soon as it has got a byte, and interrupts. That it is asked makes it do so again. */
    CLIENT interrupt
    mov edx, {uart}
    xor eax, eax
    out dx, al
    mov edx, {identification}
    in al, dx
    END interrupt

    /* A task that never runs, whose pager and handler is r15. */
    CLIENT task
    mov ebx, {stopped}
    xor edi, edi
    xor esi, esi
    mov rdx, r15
    mov r10, r15
    mov r8d, {frames}
    xor r9d, r9d
    xor r12d, r12d
    L4 {task_new}
    mov ebx, {delete}
    L4 {task_new}
    END task

    /* Makes its stack and this code be there. */
    .globl puppet_touch
puppet_touch:
    push rax
    pop rax
    ud2

    /* Takes port items from the thread r15. */
    .globl puppet_accept
puppet_accept:
    movabs rax, {io_window}
    mov qword ptr [rax], {any_device}
    xor r12d, r12d
    mov r13, r15
    movabs r14, {never}
    L4 {ipc}
    ud2

    /* Answers everybody. */
    .globl puppet_serve
puppet_serve:
    xor r12d, r12d
1:  mov r13, {any}
    movabs r14, {reply}
    L4 {ipc}
    jmp 1b

    /* Switches back and forth with the thread r15. */
    .globl puppet_switch
puppet_switch:
    mov r12, r15
    L4 {thread_switch}
    jmp puppet_switch

    .balign 4096
    .globl puppet_code_end
puppet_code_end:

    .text
    .macro KEEP
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    .endm
    .macro RETURN
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
    .endm

    /* Answers foreign calls until something else comes, and returns its first word. */
    .globl serve_foreign
serve_foreign:
    KEEP
    xor r12d, r12d
1:  mov r13, {any}
    movabs r14, {reply}
    L4 {ipc}
    shr rax, 48
    cmp eax, {label_foreign}
    je 1b
    mov rax, rbx
    RETURN

    /* Answers page faults by mapping the flexpage rdi, until something else comes, and returns its first word. */
    .globl serve_faults
serve_faults:
    KEEP
    mov r15, rdi
    xor r12d, r12d
    mov eax, {ipc}
1:  mov r13, {any}
    movabs r14, {reply}
    movabs r11, {gate}
    call r11
    shr rax, 48
    cmp eax, {label_fault}
    jne 2f
    mov rdi, rbx
    mov rbx, r15
    movabs rax, {map}
    jmp 1b
2:  mov rax, rbx
    RETURN

    /* Takes interrupts until something else comes, and returns its first word. */
    .globl serve_interrupts
serve_interrupts:
    KEEP
1:  xor r12d, r12d
    mov r13, {any}
    movabs r14, {never}
    L4 {ipc}
    shr rax, 48
    cmp eax, {label_interrupt}
    je 1b
    mov rax, rbx
    RETURN
    "#,
    gate = const GATE,
    never = const Timeouts::ALL_NEVER.0,
    reply = const REPLY,
    any = const ThreadId::ANY.0 as i64,
    ipc = const Call::Ipc.rax(),
    id_nearest = const Call::IdNearest.rax(),
    fpage_unmap = const Call::FpageUnmap.rax(),
    thread_switch = const Call::ThreadSwitch.rax(),
    task_new = const Call::TaskNew.rax(),
    map = const ITEM,
    item_call = const ITEM,
    long = const StringItem::new(0, LONG).word,
    short = const StringItem::new(0, SHORT).word,
    buffers = const utcb(0) + core::mem::offset_of!(Utcb, buffers) as u64,
    buffer_count = const utcb(0) + core::mem::offset_of!(Utcb, buffer_count) as u64,
    label_foreign = const Label::FOREIGN.0,
    label_fault = const Label::PAGE_FAULT.0,
    label_interrupt = const Label::INTERRUPT.0,
    getpid = const GETPID,
    page = const Fpage::memory(0, 12, Rights::RWX).0,
    flush = const unmap::FLUSH,
    uart = const UART,
    identification = const UART_IDENTIFICATION,
    stopped = const task_new::STOPPED,
    delete = const task_new::DELETE,
    frames = const FRAMES,
    any_device = const Fpage::ports(0, 16).0,
    io_window = const utcb(0) + core::mem::offset_of!(Utcb, io_window) as u64,
);

unsafe extern "C" {
    static puppet_code: u8;
    static puppet_code_end: u8;
    fn serve_foreign() -> u64;
    fn serve_faults(page: u64) -> u64;
    fn serve_interrupts() -> u64;
}

/// The pages that puppets run in.
pub fn pages() -> Range<u64> {
    &raw const puppet_code as u64..&raw const puppet_code_end as u64
}

/// Names a piece of code for [`Code`].
macro_rules! pieces {
    ($($name:ident = $symbol:ident,)*) => {
        unsafe extern "C" { $(static $symbol: u8;)* }

        /// What a puppet can do.
        #[derive(Clone, Copy)]
        pub enum Code { $($name,)* }

        impl Code {
            pub fn address(self) -> u64 {
                match self { $(Self::$name => &raw const $symbol as u64,)* }
            }
        }
    };
}

pieces! {
    IpcInter = client_ipc_inter,
    IpcIntra = client_ipc_intra,
    IdNearest = client_id_nearest,
    Switch = client_switch,
    Foreign = client_foreign,
    Reflected = client_reflected,
    StringLong = client_string_long,
    StringShort = client_string_short,
    Fault = client_fault,
    Interrupt = client_interrupt,
    Task = client_task,
    Touch = puppet_touch,
    Accept = puppet_accept,
    Buffer = puppet_buffer,
    Serve = puppet_serve,
    SwitchBack = puppet_switch,
    Trampoline = puppet_trampoline,
}

/// What this server does while a client goes through its loop.
#[derive(Clone, Copy)]
pub enum Service {
    /// Waits for the end.
    None,
    /// Answers the client's foreign calls.
    Foreign,
    /// Answers the client's page faults with this page.
    Faults(Fpage),
    /// Takes interrupts, of whatever line.
    Interrupts,
}

impl Service {
    /// Serves until something comes that is nothing to serve, and returns the first word of that message if there was one.
    pub fn serve(self) -> Option<u64> {
        // SAFETY: the loops keep what the C ABI says. The kernel changes this task's memory by none of the messages: there is
        // no receive window.
        unsafe {
            match self {
                Self::None => None,
                Self::Foreign => Some(serve_foreign()),
                Self::Faults(page) => Some(serve_faults(page.0)),
                Self::Interrupts => Some(serve_interrupts()),
            }
        }
    }
}

/// Whether a call went well.
pub fn done(status: Option<Status>) -> Result<(), Status> {
    match status {
        Some(Status::Ok) => Ok(()),
        other => Err(other.unwrap_or(Status::BadArgument)),
    }
}
