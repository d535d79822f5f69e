//! Puts a stock kernel into memory: by the Linux boot protocol or by PVH, with a root file system and ACPI tables.
//!
//! The root file system goes as high as it may: a kernel unpacks itself from below, and Linux may choose any place at
//! random that is free.

use super::bzimage::BzImage;
use super::defect::{Defect, KernelError};
use super::kernel::{Entrance, Kernel};
use super::module::{Module, ModuleError};
use super::{Entry, LoadError, boot_params, start_info, tables};
use crate::acpi;
use crate::loader::file::Input;
use crate::loader::format::Format;
use crate::memory::{self, GuestMemory};
use std::ops::Range;
use std::path::Path;

const PAGE: u64 = 4096;
/// Command lines longer than this are in no kernel's interest.
const CMDLINE_MAX: usize = start_info::CMDLINE_MAX;

/// A stock kernel that has been checked.
#[derive(Debug)]
pub enum Stock {
    BzImage(BzImage),
    Pvh(Kernel),
}

impl Stock {
    /// Checks `input`, which is of this format, for a machine with `ram` bytes of RAM below the hole.
    pub fn check(input: Input, format: Format, ram: u64) -> Result<Self, KernelError> {
        match format {
            Format::BzImage => BzImage::check(input, ram).map(Self::BzImage),
            Format::Pvh | Format::Native => Kernel::check(input, Entrance::Pvh, ram).map(Self::Pvh),
        }
    }

    pub fn path(&self) -> &Path {
        match self {
            Self::BzImage(kernel) => kernel.path(),
            Self::Pvh(kernel) => kernel.path(),
        }
    }

    /// Guest-physical memory that is the kernel's.
    fn range(&self) -> Range<u64> {
        match self {
            Self::BzImage(kernel) => kernel.range(),
            Self::Pvh(kernel) => 0..kernel.end(),
        }
    }

    /// The first address that the root file system must end at or below.
    fn initrd_end(&self) -> u64 {
        match self {
            Self::BzImage(kernel) => kernel.initrd_max().saturating_add(1),
            Self::Pvh(_) => u64::MAX,
        }
    }
}

/// Loads `kernel` and its root file system, and writes `tables` of ACPI.
pub fn load(
    memory: &GuestMemory,
    kernel: &mut Stock,
    initrd: &mut Option<Module>,
    cmdline: &str,
    firmware: &acpi::Tables,
) -> Result<Entry, LoadError> {
    let kernel_range = kernel.range();
    memory::populate(memory, kernel_range.clone());
    if let Some(initrd) = initrd {
        let end = kernel.initrd_end().min(memory::low_end(memory));
        let range = place(initrd.size(), kernel_range.end, end)?;
        memory::populate(memory, range.clone());
        initrd.phys = range.start;
        initrd.load(memory)?;
    }
    firmware.write(memory)?;
    let rsdp = firmware.rsdp();
    match kernel {
        Stock::BzImage(kernel) => {
            let most = kernel.cmdline_max().min(CMDLINE_MAX);
            if cmdline.len() > most {
                return Err(kernel.error(Defect::CommandLine { length: cmdline.len(), most }).into());
            }
            let header = kernel.load(memory)?;
            tables::write(memory)?;
            let boot_params = boot_params::write(memory, header, initrd.as_ref(), cmdline, rsdp)?;
            Ok(Entry::Linux { rip: kernel.entry(), boot_params })
        }
        Stock::Pvh(kernel) => {
            kernel.load(memory)?;
            let modules = initrd.as_slice();
            start_info::write(memory, modules, cmdline, Some(rsdp))?;
            Ok(Entry::Pvh { eip: kernel.entry() as u32, start_info: start_info::ADDRESS })
        }
    }
}

/// Where a root file system of `size` bytes goes that must be within `start..end`.
fn place(size: u64, start: u64, end: u64) -> Result<Range<u64>, ModuleError> {
    let no_room = || ModuleError::NoRoom { needed: start.saturating_add(size), ram: end };
    let at = end.checked_sub(size).ok_or_else(no_room)? / PAGE * PAGE;
    if at < start { Err(no_room()) } else { Ok(at..at + size) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_file_system_goes_as_high_as_it_may() {
        assert_eq!(place(0x1001, 0x10_0000, 0x20_0000).unwrap(), 0x1f_e000..0x1f_f001);
        assert_eq!(place(0, 0x10_0000, 0x20_0000).unwrap(), 0x20_0000..0x20_0000);
        assert_eq!(place(0x10_0000, 0x10_0000, 0x20_0000).unwrap(), 0x10_0000..0x20_0000);
        for size in [0x10_0001, 0x20_0001, u64::MAX] {
            assert!(
                matches!(place(size, 0x10_0000, 0x20_0000), Err(ModuleError::NoRoom { .. })),
                "{size:#x}"
            );
        }
    }
}
