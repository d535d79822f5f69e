//! The kernel's half of the address space.
//!
//! ```text
//! slot 255  0x0000_7f80_0000_0000   gate page and KIP (user-readable)
//! slot 256                          nothing: some KVMs report faults there wrongly
//! slot 273  0xffff_8880_0000_0000   physmap: all physical memory, and the APICs
//! slot 300 to 302                   never present: notes of the kernel's
//! slot 384  0xffff_c000_0000_0000   TCB array
//! slot 385  0xffff_c080_0000_0000   TSS of each CPU with the I/O bitmap of the current task
//! slot 511  0xffff_ffff_8000_0000   kernel image
//! ```
//!
//! All are the same in every space but slot 385, which differs for tasks that own I/O ports.

pub const PAGE: u64 = 4096;
pub const SUPERPAGE: u64 = 2 << 20;

pub const SLOT_USER_SHARED: usize = 255;
/// Never present: the kernel notes there which CPUs use a space (see `smp`). Two slots.
pub const SLOT_CPUS: usize = 300;
/// Never present: the kernel notes there the tag of a space (see `mem::tags`).
pub const SLOT_TAG: usize = 302;
pub const SLOT_PHYSMAP: usize = 273;
pub const SLOT_TCB: usize = 384;
pub const SLOT_TSS: usize = 385;
pub const SLOT_KERNEL: usize = 511;

pub const PHYSMAP: u64 = 0xffff_8880_0000_0000;
/// Physical memory that the physmap has room for.
pub const PHYSMAP_SIZE: u64 = 512 << 30;
pub const TCB_BASE: u64 = 0xffff_c000_0000_0000;
pub const TSS_BASE: u64 = 0xffff_c080_0000_0000;
pub const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;

/// Page-table entry bits (SDM vol. 3, 4.5).
pub const PTE_P: u64 = 1 << 0;
pub const PTE_W: u64 = 1 << 1;
pub const PTE_PWT: u64 = 1 << 3;
pub const PTE_PCD: u64 = 1 << 4;
pub const PTE_A: u64 = 1 << 5;
pub const PTE_D: u64 = 1 << 6;
pub const PTE_PS: u64 = 1 << 7;
pub const PTE_G: u64 = 1 << 8;
pub const PTE_NX: u64 = 1 << 63;
pub const PTE_ADDR: u64 = 0x000f_ffff_ffff_f000;

/// Virtual address of physical address `phys` (RAM, or the APICs).
pub const fn phys_to_virt(phys: u64) -> u64 {
    PHYSMAP + phys
}
