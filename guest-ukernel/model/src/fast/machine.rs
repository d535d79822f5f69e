//! An interpreter for the few instructions that the fast path is made of (SDM vol. 2).
//!
//! It is strict: an instruction, an operand or a piece of memory that it does not know, a flag that is not defined, and GS used when its base is the
//! user's end the run.

use iced_x86::{Instruction, MemorySize, Mnemonic, OpKind, Register};
use ukernel_abi::utcb::{Regs, RunState};
use ukernel_core::thread::{FRAME_END, ThreadRef};

use super::memory::{self, TCBS, frame_end, tcb_address, thread_at};
use super::{Cost, Exit, Fast};
use crate::cpu::*;
use crate::rig::Kernel;

/// Where the CPU's structure is.
const CPU: u64 = 0xffff_c080_0000_0000;
/// RFLAGS that SYSRET takes from R11 (SDM vol. 2, SYSRET); bit 1 is always set.
const SYSRET_FLAGS: u64 = 0x3c_7fd7;
/// More instructions than the fast path has.
const LIMIT: usize = 500;

/// Flags; none where an instruction leaves them undefined.
#[derive(Clone, Copy, Default)]
struct Flags {
    zero: Option<bool>,
    carry: Option<bool>,
    sign: Option<bool>,
}

pub struct Machine<'a> {
    fast: &'a Fast,
    kernel: &'a Kernel,
    me: ThreadRef,
    /// In the order of their numbers.
    regs: [u64; 16],
    rip: u64,
    user_rip: u64,
    user_flags: u64,
    selectors: (u64, u64),
    flags: Flags,
    kernel_gs: bool,
    cr3: u64,
    rsp0: u64,
    scratch: u64,
}

impl<'a> Machine<'a> {
    /// As SYSCALL leaves the processor.
    pub fn new(fast: &'a Fast, kernel: &'a Kernel, me: ThreadRef, r: &Regs) -> Self {
        let regs = [
            r.rax, r.rip, r.rdx, r.rbx, r.rsp, r.rbp, r.rsi, r.rdi, r.r8, r.r9, r.r10, r.rflags, r.r12,
            r.r13, r.r14, r.r15,
        ];
        Self {
            fast,
            kernel,
            me,
            regs,
            rip: fast.code.entry,
            user_rip: r.rip,
            user_flags: r.rflags,
            selectors: (r.cs, r.ss),
            flags: Flags::default(),
            kernel_gs: false,
            cr3: me.cr3.get(),
            rsp0: frame_end(me),
            scratch: 0,
        }
    }

    pub fn run(mut self) -> Exit {
        for _ in 0..LIMIT {
            if self.rip == self.fast.code.slow {
                return self.slow();
            }
            let i = *self.fast.code.at(self.rip);
            self.rip = i.next_ip();
            match i.mnemonic() {
                Mnemonic::Sysretq => return self.sysret(&i),
                Mnemonic::Iretq => return self.iret(&i),
                _ => self.step(&i),
            }
        }
        panic!("the fast path does not end");
    }

    fn step(&mut self, i: &Instruction) {
        match i.mnemonic() {
            Mnemonic::Mov => {
                let value = self.read(i, 1);
                self.write(i, 0, value);
            }
            Mnemonic::Movzx => {
                let value = self.read(i, 1);
                self.write(i, 0, value);
            }
            Mnemonic::Lea => {
                let address = self.address(i);
                self.write(i, 0, address);
            }
            Mnemonic::Cmp => {
                let (a, b) = (self.read(i, 0), self.read(i, 1));
                self.subtract(a, b, size_of_operand(i, 0));
            }
            Mnemonic::Sub => {
                let (a, b) = (self.read(i, 0), self.read(i, 1));
                let result = self.subtract(a, b, size_of_operand(i, 0));
                self.write(i, 0, result);
            }
            Mnemonic::Add => {
                let size = size_of_operand(i, 0);
                let (a, b) = (self.read(i, 0), self.read(i, 1));
                let result = truncate(a.wrapping_add(b), size);
                self.set_flags(result, result < truncate(a, size), size);
                self.write(i, 0, result);
            }
            Mnemonic::Test => {
                let result = self.read(i, 0) & self.read(i, 1);
                self.set_flags(result, false, size_of_operand(i, 0));
            }
            Mnemonic::Xor => {
                let result = self.read(i, 0) ^ self.read(i, 1);
                self.set_flags(result, false, size_of_operand(i, 0));
                self.write(i, 0, result);
            }
            Mnemonic::Shl | Mnemonic::Shr => self.shift(i),
            Mnemonic::Btr => {
                let (value, bit) = (self.read(i, 0), self.read(i, 1) % (8 * size_of_operand(i, 0) as u64));
                self.flags = Flags { carry: Some(value >> bit & 1 != 0), ..Flags::default() };
                self.write(i, 0, value & !(1 << bit));
            }
            Mnemonic::Jmp => self.rip = i.near_branch64(),
            Mnemonic::Swapgs => self.kernel_gs = !self.kernel_gs,
            _ => self.conditional_jump(i),
        }
    }

