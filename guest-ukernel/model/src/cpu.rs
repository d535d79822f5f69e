//! Where the kernel's assembler finds what belongs to the CPU.
//!
//! `kernel/src/arch/fast.rs` is compiled here too, and takes these in place of `kernel/src/cpu.rs`: any offsets will do, and these are made so
//! that none is mistaken for another.

pub const CPU_SCRATCH: usize = 0x110;
pub const CPU_TCBS: usize = 0x220;
pub const CPU_OPEN: usize = 0x330;
pub const CPU_FLOOR: usize = 0x440;
pub const CPU_IN_STUB: usize = 0x4c8;
pub const CPU_FPU_OWNER: usize = 0x550;
pub const CPU_RSP0: usize = 0x664;
