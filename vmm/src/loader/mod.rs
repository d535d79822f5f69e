//! Puts a guest into memory: kernel, modules, boot information, and the tables that the kernel is entered with.
//!
//! ```text
//! 0x0000_1000   GDT
//! 0x0000_7000   boot stack (one page, grows down from 0x8000)
//! 0x0000_9000   page tables (four pages)
//! 0x0001_0000   hvm_start_info, memory map, list of modules, their names, the command line;
//!               for a bzImage boot_params and the command line
//! 0x000e_0000   ACPI tables, for stock kernels
//! 0x0010_0000   the kernel's segments, where its ELF wants them; then the modules
//! ```
//!
//! - [`file`]: opens what the user names, with errors that say what is wrong with it
//! - [`format`]: tells what kind of kernel it is; [`defect`]: what can be wrong with it
//! - [`kernel`]: checks a kernel's ELF and loads its segments; [`note`]: finds its PVH entry
//! - [`module`]: the files that go along with the kernel, and where they are put
//! - [`start_info`]: the boot information
//! - [`tables`]: page tables and GDT
//! - [`linux`]: all of this for stock kernels; [`bzimage`], [`boot_params`]: the Linux boot protocol

pub mod boot_params;
pub mod bzimage;
pub mod defect;
pub mod file;
pub mod format;
pub mod kernel;
pub mod linux;
pub mod module;
pub mod note;
pub mod start_info;
pub mod tables;

use crate::memory::{self, GuestMemory};
use kernel::Kernel;
use module::Module;
use vmm_abi::exit;

/// Memory that is populated beyond the last module: the kernel's and σ0's first allocations.
const FIRST_USE: u64 = 8 << 20;

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    File(#[from] file::FileError),
    #[error(transparent)]
    Kernel(#[from] defect::KernelError),
    #[error(transparent)]
    Module(#[from] module::ModuleError),
    #[error(transparent)]
    StartInfo(#[from] start_info::StartInfoError),
    #[error(transparent)]
    Acpi(#[from] crate::acpi::AcpiError),
}

impl LoadError {
    /// The exit status that it ends `ukvmm` with.
    pub fn status(&self) -> u8 {
        match self {
            Self::File(error) => error.status(),
            _ => exit::VMM,
        }
    }
}

/// Where the guest is to be entered, and in which way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    /// In 64-bit mode, with the address of the `hvm_start_info`: `vmm_abi::boot`.
    Native { rip: u64, start_info: u64 },
    /// In 64-bit mode, with the address of the boot parameters: the Linux boot protocol.
    Linux { rip: u64, boot_params: u64 },
    /// In 32-bit mode without paging, with the address of the `hvm_start_info`: PVH.
    Pvh { eip: u32, start_info: u64 },
}

/// Loads `kernel` and `modules`, which the guest finds in this order.
pub fn load(
    memory: &GuestMemory,
    kernel: &mut Kernel,
    modules: &mut [Module],
    cmdline: &str,
) -> Result<Entry, LoadError> {
    let end = module::place(modules, kernel.end(), memory::low_end(memory))?;
    memory::populate(memory, 0..end.saturating_add(FIRST_USE));
    kernel.load(memory)?;
    for module in modules.iter_mut() {
        module.load(memory)?;
    }
    tables::write(memory)?;
    start_info::write(memory, modules, cmdline, None)?;
    Ok(Entry::Native { rip: kernel.entry(), start_info: start_info::ADDRESS })
}
