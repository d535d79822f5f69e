//! One round of a loop, instruction by instruction: what of it is the kernel's, and what memory that touches.
//!
//! The kernel's are the instructions in ring 0, from SYSCALL or the first one behind an exception or interrupt to SYSRET or
//! IRETQ, and SYSCALL itself, which ring 3 executes. A *visit* is one such stretch.

use super::gdb::{Gdb, RSP, Registers};
use super::symbols::Program;
use super::visit::{Entry, Round, Visit};
use anyhow::{Result, bail, ensure};
use iced_x86::{
    Code, Decoder, DecoderOptions, FastFormatter, Instruction, InstructionInfoFactory, OpAccess, Register,
};
use std::fmt::Write;

const PAGE: u64 = 4096;
/// Longest instruction.
const MAX_LENGTH: usize = 15;
/// More instructions than any round has.
const MAX_STEPS: usize = 1_000_000;
/// Bytes that XSAVE and its like touch at least: the legacy region and the header.
const XSAVE_BYTES: u64 = 576;

/// Exceptions that push an error code (SDM vol. 3, 6.15).
const WITH_ERROR_CODE: [u8; 10] = [8, 10, 11, 12, 13, 14, 17, 21, 29, 30];

/// Tables that the processor itself reads when an exception or interrupt comes (SDM vol. 3, 6.12).
#[derive(Clone, Copy, Debug)]
pub struct Tables {
    idt: u64,
    gdt: u64,
    tss: u64,
}

impl Tables {
    pub fn read(gdb: &mut Gdb) -> Result<Self> {
        Self::parse(&gdb.monitor("info registers")?)
    }

    /// Lines such as `IDT=     ffffffff80123000 00000fff` and `TR =0028 ffffffff80125000 00000067 00008b00`.
    fn parse(text: &str) -> Result<Self> {
        let base = |name: &str, word: usize| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(name))?;
            u64::from_str_radix(line.split_ascii_whitespace().nth(word)?, 16).ok()
        };
        match (base("IDT=", 0), base("GDT=", 0), base("TR =", 1)) {
            (Some(idt), Some(gdt), Some(tss)) => Ok(Self { idt, gdt, tss }),
            _ => bail!("QEMU does not tell where IDT, GDT and TSS are:\n{text}"),
        }
    }
}

/// Steps through guests.
pub struct Tracer<'a> {
    kernel: &'a Program,
    tables: Tables,
    factory: InstructionInfoFactory,
}

impl<'a> Tracer<'a> {
    pub fn new(kernel: &'a Program, tables: Tables) -> Self {
        Self { kernel, tables, factory: InstructionInfoFactory::new() }
    }

    /// Steps from where the guest is, in user mode, until it is there again in the same address space. `None` if the timer
    /// interfered.
    pub fn round(&mut self, gdb: &mut Gdb) -> Result<Option<Round>> {
        let start = gdb.registers()?;
        ensure!(start.is_user(), "a round begins in user mode, and not at {:#x}", start.rip);
        let timer = self.kernel.address("timer_entry")?;
        let (mut round, mut before) = (Round::default(), start);
        let mut disturbed = false;
        for _ in 0..MAX_STEPS {
            let instruction = self.fetch(gdb, &before)?;
            gdb.step()?;
            let after = gdb.registers()?;
            self.step(&mut round, &instruction, &before, &after);
            disturbed |= after.rip == timer;
            before = after;
            if after.is_user() && (after.rip, after.cr3) == (start.rip, start.cr3) {
                return Ok((!disturbed).then_some(round));
            }
        }
        bail!("a round has no end after {MAX_STEPS} steps, at {}", self.kernel.describe(before.rip))
    }

    fn fetch(&self, gdb: &mut Gdb, registers: &Registers) -> Result<Instruction> {
        let rip = registers.rip;
        let bytes = if registers.is_user() {
            // An instruction at the end of a page may have nothing mapped behind it.
            let room = (PAGE - rip % PAGE) as usize;
            gdb.read(rip, MAX_LENGTH.min(room))?
        } else {
            self.kernel.bytes(rip, MAX_LENGTH)?.to_vec()
        };
        Ok(Decoder::with_ip(64, &bytes, rip, DecoderOptions::NONE).decode())
    }

