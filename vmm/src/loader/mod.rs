//! Puts a guest into memory: kernel, modules, boot information, and the tables that the kernel is entered with.
//!
//! ```text
//! 0x0000_1000   GDT
//! 0x0000_7000   boot stack (one page, grows down from 0x8000)
//! 0x0000_9000   page tables (four pages)
//! 0x0001_0000   hvm_start_info, memory map, list of modules, their names, the command line
//! 0x0010_0000   the kernel's segments, where its ELF wants them; then the modules
//! ```
//!
//! - [`file`]: opens what the user names, with errors that say what is wrong with it
//! - [`kernel`]: checks the kernel's ELF and loads its segments
//! - [`module`]: the files that go along with the kernel, and where they are put
//! - [`start_info`]: the boot information
//! - [`tables`]: page tables and GDT

pub mod file;
pub mod kernel;
pub mod module;
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
    Kernel(#[from] kernel::KernelError),
    #[error(transparent)]
    Module(#[from] module::ModuleError),
    #[error(transparent)]
    StartInfo(#[from] start_info::StartInfoError),
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

/// Where the guest is to be entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Virtual address.
    pub rip: u64,
    /// Physical address of the `hvm_start_info`.
    pub start_info: u64,
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
    start_info::write(memory, modules, cmdline)?;
    Ok(Entry { rip: kernel.entry(), start_info: start_info::ADDRESS })
}
