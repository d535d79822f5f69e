//! How the processor enters the fast path, and what must be true where it is left (SDM vol. 2, SYSCALL and SYSRET; vol. 3, 6.12 and 6.14).

use iced_x86::Instruction;
use ukernel_abi::utcb::Regs;
use ukernel_core::thread::{FRAME_END, ThreadRef};

use super::code::Out;
use super::machine::{End, Machine, RSP, STACK, STACK_WORDS};
use super::memory::{frame_end, thread_at};
use super::{Cost, Exit, Fast};
use crate::rig::{Kernel, registers};

/// RFLAGS that SYSRET takes from R11 (SDM vol. 2, SYSRET); bit 1 is always set.
const SYSRET_FLAGS: u64 = 0x3c_7fd7;
/// RFLAGS.DF.
const DIRECTION: u64 = 1 << 10;
/// What an exception with an error code pushes: ss, rsp, rflags, cs, rip, the code.
const PUSHED: usize = 6;
/// A code selector of kernel mode.
const KERNEL_CS: u64 = 0x8;

/// SYSCALL by `me`, which runs, with these registers.
pub fn syscall(fast: &Fast, kernel: &Kernel, me: ThreadRef, user: &Regs) -> Exit {
    let mut regs = numbered(user);
    (regs[1], regs[11]) = (user.rip, user.rflags);
    let mut machine = Machine::new(fast, kernel, me, fast.code.syscall_entry, regs);
    match machine.run() {
        End::Out(Out::Syscall) => machine.syscall_slow(user),
        End::Out(out) => panic!("a system call ends as {out:?}"),
        end => machine.leave(end, user),
    }
}

/// Page fault of `me`, which runs, with these registers, at `addr`.
pub fn page_fault(fast: &Fast, kernel: &Kernel, me: ThreadRef, user: &Regs, addr: u64) -> Exit {
    let frame = &me.frame;
    for (cell, value) in [
        (&frame.ss, user.ss),
        (&frame.rsp, user.rsp),
        (&frame.rflags, user.rflags),
        (&frame.cs, user.cs),
        (&frame.rip, user.rip),
        (&frame.entry, user.entry),
    ] {
        cell.set(value);
    }
    let mut machine = Machine::at_page_fault(fast, kernel, me, user, addr);
    machine.regs[RSP] = frame_end(me) - 8 * PUSHED as u64;
    match machine.run() {
        End::Out(Out::PageFault) => {
            machine.page_fault_slow();
            assert!(machine.rsp0 == frame_end(me) && machine.cr3 == me.cr3.get());
            assert_eq!(registers(me), *user, "the frame that `page_fault_slow` finds");
            Exit::Slow(*user)
        }
        End::Out(out) => panic!("a page fault ends as {out:?}"),
        end => {
            let exit = machine.leave(end, user);
            if let Exit::User(pager, _) = &exit {
                let unused = [pager.r8, pager.r9, pager.r10, pager.r13, pager.r14];
                assert_eq!(unused, [0; 5], "registers that hold nothing for the pager");
                assert_eq!((pager.rcx, pager.r11), (pager.rip, pager.rflags), "as after a system call");
            }
            exit
        }
    }
}

/// Page fault while the FPU's stub runs in place of `me`: it is the stub's, on whose frame everything is saved.
pub fn page_fault_in_stub(fast: &Fast, kernel: &Kernel, me: ThreadRef, user: &Regs, addr: u64) {
    let mut machine = Machine::at_page_fault(fast, kernel, me, user, addr);
    let mut frame = [0; STACK_WORDS];
    frame[STACK_WORDS - PUSHED..].copy_from_slice(&pushed(user));
    (machine.in_stub, machine.stack) = (true, Some(frame));
    machine.rsp0 = STACK + 8 * STACK_WORDS as u64;
    machine.regs[RSP] = machine.rsp0 - 8 * PUSHED as u64;
    assert!(
        matches!(machine.run(), End::Out(Out::PageFault)),
        "a page fault of the stub's is taken for a thread's"
    );
    machine.page_fault_slow();
}

/// Page fault in kernel mode, with these registers: nothing is changed.
pub fn page_fault_in_kernel(fast: &Fast, kernel: &Kernel, me: ThreadRef, regs: &Regs, addr: u64) {
    let mut machine = Machine::at_page_fault(fast, kernel, me, regs, addr);
    let mut stack = [0; STACK_WORDS];
    stack[STACK_WORDS - PUSHED..].copy_from_slice(&pushed(&Regs { cs: KERNEL_CS, ..*regs }));
    (machine.kernel_gs, machine.stack) = (true, Some(stack));
    machine.regs[RSP] = STACK + 8 * (STACK_WORDS - PUSHED) as u64;
    let before = machine.regs;
    assert!(
        matches!(machine.run(), End::Out(Out::PageFaultInKernel)),
        "a page fault of the kernel's is a thread's"
    );
    assert!(machine.kernel_gs && machine.regs == before && machine.stack == Some(stack));
}

