//! What a signal handler finds on its stack: `struct rt_sigframe` (Linux `arch/x86/include/asm/sigframe.h`,
//! `arch/x86/include/uapi/asm/sigcontext.h`).
//!
//! ```text
//!      0  return address: the restorer, which calls rt_sigreturn
//!      8  ucontext: flags, link, stack_t
//!     48    sigcontext: r8–r15 rdi rsi rbp rbx rdx rax rcx rsp rip rflags, segments, err trapno oldmask cr2, fpstate
//!    304    signal mask
//!    312  siginfo
//!    440  end; the FXSAVE area lies above, at the next multiple of 64
//! ```
//!
//! The frame lies 128 bytes (the red zone of the psABI) below the interrupted stack pointer, and such that the stack is
//! aligned as after a call.

use super::action::{SA_ONSTACK, SigAction};
use super::altstack::{AltStack, STACK_T_SIZE};
use super::info::{SIGINFO_SIZE, SigInfo};
use super::set::{SigSet, Signal};
use crate::bytes::{put_u16, put_u32, put_u64, u32_at, u64_at};
use crate::errno::Errno;
use crate::machine::ThreadState;
use crate::mm::user::UserMemory;
use alloc::boxed::Box;
use ukernel_abi::utcb::{FPU_BYTES, FpuState, Regs};

const UC_FLAGS: usize = 8;
const UC_STACK: usize = 24;
const MCONTEXT: usize = 48;
const SEGMENTS: usize = MCONTEXT + 18 * 8;
const FAULT: usize = SEGMENTS + 8;
const FPSTATE: usize = FAULT + 32;
const UC_MASK: usize = 304;
const SIGINFO: usize = 312;
const FRAME_SIZE: usize = SIGINFO + SIGINFO_SIZE;

const RED_ZONE: u64 = 128;
/// `UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS`: the stack segment is in the frame.
const UC_FLAGS_VALUE: u64 = 6;
const USER_CS: u16 = 0x33;
const USER_SS: u16 = 0x2b;
const DF: u64 = 1 << 10;
const TF: u64 = 1 << 8;
const RF: u64 = 1 << 16;
/// Offset of MXCSR in the FXSAVE area, and the bits that it may have.
const MXCSR: usize = 24;
const MXCSR_BITS: u32 = 0xffff;

const _: () = assert!(FRAME_SIZE == 440);
const _: () = assert!(FPSTATE == 232);

/// The last exception of a thread, as a handler sees it.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct LastFault {
    pub vector: u64,
    pub code: u64,
    pub cr2: u64,
}

/// Registers in the order of `struct sigcontext`.
fn sigcontext(r: &mut Regs) -> [&mut u64; 18] {
    [
        &mut r.r8,
        &mut r.r9,
        &mut r.r10,
        &mut r.r11,
        &mut r.r12,
        &mut r.r13,
        &mut r.r14,
        &mut r.r15,
        &mut r.rdi,
        &mut r.rsi,
        &mut r.rbp,
        &mut r.rbx,
        &mut r.rdx,
        &mut r.rax,
        &mut r.rcx,
        &mut r.rsp,
        &mut r.rip,
        &mut r.rflags,
    ]
}

/// Puts a frame onto the program's stack and changes `state` such that it goes on in the handler. EFAULT if the stack
/// cannot be written; nothing has changed then.
pub fn push(
    memory: &UserMemory,
    state: &mut ThreadState,
    info: &SigInfo,
    action: &SigAction,
    mask: SigSet,
    alt: AltStack,
    fault: LastFault,
) -> Result<(), Errno> {
    let interrupted = state.regs;
    let mut sp = interrupted.rsp.wrapping_sub(RED_ZONE);
    if action.has(SA_ONSTACK) && alt.is_enabled() && !alt.contains(interrupted.rsp) {
        sp = alt.top();
    }
    let fpstate = sp.wrapping_sub(FPU_BYTES as u64) & !63;
    let base = (fpstate.wrapping_sub(FRAME_SIZE as u64) & !15).wrapping_sub(8);

    let mut frame = [0; FRAME_SIZE];
    put_u64(&mut frame, 0, action.restorer);
    put_u64(&mut frame, UC_FLAGS, UC_FLAGS_VALUE);
    frame[UC_STACK..UC_STACK + STACK_T_SIZE].copy_from_slice(&alt.to_bytes(interrupted.rsp));
    let mut copy = interrupted;
    for (i, reg) in sigcontext(&mut copy).into_iter().enumerate() {
        put_u64(&mut frame, MCONTEXT + 8 * i, *reg);
    }
    put_u16(&mut frame, SEGMENTS, USER_CS);
    put_u16(&mut frame, SEGMENTS + 6, USER_SS);
    put_u64(&mut frame, FAULT, fault.code);
    put_u64(&mut frame, FAULT + 8, fault.vector);
    put_u64(&mut frame, FAULT + 16, mask.0);
    put_u64(&mut frame, FAULT + 24, fault.cr2);
    put_u64(&mut frame, FPSTATE, fpstate);
    put_u64(&mut frame, UC_MASK, mask.0);
    frame[SIGINFO..].copy_from_slice(&info.to_bytes());
    memory.write(fpstate, &state.fpu.0).map_err(|_| Errno::EFAULT)?;
    memory.write(base, &frame).map_err(|_| Errno::EFAULT)?;

    state.regs = Regs {
        rip: action.handler,
        rsp: base,
        rdi: info.signal.number() as u64,
        rsi: base + SIGINFO as u64,
        rdx: base + 8,
        rax: 0,
        rflags: interrupted.rflags & !(DF | TF | RF),
        ..interrupted
    };
    state.fpu = FpuState::INIT;
    Ok(())
}

/// What rt_sigreturn goes back to.
pub struct Restored {
    pub state: Box<ThreadState>,
    pub mask: SigSet,
    pub alt: Result<AltStack, Errno>,
}

/// Takes the frame apart that lies just below `sp` (the restorer's `ret` has popped its first word).
pub fn pop(memory: &UserMemory, sp: u64) -> Result<Restored, Errno> {
    let frame: [u8; FRAME_SIZE] = memory.read_array(sp.wrapping_sub(8))?;
    let mut state = Box::new(ThreadState::new(Regs::default()));
    for (i, reg) in sigcontext(&mut state.regs).into_iter().enumerate() {
        *reg = u64_at(&frame, MCONTEXT + 8 * i);
    }
    let fpstate = u64_at(&frame, FPSTATE);
    if fpstate != 0 {
        let fpu = &mut state.fpu.0;
        memory.read(fpstate, fpu)?;
        // Reserved bits would make the processor refuse the state.
        let mxcsr = u32_at(fpu, MXCSR) & MXCSR_BITS;
        put_u32(fpu, MXCSR, mxcsr);
    }
    let mut stack = [0; STACK_T_SIZE];
    stack.copy_from_slice(&frame[UC_STACK..UC_STACK + STACK_T_SIZE]);
    let mask = SigSet(u64_at(&frame, UC_MASK)).without(Signal::UNBLOCKABLE);
    Ok(Restored { state, mask, alt: AltStack::from_bytes(&stack) })
}