    fn conditional_jump(&mut self, i: &Instruction) {
        let flag = |flag: Option<bool>| {
            flag.unwrap_or_else(|| panic!("{} tests an undefined flag", self.fast.code.show(i.ip())))
        };
        let mut taken = match i.mnemonic() {
            Mnemonic::Je => flag(self.flags.zero),
            Mnemonic::Jne => !flag(self.flags.zero),
            Mnemonic::Jb => flag(self.flags.carry),
            Mnemonic::Jae => !flag(self.flags.carry),
            Mnemonic::Js => flag(self.flags.sign),
            Mnemonic::Jns => !flag(self.flags.sign),
            _ => panic!("{} is not known here", self.fast.code.show(i.ip())),
        };
        if let Some((at, forced)) = self.fast.broken.get()
            && at == i.ip()
        {
            taken = forced;
        }
        self.fast.taken.borrow_mut().insert((i.ip(), taken));
        if taken {
            self.rip = i.near_branch64();
        }
    }

    fn shift(&mut self, i: &Instruction) {
        let size = size_of_operand(i, 0);
        let (value, count) = (self.read(i, 0), self.read(i, 1) & if size == 8 { 63 } else { 31 });
        assert!(count != 0, "a shift by nothing");
        let (result, carry) = match i.mnemonic() {
            Mnemonic::Shl => (truncate(value << count, size), value >> (8 * size as u64 - count) & 1),
            _ => (value >> count, value >> (count - 1) & 1),
        };
        self.set_flags(result, carry != 0, size);
        self.write(i, 0, result);
    }

    fn subtract(&mut self, a: u64, b: u64, size: usize) -> u64 {
        let (a, b) = (truncate(a, size), truncate(b, size));
        let result = truncate(a.wrapping_sub(b), size);
        self.set_flags(result, a < b, size);
        result
    }

    fn set_flags(&mut self, result: u64, carry: bool, size: usize) {
        let sign = result >> (8 * size - 1) & 1 != 0;
        self.flags = Flags { zero: Some(result == 0), carry: Some(carry), sign: Some(sign) };
    }

    fn read(&self, i: &Instruction, operand: u32) -> u64 {
        match i.op_kind(operand) {
            OpKind::Register => self.register(i.op_register(operand)),
            OpKind::Memory => {
                let size = i.memory_size().size();
                self.load(i, self.address(i), size)
            }
            _ => truncate(i.immediate(operand), size_of_operand(i, 0)),
        }
    }

    fn write(&mut self, i: &Instruction, operand: u32, value: u64) {
        match i.op_kind(operand) {
            OpKind::Register => self.set_register(i.op_register(operand), value),
            OpKind::Memory => {
                assert!(i.memory_size() != MemorySize::Unknown);
                self.store(i, self.address(i), i.memory_size().size(), value);
            }
            other => panic!("{} writes to {other:?}", self.fast.code.show(i.ip())),
        }
    }

    fn register(&self, r: Register) -> u64 {
        assert!(r.is_gpr() && !is_high_byte(r), "{r:?} is read");
        truncate(self.regs[r.full_register().number()], r.size())
    }

    fn set_register(&mut self, r: Register, value: u64) {
        if r == Register::CR3 {
            self.cr3 = value;
            let cost = self.fast.cost.get();
            self.fast.cost.set(Cost { cr3_writes: cost.cr3_writes + 1, ..cost });
            return;
        }
        assert!(r.is_gpr() && r.size() >= 4, "{r:?} is written");
        // 32-bit results clear the high half.
        self.regs[r.full_register().number()] = truncate(value, r.size());
    }

    fn address(&self, i: &Instruction) -> u64 {
        let base = match i.memory_base() {
            Register::None => 0,
            r => self.register(r),
        };
        assert!(i.memory_index() == Register::None, "an index register");
        let segment = match i.segment_prefix() {
            Register::None => 0,
            Register::GS => {
                assert!(self.kernel_gs, "{} uses the user's GS", self.fast.code.show(i.ip()));
                CPU
            }
            r => panic!("segment {r:?}"),
        };
        base.wrapping_add(i.memory_displacement64()).wrapping_add(segment)
    }

