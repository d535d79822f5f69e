//! The boot information: `hvm_start_info` version 1 (Xen, `include/public/arch-x86/hvm/start_info.h`) with the memory
//! map, the command line, and the modules with their names.

use super::module::Module;
use crate::memory::{self, GuestMemory};
use linux_loader::loader::elf::start_info::{hvm_memmap_table_entry, hvm_modlist_entry, hvm_start_info};
use vm_memory::{ByteValued, Bytes, GuestAddress};
use vmm_abi::boot::{MEMORY_RAM, START_MAGIC};

/// Where it is put.
pub const ADDRESS: u64 = 0x1_0000;
/// Bytes that it may have.
const SPACE: usize = 0x1_0000;
/// Longest command line, in bytes.
pub const CMDLINE_MAX: usize = 4096;

#[derive(Debug, thiserror::Error)]
pub enum StartInfoError {
    #[error("the command line has {0} bytes; at most {CMDLINE_MAX} are taken")]
    CmdlineTooLong(usize),
    #[error("the command line contains a NUL byte")]
    CmdlineNul,
    #[error("cannot write boot tables to the guest's memory: {0}; choose a larger --memory")]
    Write(#[from] vm_memory::GuestMemoryError),
}

/// Writes it for modules that have been placed. `rsdp` is the address of the root of the ACPI tables: a machine without them has
/// a memory map of RAM alone.
pub fn write(
    memory: &GuestMemory,
    modules: &[Module],
    cmdline: &str,
    rsdp: Option<u64>,
) -> Result<(), StartInfoError> {
    if cmdline.len() > CMDLINE_MAX {
        return Err(StartInfoError::CmdlineTooLong(cmdline.len()));
    }
    if cmdline.contains('\0') {
        return Err(StartInfoError::CmdlineNul);
    }
    let bytes = layout(memory, modules, cmdline, rsdp);
    // 32 modules with names of 31 bytes and the longest command line fill a tenth of it.
    debug_assert!(bytes.len() <= SPACE);
    memory.write_slice(&bytes, GuestAddress(ADDRESS))?;
    Ok(())
}

/// A buffer that knows at which address its bytes will be.
struct Writer(Vec<u8>);

impl Writer {
    fn put(&mut self, bytes: &[u8]) -> u64 {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let address = ADDRESS + self.0.len() as u64;
        self.0.extend_from_slice(bytes);
        address
    }
    fn put_string(&mut self, text: &str) -> u64 {
        let address = self.put(text.as_bytes());
        self.0.push(0);
        address
    }
}

fn layout(memory: &GuestMemory, modules: &[Module], cmdline: &str, rsdp: Option<u64>) -> Vec<u8> {
    let mut out = Writer(vec![0; size_of::<hvm_start_info>()]);
    let memmap: Vec<u8> = memory::map(memory)
        .into_iter()
        .filter(|&(_, kind)| rsdp.is_some() || kind == MEMORY_RAM)
        .flat_map(|(range, type_)| {
            let size = range.end - range.start;
            let entry = hvm_memmap_table_entry { addr: range.start, size, type_, reserved: 0 };
            entry.as_slice().to_vec()
        })
        .collect();
    let modlist: Vec<u8> = modules
        .iter()
        .flat_map(|module| {
            let cmdline_paddr = out.put_string(&module.name);
            let entry =
                hvm_modlist_entry { paddr: module.phys, size: module.size(), cmdline_paddr, reserved: 0 };
            entry.as_slice().to_vec()
        })
        .collect();
    let info = hvm_start_info {
        magic: START_MAGIC,
        version: 1,
        nr_modules: modules.len() as u32,
        rsdp_paddr: rsdp.unwrap_or(0),
        modlist_paddr: out.put(&modlist),
        cmdline_paddr: out.put_string(cmdline),
        memmap_paddr: out.put(&memmap),
        memmap_entries: (memmap.len() / size_of::<hvm_memmap_table_entry>()) as u32,
        ..Default::default()
    };
    out.0[..size_of::<hvm_start_info>()].copy_from_slice(info.as_slice());
    out.0
}