    fn step(&mut self, round: &mut Round, instruction: &Instruction, before: &Registers, after: &Registers) {
        let is_call = matches!(instruction.code(), Code::Syscall | Code::Int3);
        if before.is_user() && !after.is_user() && !is_call {
            // The instruction has not been executed: an exception or interrupt has come before it.
            let mut visit = Visit::new(Entry::Event);
            self.event(&mut visit, before, after);
            round.visits.push(visit);
            let _ = writeln!(round.listing, "-- exception or interrupt");
            return;
        }
        self.list(round, instruction, before);
        if before.is_user() && !is_call {
            round.user += 1;
            return;
        }
        if before.is_user() {
            round.visits.push(Visit::new(Entry::Syscall));
        }
        let Some(visit) = round.visits.last_mut() else { return };
        let repeated = before.rip == after.rip && before.cs == after.cs;
        visit.ticks += 1;
        visit.instructions += u64::from(!repeated);
        if !repeated {
            visit.functions.count(self.kernel.function(before.rip));
        }
        if !before.is_user() {
            visit.execute(before.rip, instruction.len() as u64);
            self.operands(visit, instruction, before);
        }
    }

    /// What the processor reads and writes by itself: the gate, the code segment, the stack pointer in the TSS and
    /// the frame.
    fn event(&self, visit: &mut Visit, before: &Registers, after: &Registers) {
        let (cr3, sp, vector) = (before.cr3, after.general[RSP], self.vector(after.rip));
        visit.touch(cr3, self.tables.gdt + u64::from(after.cs & !7), 8);
        visit.touch(cr3, self.tables.tss + 4, 8);
        let has_error_code = vector.is_some_and(|vector| WITH_ERROR_CODE.contains(&vector));
        visit.touch(cr3, sp, if has_error_code { 48 } else { 40 });
        if let Some(vector) = vector {
            visit.touch(cr3, self.tables.idt + u64::from(vector) * 16, 16);
        }
    }

    /// The vector whose entry is at an address: entries are 16 bytes long, and in groups.
    fn vector(&self, entry: u64) -> Option<u8> {
        let group = |symbol: &str, first: u64, count: u64| {
            let n = entry.checked_sub(self.kernel.address(symbol).ok()?)? / 16;
            (n < count).then(|| (first + n) as u8)
        };
        group("exception_entries", 0, 32).or_else(|| group("irq_entries", 0x30, 64))
    }

    /// The memory that an instruction reads and writes, its stack included.
    fn operands(&mut self, visit: &mut Visit, instruction: &Instruction, registers: &Registers) {
        let info = self.factory.info(instruction);
        for memory in info.used_memory().iter().filter(|memory| memory.access() != OpAccess::NoMemAccess) {
            let address = memory.virtual_address(0, |register, _, _| value(registers, register));
            let size = match memory.memory_size().size() as u64 {
                0 => XSAVE_BYTES,
                size => size,
            };
            if let Some(address) = address {
                visit.touch(registers.cr3, address, size);
            }
        }
    }

    fn list(&self, round: &mut Round, instruction: &Instruction, registers: &Registers) {
        let mut text = String::new();
        FastFormatter::new().format(instruction, &mut text);
        let place = if registers.is_user() {
            format!("user {:#x}", registers.rip)
        } else {
            self.kernel.describe(registers.rip)
        };
        let _ = writeln!(round.listing, "{text:<48} {place}");
    }
}

/// What is in a register.
fn value(registers: &Registers, register: Register) -> Option<u64> {
    let full = register.full_register();
    Some(match full {
        Register::FS => registers.fs_base,
        Register::GS => registers.gs_base,
        Register::ES | Register::CS | Register::SS | Register::DS => 0,
        Register::RIP => registers.rip,
        _ if full.is_gpr64() => {
            const ORDER: [Register; 16] = [
                Register::RAX,
                Register::RBX,
                Register::RCX,
                Register::RDX,
                Register::RSI,
                Register::RDI,
                Register::RBP,
                Register::RSP,
                Register::R8,
                Register::R9,
                Register::R10,
                Register::R11,
                Register::R12,
                Register::R13,
                Register::R14,
                Register::R15,
            ];
            registers.general[ORDER.iter().position(|&r| r == full)?]
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
