//! An interpreter for the few instructions that the fast path is made of (SDM vol. 2).
//!
//! It is strict: an instruction, an operand or a piece of memory that it does not know, a flag that is not defined, and GS used when its base is the
//! user's end the run.

use iced_x86::{ConditionCode, Instruction, MemorySize, Mnemonic, OpKind, Register};
use ukernel_abi::utcb::RunState;
use ukernel_core::thread::ThreadRef;

use super::code::Out;
use super::memory::{self, TCBS, frame_end, tcb_address, thread_at};
use super::{Cost, Fast};
use crate::cpu::*;
use crate::rig::Kernel;

/// Where the CPU's structure is.
const CPU: u64 = 0xffff_c080_0000_0000;
/// Where the stack is that is no thread's frame.
pub const STACK: u64 = 0xffff_c0a0_0000_0000;
/// Its words: as many as a frame has.
pub const STACK_WORDS: usize = 21;
/// Number of RSP.
pub const RSP: usize = 4;
/// More instructions than the fast path has.
const LIMIT: usize = 500;

/// Flags; none where an instruction leaves them undefined.
#[derive(Clone, Copy, Default)]
struct Flags {
    zero: Option<bool>,
    carry: Option<bool>,
    sign: Option<bool>,
}

/// Where a run of the fast path has ended: at a way out to Rust, or before an instruction that leads to user mode.
pub enum End {
    Out(Out),
    Sysret(Instruction),
    Iret(Instruction),
}

pub struct Machine<'a> {
    pub(super) fast: &'a Fast,
    pub(super) kernel: &'a Kernel,
    pub(super) me: ThreadRef,
    /// In the order of their numbers.
    pub(super) regs: [u64; 16],
    pub(super) rip: u64,
    flags: Flags,
    /// RFLAGS.DF.
    pub(super) backwards: bool,
    pub(super) kernel_gs: bool,
    pub(super) cr2: u64,
    pub(super) cr3: u64,
    pub(super) rsp0: u64,
    scratch: u64,
    /// The stub that changes the FPU's owner runs. No thread is to be touched then, nor in kernel mode.
    pub(super) in_stub: bool,
    /// Memory at [`STACK`], where there is some instead of threads.
    pub(super) stack: Option<[u64; STACK_WORDS]>,
}

impl<'a> Machine<'a> {
    /// In kernel mode at `rip`, with the registers of user mode.
    pub fn new(fast: &'a Fast, kernel: &'a Kernel, me: ThreadRef, rip: u64, regs: [u64; 16]) -> Self {
        Self {
            fast,
            kernel,
            me,
            regs,
            rip,
            flags: Flags::default(),
            backwards: false,
            kernel_gs: false,
            cr2: 0,
            cr3: me.cr3.get(),
            rsp0: frame_end(me),
            scratch: 0,
            in_stub: false,
            stack: None,
        }
    }

    /// Up to the end of the fast path.
    pub fn run(&mut self) -> End {
        for _ in 0..LIMIT {
            if let Some(out) = self.fast.code.out(self.rip) {
                return End::Out(out);
            }
            let i = *self.fast.code.at(self.rip);
            self.rip = i.next_ip();
            match i.mnemonic() {
                Mnemonic::Sysretq => return End::Sysret(i),
                Mnemonic::Iretq => return End::Iret(i),
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
            Mnemonic::And => {
                let result = self.read(i, 0) & self.read(i, 1);
                self.set_flags(result, false, size_of_operand(i, 0));
                self.write(i, 0, result);
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
            Mnemonic::Cld => self.backwards = false,
            Mnemonic::Push => {
                let value = self.read(i, 0);
                self.regs[RSP] -= 8;
                self.store(i, self.regs[RSP], 8, value);
            }
            // Writes in either case: the high half is cleared.
            Mnemonic::Cmovne => {
                let value = self.read(i, if self.decide(i) { 1 } else { 0 });
                self.write(i, 0, value);
            }
            _ if i.is_jcc_short_or_near() => {
                if self.decide(i) {
                    self.rip = i.near_branch64();
                }
            }
            _ => panic!("{} is not known here", self.fast.code.show(i.ip())),
        }
    }

    /// Whether the condition of a conditional jump or move holds.
    fn decide(&self, i: &Instruction) -> bool {
        let flag = |flag: Option<bool>| {
            flag.unwrap_or_else(|| panic!("{} tests an undefined flag", self.fast.code.show(i.ip())))
        };
        let mut holds = match i.condition_code() {
            ConditionCode::e => flag(self.flags.zero),
            ConditionCode::ne => !flag(self.flags.zero),
            ConditionCode::b => flag(self.flags.carry),
            ConditionCode::ae => !flag(self.flags.carry),
            ConditionCode::s => flag(self.flags.sign),
            ConditionCode::ns => !flag(self.flags.sign),
            _ => panic!("{} is not known here", self.fast.code.show(i.ip())),
        };
        if let Some((at, forced)) = self.fast.broken.get()
            && at == i.ip()
        {
            holds = forced;
        }
        self.fast.taken.borrow_mut().insert((i.ip(), holds));
        holds
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
        if r == Register::CR2 {
            return self.cr2;
        }
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
            // The displacement is the address then.
            Register::None | Register::RIP => 0,
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

    pub(super) fn load(&self, i: &Instruction, address: u64, size: usize) -> u64 {
        if let Some(offset) = in_cpu(address) {
            let kernel = self.kernel;
            return match (offset, size) {
                (CPU_SCRATCH, 8) => self.scratch,
                (CPU_TCBS, 8) => TCBS,
                (CPU_OPEN, 8) => u64::from(self.me.cpu.get()) << 32 | RunState::Receiving as u64,
                (CPU_FLOOR, 4) => kernel.sched.floor.get().into(),
                (CPU_FPU_OWNER, 8) => kernel.fpu_owner.get().map_or(0, tcb_address),
                (CPU_RSP0, 8) => self.rsp0,
                (CPU_IN_STUB, 1) => self.in_stub.into(),
                _ => panic!("{} reads {size} bytes at {offset:#x} of the CPU's", self.fast.code.show(i.ip())),
            };
        }
        if let Some(stack) = &self.stack {
            let (word, byte) = self.in_stack(i, address);
            return truncate(stack[word] >> (8 * byte), size);
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
            (None, _) if self.stack.is_some() => {
                let (word, byte) = self.in_stack(i, address);
                assert!((size, byte) == (8, 0), "{} writes half a word", self.fast.code.show(i.ip()));
                if let Some(stack) = &mut self.stack {
                    stack[word] = value;
                }
            }
            (None, _) => match thread_at(self.kernel, address) {
                (Some(t), offset) => memory::store(t, offset, size, truncate(value, size)),
                (None, _) => panic!("{} writes to a thread that is not there", self.fast.code.show(i.ip())),
            },
        }
    }

    /// Word of the stack and byte in it.
    fn in_stack(&self, i: &Instruction, address: u64) -> (usize, u64) {
        let offset = address.checked_sub(STACK).filter(|&offset| offset < 8 * STACK_WORDS as u64);
        let offset = offset.unwrap_or_else(|| panic!("{} touches a thread", self.fast.code.show(i.ip())));
        ((offset / 8) as usize, offset % 8)
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
