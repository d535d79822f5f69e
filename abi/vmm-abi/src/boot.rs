//! Boot information.
//!
//! The kernel is entered with rbx (64-bit entry: rdi too) = physical address of an `hvm_start_info` (Xen's
//! `include/public/arch-x86/hvm/start_info.h`, version 1): memory map, command line, modules. A module's command
//! line is its name. `ukvmm` adds a module named [`INFO_MODULE`] that holds a [`BootInfo`].
//!
//! **64-bit entry** (`e_entry` of the ELF, used by `ukvmm`): long mode, paging on, physical memory below 1 GiB mapped
//! one to one and also at 0xffff_ffff_8000_0000, interrupts off, CS and SS flat 64-bit, GS base 0.
//!
//! One CPU is running then, the one with APIC id 0. The others wait for INIT and start-up IPIs, and the page at [`AP_START`] is free for
//! the code that they begin with.
//!
//! **32-bit entry** (note `XEN_ELFNOTE_PHYS32_ENTRY` = 18, used by QEMU): as the PVH boot ABI says.

/// `hvm_start_info.magic`.
pub const START_MAGIC: u32 = 0x336e_c578;
/// Type of RAM in the memory map (as E820).
pub const MEMORY_RAM: u32 = 1;

/// Most CPUs that a machine has.
pub const CPUS_MAX: u8 = 64;
/// Physical address of a page below 1 MiB in which no boot loader leaves anything: not `ukvmm`, and not QEMU or its firmware either.
pub const AP_START: u64 = 0x8000;

/// Name of the module that holds a [`BootInfo`].
pub const INFO_MODULE: &str = "ukvmm";
/// Name of the module with the server set ([`crate`] `vmm` writes it, `root` reads it): UTF-8 lines.
pub const SET_MODULE: &str = "set";
/// Name of the module with the program's arguments: NUL-terminated strings. Absent: an interactive shell.
pub const ARGV_MODULE: &str = "argv";
/// Name of the module with the program's environment: NUL-terminated `NAME=value` strings.
pub const ENVP_MODULE: &str = "envp";
/// Name of the module with the initial root file system (cpio newc).
pub const INITRD_MODULE: &str = "initrd";

/// What `ukvmm` tells its guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct BootInfo {
    pub magic: u64,
    /// Frequency of the TSC as the guest reads it.
    pub tsc_khz: u64,
    /// A reading of the guest's TSC and the wall-clock time (ns since 1970) of that reading.
    pub epoch_tsc: u64,
    pub epoch_ns: u64,
    /// Nanoseconds a tick of the local APIC's timer at divider 1.
    pub apic_tick_ns: u64,
    /// CPUs of the machine, the boot CPU included; at most [`CPUS_MAX`]. Their APIC ids are 0 to `cpus` - 1.
    pub cpus: u64,
    pub _reserved: [u64; 2],
}

pub const INFO_MAGIC: u64 = u64::from_le_bytes(*b"UKVMINFO");

impl BootInfo {
    pub const SIZE: usize = size_of::<Self>();

    pub fn to_bytes(self) -> [u8; 64] {
        let words = [
            self.magic,
            self.tsc_khz,
            self.epoch_tsc,
            self.epoch_ns,
            self.apic_tick_ns,
            self.cpus,
            self._reserved[0],
            self._reserved[1],
        ];
        let mut out = [0; 64];
        for (chunk, word) in out.chunks_exact_mut(8).zip(words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        out
    }
}

const _: () = assert!(BootInfo::SIZE == 64);

/// A bundle: several modules in one file, for boot loaders that load only one (QEMU's `-initrd`). A header page, then each
/// module at a page-aligned offset (those of 1 MiB and more are copied to no better place: they are used where they lie).
///
/// Header: [`BUNDLE_MAGIC`] (u64), count (u64), then `count` entries of 48 bytes: offset from the header (u64), size (u64), name ([u8; 32]).
pub const BUNDLE_MAGIC: u64 = u64::from_le_bytes(*b"UKBUNDLE");
pub const BUNDLE_ENTRY: usize = 48;