impl<'a> Machine<'a> {
    /// Where RSP leads is not said yet.
    fn at_page_fault(fast: &'a Fast, kernel: &'a Kernel, me: ThreadRef, user: &Regs, addr: u64) -> Self {
        let mut machine = Self::new(fast, kernel, me, fast.code.page_fault_entry, numbered(user));
        machine.cr2 = addr;
        machine.backwards = user.rflags & DIRECTION != 0;
        machine
    }

    /// At `syscall_slow`.
    fn syscall_slow(&self, user: &Regs) -> Exit {
        assert!(self.kernel_gs && self.rsp0 == frame_end(self.me) && self.cr3 == self.me.cr3.get());
        assert_eq!(self.regs[RSP], self.rsp0, "rsp is the end of the caller's frame");
        let frame = &self.me.frame;
        // As `syscall_slow` takes them: rcx and r11 from the frame, where rsp is too.
        let (rip, rflags, rsp) = (frame.rip.get(), frame.rflags.get(), frame.rsp.get());
        assert_eq!((rip, rflags), (user.rip, user.rflags));
        let mut regs = self.user_regs(user, rip, rflags, rsp);
        (regs.rcx, regs.r11) = (rip, rflags);
        Exit::Slow(regs)
    }

    /// At `page_fault_slow`, from where it goes on in Rust.
    fn page_fault_slow(&self) {
        assert!(self.kernel_gs && !self.backwards);
    }

    /// To user mode; `user` came in.
    fn leave(&self, end: End, user: &Regs) -> Exit {
        match end {
            End::Out(out) => panic!("{out:?} is no way to user mode"),
            End::Sysret(i) => {
                let (rip, rflags) = (self.regs[1], self.regs[11] & SYSRET_FLAGS | 2);
                assert!(rip < 1 << 47, "SYSRET to {rip:#x}");
                self.exit(&i, self.user_regs(user, rip, rflags, self.regs[RSP]))
            }
            End::Iret(i) => {
                let word = |n: u64| self.load(&i, self.regs[RSP] + 8 * n, 8);
                let (rip, selectors, rflags, rsp) = (word(0), (word(1), word(4)), word(2), word(3));
                assert_eq!(selectors, (user.cs, user.ss), "selectors in the frame");
                self.exit(&i, self.user_regs(user, rip, rflags, rsp))
            }
        }
    }

    /// Into user mode: everything of the CPU must be that of one thread.
    fn exit(&self, i: &Instruction, regs: Regs) -> Exit {
        self.fast.exits.borrow_mut().insert(i.ip());
        let cost = self.fast.cost.get();
        self.fast.cost.set(Cost { calls: cost.calls + 1, ..cost });
        assert!(!self.kernel_gs, "user mode has the kernel's GS");
        let (running, offset) = thread_at(self.kernel, self.rsp0);
        let running = running.expect("a thread runs");
        assert_eq!(offset, FRAME_END, "rsp0 is the end of a frame");
        assert_eq!(self.cr3, running.cr3.get(), "user mode runs in its own space");
        assert_eq!(running.cpu.get(), self.me.cpu.get(), "a thread runs on its own CPU");
        let fpu_is_its = self.kernel.fpu_owner.get().is_some_and(|owner| core::ptr::eq(owner, running));
        assert!(fpu_is_its || !running.uses_fpu.get(), "a program runs with another's FPU state");
        Exit::User(regs, running)
    }

    fn user_regs(&self, user: &Regs, rip: u64, rflags: u64, rsp: u64) -> Regs {
        let [rax, rcx, rdx, rbx, _, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15] = self.regs;
        let (cs, ss, entry) = (user.cs, user.ss, 0);
        Regs {
            r15,
            r14,
            r13,
            r12,
            rbp,
            rbx,
            r11,
            r10,
            r9,
            r8,
            rax,
            rcx,
            rdx,
            rsi,
            rdi,
            entry,
            rip,
            cs,
            rflags,
            rsp,
            ss,
        }
    }
}

/// General registers in the order of their numbers.
fn numbered(r: &Regs) -> [u64; 16] {
    [
        r.rax, r.rcx, r.rdx, r.rbx, r.rsp, r.rbp, r.rsi, r.rdi, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13,
        r.r14, r.r15,
    ]
}

/// What an exception with an error code pushes, upwards.
fn pushed(r: &Regs) -> [u64; PUSHED] {
    [r.entry, r.rip, r.cs, r.rflags, r.rsp, r.ss]
}
