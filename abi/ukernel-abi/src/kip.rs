//! The kernel interface page: what the kernel and the boot loader know about the machine.
//!
//! Mapped read-only at [`crate::layout::KIP`] in every task. The kernel writes it once, at boot.

use crate::layout::{PAGE, SUPERPAGE};
use core::ops::Range;

/// "L4µK": the first eight bytes of the page.
pub const MAGIC: u64 = u64::from_le_bytes(*b"L4uK\0\0\0\x01");
/// Of this layout.
pub const VERSION: u32 = 1;
pub const MODULES: usize = 32;
pub const REGIONS: usize = 16;

/// A file that the boot loader put into memory. Pages from `phys` on are the module's alone.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Module {
    /// Physical address, page-aligned; 2-MiB-aligned for modules of 1 MiB and more.
    pub phys: u64,
    /// Bytes.
    pub size: u64,
    /// NUL-padded.
    pub name: [u8; 32],
}

/// A range of physical memory that is σ0's to hand out.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Region {
    /// Page-aligned physical address.
    pub phys: u64,
    /// Bytes, a multiple of the page size. Zero ends the list.
    pub size: u64,
}

#[derive(Clone)]
#[repr(C, align(4096))]
pub struct Kip {
    pub magic: u64,
    pub version: u32,
    pub cpus: u32,
    /// Bytes of RAM in all.
    pub ram_bytes: u64,
    /// Frequency of the TSC.
    pub tsc_khz: u64,
    /// A reading of the TSC …
    pub epoch_tsc: u64,
    /// … and the wall-clock time of that reading, in nanoseconds since 1970.
    pub epoch_ns: u64,
    /// Facts found at boot: [`FLAG_SYSCALL_FAULTS`] and so on.
    pub flags: u64,
    pub module_count: u64,
    /// Kernel memory given to σ0 and root at boot, and still free then, in 4-KiB frames.
    pub kernel_frames: u64,
    /// Command line of the kernel: physical address and bytes.
    pub cmdline_phys: u64,
    pub cmdline_size: u64,
    _reserved: [u64; 5],
    pub free: [Region; REGIONS],
    pub modules: [Module; MODULES],
}

/// SYSCALL does not change the privilege level on this machine; the gate page uses INT3.
pub const FLAG_SYSCALL_FAULTS: u64 = 1;
/// The machine is ukvmm's: its console device is there.
pub const FLAG_UKVMM: u64 = 2;

const _: () = assert!(size_of::<Kip>() == 4096);
const _: () = assert!(core::mem::offset_of!(Kip, flags) == 0x30);
const _: () = assert!(core::mem::offset_of!(Kip, cmdline_phys) == 0x48);
const _: () = assert!(core::mem::offset_of!(Kip, free) == 0x80);
const _: () = assert!(core::mem::offset_of!(Kip, modules) == 0x180);

impl Module {
    pub fn name(&self) -> &str {
        let len = self.name.iter().position(|&b| b == 0).unwrap_or(self.name.len());
        core::str::from_utf8(&self.name[..len]).unwrap_or("?")
    }

    /// The memory that is the module's alone, from `phys` on: whole pages, and whole superpages for one of 1 MiB
    /// and more, so that it can be mapped with those. Empty if the module's size is nonsense.
    pub const fn area(&self) -> Range<u64> {
        let large = self.size >= SUPERPAGE / 2 && self.phys.is_multiple_of(SUPERPAGE);
        let unit = if large { SUPERPAGE } else { PAGE };
        let end = match self.phys.checked_add(self.size) {
            Some(end) => end.checked_next_multiple_of(unit),
            None => None,
        };
        match end {
            Some(end) => self.phys..end,
            None => self.phys..self.phys,
        }
    }
}

impl Kip {
    pub const EMPTY: Self = Self {
        magic: MAGIC,
        version: VERSION,
        cpus: 1,
        ram_bytes: 0,
        tsc_khz: 0,
        epoch_tsc: 0,
        epoch_ns: 0,
        flags: 0,
        module_count: 0,
        kernel_frames: 0,
        cmdline_phys: 0,
        cmdline_size: 0,
        _reserved: [0; 5],
        free: [Region { phys: 0, size: 0 }; REGIONS],
        modules: [Module { phys: 0, size: 0, name: [0; 32] }; MODULES],
    };

    pub fn modules(&self) -> &[Module] {
        &self.modules[..(self.module_count as usize).min(MODULES)]
    }
    pub fn module(&self, name: &str) -> Option<&Module> {
        self.modules().iter().find(|m| m.name() == name)
    }
}