    fn load(&self, i: &Instruction, address: u64, size: usize) -> u64 {
        if let Some(offset) = in_cpu(address) {
            let kernel = self.kernel;
            return match (offset, size) {
                (CPU_SCRATCH, 8) => self.scratch,
                (CPU_TCBS, 8) => TCBS,
                (CPU_OPEN, 8) => RunState::Receiving as u64,
                (CPU_FLOOR, 4) => kernel.sched.floor.get().into(),
                (CPU_FPU_OWNER, 8) => kernel.fpu_owner.get().map_or(0, tcb_address),
                (CPU_RSP0, 8) => self.rsp0,
                _ => panic!("{} reads {size} bytes at {offset:#x} of the CPU's", self.fast.code.show(i.ip())),
            };
        }
        match thread_at(self.kernel, address) {
            (Some(t), offset) => memory::load(t, offset, size),
            (None, _) => 0,
        }
    }

    fn store(&mut self, i: &Instruction, address: u64, size: usize, value: u64) {
        match (in_cpu(address), size) {
            (Some(CPU_SCRATCH), 8) => self.scratch = value,
            (Some(CPU_RSP0), 8) => self.rsp0 = value,
            (Some(offset), _) => {
                panic!("{} writes {size} bytes at {offset:#x} of the CPU's", self.fast.code.show(i.ip()))
            }
            (None, _) => match thread_at(self.kernel, address) {
                (Some(t), offset) => memory::store(t, offset, size, truncate(value, size)),
                (None, _) => panic!("{} writes to a thread that is not there", self.fast.code.show(i.ip())),
            },
        }
    }

    fn slow(self) -> Exit {
        assert!(self.kernel_gs && self.rsp0 == frame_end(self.me) && self.cr3 == self.me.cr3.get());
        assert_eq!(self.regs[4], self.rsp0, "rsp is the end of the caller's frame");
        let frame = &self.me.frame;
        // As `syscall_slow` takes them: rcx and r11 from the frame, where rsp is too.
        let (rip, rflags, rsp) = (frame.rip.get(), frame.rflags.get(), frame.rsp.get());
        assert_eq!((rip, rflags), (self.user_rip, self.user_flags));
        let mut regs = self.user_regs(rip, rflags, rsp);
        (regs.rcx, regs.r11) = (rip, rflags);
        Exit::Slow(regs)
    }

    fn sysret(self, i: &Instruction) -> Exit {
        let (rip, rflags) = (self.regs[1], self.regs[11] & SYSRET_FLAGS | 2);
        assert!(rip < 1 << 47, "SYSRET to {rip:#x}");
        let regs = self.user_regs(rip, rflags, self.regs[4]);
        self.exit(i, regs)
    }

    fn iret(self, i: &Instruction) -> Exit {
        let word = |n: u64| self.load(i, self.regs[4] + 8 * n, 8);
        let (rip, selectors, rflags, rsp) = (word(0), (word(1), word(4)), word(2), word(3));
        assert_eq!(selectors, self.selectors, "selectors in the frame");
        let regs = self.user_regs(rip, rflags, rsp);
        self.exit(i, regs)
    }

    /// Into user mode: everything of the CPU must be that of one thread.
    fn exit(self, i: &Instruction, regs: Regs) -> Exit {
        self.fast.exits.borrow_mut().insert(i.ip());
        let cost = self.fast.cost.get();
        self.fast.cost.set(Cost { calls: cost.calls + 1, ..cost });
        assert!(!self.kernel_gs, "user mode has the kernel's GS");
        let (running, offset) = thread_at(self.kernel, self.rsp0);
        let running = running.expect("a thread runs");
        assert_eq!(offset, FRAME_END, "rsp0 is the end of a frame");
        assert_eq!(self.cr3, running.cr3.get(), "user mode runs in its own space");
        let fpu_is_its = self.kernel.fpu_owner.get().is_some_and(|owner| core::ptr::eq(owner, running));
        assert!(fpu_is_its || !running.uses_fpu.get(), "a program runs with another's FPU state");
        Exit::User(regs, running)
    }

    fn user_regs(&self, rip: u64, rflags: u64, rsp: u64) -> Regs {
        let [rax, rcx, rdx, rbx, _, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15] = self.regs;
        let (cs, ss) = self.selectors;
        let entry = 0;
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

/// Offset in the CPU's structure, if `address` is in it.
fn in_cpu(address: u64) -> Option<usize> {
    address.checked_sub(CPU).filter(|&offset| offset < 4096).map(|offset| offset as usize)
}

fn size_of_operand(i: &Instruction, operand: u32) -> usize {
    match i.op_kind(operand) {
        OpKind::Register => i.op_register(operand).size(),
        _ => i.memory_size().size(),
    }
}

fn truncate(value: u64, size: usize) -> u64 {
    if size == 8 { value } else { value & ((1 << (8 * size)) - 1) }
}

fn is_high_byte(r: Register) -> bool {
    matches!(r, Register::AH | Register::BH | Register::CH | Register::DH)
}
