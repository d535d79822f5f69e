//! Exceptions, wild jumps, and memory at random.

use super::{Fuzzer, arguments as a};
use crate::random::Random;
use core::arch::{asm, global_asm};
use ukernel_abi::layout::GATE;

global_asm!(
    ".section .text.soak_hazards, \"ax\"",
    ".balign 32",
    // Each ends in an exception, or comes to the UD2s behind it.
    "soak_hazards:",
    ".macro hazard code:vararg",
    "\\code",
    ".balign 32, 0x0b",
    ".endm",
    "hazard ud2",
    "hazard int3",
    "hazard int 0x80",
    "hazard int 0x20",
    "hazard .byte 0xf1",                   // icebp
    "hazard .byte 0x31, 0xc9, 0xf7, 0xf1", // div by zero
    "hazard hlt",
    "hazard cli",
    "hazard in al, 0x60",
    "hazard in al, 0x80",
    "hazard out 0x80, al",
    "hazard .byte 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x48, 0x8b, 0x00", // load from 1 << 63
    "hazard .byte 0x48, 0xbc, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x50",             // push there
    "hazard sysenter",
    "hazard .byte 0x0f, 0x05", // syscall
    "hazard .byte 0x9c, 0x81, 0x0c, 0x24, 0x00, 0x01, 0x00, 0x00, 0x9d, 0x90", // set TF
    "hazard .byte 0x9c, 0x81, 0x0c, 0x24, 0x00, 0x40, 0x04, 0x00, 0x9d, 0x0f, 0x05", // NT, AC, syscall
    "hazard .byte 0xfd, 0x0f, 0x05", // direction flag, syscall
    "hazard mov ss, eax",
    "hazard mov ds, eax",
    "hazard mov gs, eax",
    "hazard wrmsr",
    "hazard mov cr3, rax",
    "hazard swapgs",
    "hazard iretq",
    "hazard retf",
    "hazard .byte 0x6a, 0xff, 0x0f, 0xae, 0x14, 0x24", // ldmxcsr with reserved bits
    "hazard .byte 0x0f, 0xae, 0x0c, 0x24",             // fxrstor of the stack
    "hazard .byte 0xdb, 0xe3, 0xd9, 0x2c, 0x24, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0x9b", // fldcw, 1 / 0, wait
    "hazard .byte 0xf0, 0x0f, 0xc7, 0xc8", // lock cmpxchg8b eax
    "hazard rdpmc",
    "hazard .byte 0x0f, 0x0b, 0xcc, 0xcc",
    "soak_hazards_end:",
    ".text",
);

/// Bytes of each.
const SIZE: u64 = 32;

/// The address of one of them.
pub fn any(r: &mut Random) -> u64 {
    unsafe extern "C" {
        fn soak_hazards();
        fn soak_hazards_end();
    }
    let (start, end) = (soak_hazards as *const () as u64, soak_hazards_end as *const () as u64);
    start + r.below((end - start) / SIZE) * SIZE
}

/// Goes on at an address that need not be one, with random registers.
pub fn code(_me: Fuzzer, r: &mut Random) {
    let ip = match r.below(10) {
        0..5 => any(r),
        5 => any(r) + r.below(SIZE),
        6 => GATE + r.below(0x100),
        7 => {
            r.pick([0xffff_ffff_8000_0000, 0xffff_ffff_8010_0000, 0xffff_8880_0000_0000])
                + (r.below(0x4000) << 4)
        }
        _ => a::address(r),
    };
    let values: [u64; 4] = core::array::from_fn(|_| if r.chance(50) { a::address(r) } else { r.word() });
    let rax = if r.chance(50) { 0x8000_0000 | r.below(8) } else { r.word() };
    // SAFETY: the thread is lost, which nobody minds.
    unsafe {
        asm!("jmp r11", in("r11") ip, in("rax") rax, in("rcx") values[0], in("rdi") values[1], in("r12") values[2],
            in("r14") values[3], options(noreturn))
    }
}

/// A system call that is not L4's, by the instruction itself.
pub fn foreign(_me: Fuzzer, r: &mut Random) {
    let rax = if r.chance(80) { r.below(500) } else { r.word() };
    // SAFETY: the supervisor answers it, or has the thread begin anew.
    unsafe {
        asm!("syscall", inout("rax") rax => _, in("rdi") r.word(), in("rsi") r.word(), in("rdx") r.word(),
            in("r8") r.word(), in("r9") r.word(), in("r10") r.word(), out("rcx") _, out("r11") _)
    }
}

/// Reads or writes a word, mostly where it is harmless; and uses the FPU.
pub fn memory(me: Fuzzer, r: &mut Random) {
    let address = a::address(r) & !7;
    if r.chance(50) {
        me.program.read(address);
    } else {
        me.program.write(address, r.word());
    }
    let value = r.word();
    // SAFETY: changes registers that this program does not use.
    unsafe {
        asm!("movq xmm0, {v}", "movdqa xmm15, xmm0", "movdqa xmm7, xmm0", "push {v}", "fninit",
            "fild qword ptr [rsp]", "pop {v}", v = inout(reg) value => _)
    }
}
