//! A program's registers, wherever in its trampoline the thread is.
//!
//! | where it is | what the program sees |
//! |---|---|
//! | while registers are being saved | the system call has not been made yet: back to the instruction that makes it |
//! | before the gate has been passed | the same, with registers from the save area |
//! | in the server's hands | registers from the save area, behind the instruction |
//! | behind the gate | the same, with the call's result |
//!
//! To make a call again that has not been made is no trouble: nobody has heard of it.

use super::Trampoline;
use super::area::{offset_in_code, save_area};
use super::code::{Register, SAVED};
use crate::bytes::u64_at;
use crate::errno::Errno;
use crate::machine::ThreadState;
use crate::mm::PAGE;
use crate::mm::user::UserMemory;
use crate::process::{Process, Thread};
use crate::server::Server;
use crate::signal::deliver::SYSCALL_LEN;
use alloc::boxed::Box;
use ukernel_abi::layout::GATE;
use ukernel_abi::utcb::Regs;

/// What a thread is doing, as far as its registers are concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doing {
    /// It waits for the answer to a system call.
    Call,
    /// It runs, or waits for the answer to a fault.
    Running,
}

impl Server {
    /// The whole state of a thread, as its program sees it.
    pub fn program_state(
        &self,
        thread: &Thread,
        process: &Process,
        doing: Doing,
    ) -> Result<Box<ThreadState>, Errno> {
        let mut state = self.machine.state(thread.l4.get())?;
        self.put_outside(thread, process, doing, &mut state.regs)?;
        Ok(state)
    }

    /// A thread's registers, as its program sees them.
    pub fn program_regs(&self, thread: &Thread, process: &Process, doing: Doing) -> Result<Regs, Errno> {
        let (_, mut regs) = self.machine.regs(thread.l4.get())?;
        self.put_outside(thread, process, doing, &mut regs)?;
        Ok(regs)
    }

    /// Makes a thread's registers those that its program sees.
    fn put_outside(
        &self,
        thread: &Thread,
        process: &Process,
        doing: Doing,
        regs: &mut Regs,
    ) -> Result<(), Errno> {
        if let Some(trampoline) = &self.trampoline {
            let memory = UserMemory::new(process);
            *regs = trampoline.outside(regs, doing, &memory, thread.l4.get().lthread())?;
        }
        Ok(())
    }
}

/// Where in the trampoline a thread is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Outside,
    Saving,
    BeforeCall,
    InCall,
    AfterCall { result: u64 },
}

impl Trampoline {
    fn outside(&self, l4: &Regs, doing: Doing, memory: &UserMemory, lthread: u16) -> Result<Regs, Errno> {
        let made_again = |regs: Regs| Regs { rip: regs.rcx.wrapping_sub(SYSCALL_LEN), ..regs };
        match self.place(l4, doing) {
            Place::Outside => Ok(*l4),
            Place::Saving => Ok(made_again(*l4)),
            Place::BeforeCall => Ok(made_again(saved(l4, memory, lthread)?)),
            Place::InCall => saved(l4, memory, lthread),
            Place::AfterCall { result } => Ok(Regs { rax: result, ..saved(l4, memory, lthread)? }),
        }
    }

    /// Whether an instruction is the trampoline's or the gate's.
    pub fn holds(&self, ip: u64) -> bool {
        offset_in_code(ip).is_some() || (GATE..GATE + PAGE).contains(&ip)
    }

    fn place(&self, l4: &Regs, doing: Doing) -> Place {
        let in_gate = l4.rip.checked_sub(GATE).filter(|offset| *offset < PAGE);
        match (offset_in_code(l4.rip), in_gate) {
            (None, Some(_)) if doing == Doing::Call => Place::InCall,
            (Some(at), _) if at < self.layout.saved => Place::Saving,
            (Some(at), _) if at < self.layout.returned => Place::BeforeCall,
            (Some(at), _) if at == self.layout.returned => Place::AfterCall { result: l4.rbx },
            (Some(at), _) if at < self.layout.end => Place::AfterCall { result: l4.rax },
            (_, Some(0)) => Place::BeforeCall,
            (_, Some(_)) => Place::AfterCall { result: l4.rbx },
            _ => Place::Outside,
        }
    }
}

/// The registers behind the call, with its number in rax.
fn saved(l4: &Regs, memory: &UserMemory, lthread: u16) -> Result<Regs, Errno> {
    let words: [u8; 8 * SAVED.len()] = memory.read_array(save_area(lthread))?;
    let mut regs = *l4;
    for (n, register) in SAVED.into_iter().enumerate() {
        *register_of(&mut regs, register) = u64_at(&words, 8 * n);
    }
    regs.rip = regs.rcx;
    Ok(regs)
}

pub fn register_of(regs: &mut Regs, register: Register) -> &mut u64 {
    match register {
        Register::Rax => &mut regs.rax,
        Register::Rcx => &mut regs.rcx,
        Register::Rdx => &mut regs.rdx,
        Register::Rbx => &mut regs.rbx,
        Register::Rsp => &mut regs.rsp,
        Register::Rsi => &mut regs.rsi,
        Register::Rdi => &mut regs.rdi,
        Register::R8 => &mut regs.r8,
        Register::R9 => &mut regs.r9,
        Register::R10 => &mut regs.r10,
        Register::R11 => &mut regs.r11,
        Register::R12 => &mut regs.r12,
        Register::R13 => &mut regs.r13,
        Register::R14 => &mut regs.r14,
    }
}
