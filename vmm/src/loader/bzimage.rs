//! Checks a bzImage and loads it, by the 64-bit boot protocol (Linux, `Documentation/arch/x86/boot.rst`).
//!
//! It begins with the setup code for real mode, which is not needed, and in it the setup header, which is. What is behind
//! it is loaded where the header would like to have it, unpacks itself there, and needs `init_size` bytes for that.

use super::defect::{Defect, KernelError};
use super::file::Input;
use super::tables::MAPPED;
use crate::memory::GuestMemory;
use linux_loader::loader::bootparam::setup_header;
use linux_loader::loader::{self, KernelLoader};
use std::os::unix::fs::FileExt;
use std::path::Path;
use vm_memory::{ByteValued, GuestAddress};

/// Where the setup header begins in the file.
const HEADER: u64 = 0x1f1;
const MAGIC: &[u8; 4] = b"HdrS";
const MAGIC_AT: usize = 0x202;
const BOOT_FLAG: u16 = 0xaa55;
const SECTOR: u64 = 512;
/// Sectors of setup code if the header says 0.
const SETUP_SECTORS: u64 = 4;
/// The unit of `syssize`.
const PARAGRAPH: u64 = 16;
/// The first version that has `xloadflags`, and with them the 64-bit entry.
const VERSION: u16 = 0x20c;
/// The first version that has `kernel_info_offset`, the last field.
const VERSION_KERNEL_INFO: u16 = 0x20f;
const LOADED_HIGH: u8 = 1;
const XLF_KERNEL_64: u16 = 1;
/// From the load address to the 64-bit entry.
const ENTRY_64: u64 = 0x200;
/// Below is no place for a kernel.
const LOWEST: u64 = 0x10_0000;

/// Whether a file that begins like this is one.
pub fn is_one(head: &[u8]) -> bool {
    head.get(MAGIC_AT..MAGIC_AT + MAGIC.len()) == Some(MAGIC)
}

/// A kernel whose setup header has been checked.
#[derive(Debug)]
pub struct BzImage {
    input: Input,
    header: setup_header,
    /// Guest-physical.
    start: u64,
    end: u64,
}

impl BzImage {
    /// Checks `input` for a machine with `ram` bytes of RAM below the hole.
    pub fn check(input: Input, ram: u64) -> Result<Self, KernelError> {
        match check(&input, ram.min(MAPPED)) {
            Ok((header, start, end)) => Ok(Self { input, header, start, end }),
            Err(what) => Err(KernelError { path: input.path, what }),
        }
    }

    pub fn path(&self) -> &Path {
        &self.input.path
    }
    /// Physical address of the 64-bit entry.
    pub fn entry(&self) -> u64 {
        self.start + ENTRY_64
    }
    /// Guest-physical memory that it needs to unpack itself.
    pub fn range(&self) -> std::ops::Range<u64> {
        self.start..self.end
    }
    /// Highest address that a byte of the root file system may have.
    pub fn initrd_max(&self) -> u64 {
        self.header.initrd_addr_max.into()
    }
    /// Bytes of the longest command line, without its NUL.
    pub fn cmdline_max(&self) -> usize {
        self.header.cmdline_size as usize
    }
    /// An error of this kernel's.
    pub fn error(&self, what: Defect) -> KernelError {
        KernelError { path: self.input.path.clone(), what }
    }

    /// Reads it into memory. Returns the setup header for the boot parameters.
    pub fn load(&mut self, memory: &GuestMemory) -> Result<setup_header, KernelError> {
        let (at, lowest) = (GuestAddress(self.start), GuestAddress(LOWEST));
        match loader::BzImage::load(memory, Some(at), &mut self.input.file, Some(lowest)) {
            Ok(_) => Ok(setup_header { code32_start: self.start as u32, ..self.header }),
            Err(error) => Err(self.error(Defect::Load(error.to_string()))),
        }
    }
}

/// The header, and the memory that the kernel needs.
fn check(input: &Input, ram: u64) -> Result<(setup_header, u64, u64), Defect> {
    let header = setup_header_of(input)?;
    let sectors = if header.setup_sects == 0 { SETUP_SECTORS } else { header.setup_sects.into() };
    let setup = (sectors + 1) * SECTOR;
    // The last paragraph need not be whole.
    let end = setup + u64::from(header.syssize) * PARAGRAPH;
    if input.size + PARAGRAPH <= end || input.size <= setup + ENTRY_64 {
        let end = end.max(setup + ENTRY_64);
        return Err(Defect::Truncated { what: "the kernel", end, size: input.size });
    }
    let start = match header.relocatable_kernel {
        0 => header.code32_start.into(),
        _ => header.pref_address,
    };
    if start < LOWEST || u64::from(header.code32_start) < LOWEST {
        return Err(Defect::TooLow { start, end: start.saturating_add(input.size - setup) });
    }
    let needed = u64::from(header.init_size).max(input.size - setup);
    // One that cannot be relocated moves itself to where it was linked for.
    let end = start.max(header.pref_address).saturating_add(needed);
    if end > ram {
        return Err(Defect::TooBig { start, end, ram });
    }
    Ok((header, start, end))
}

fn setup_header_of(input: &Input) -> Result<setup_header, Defect> {
    let mut header = setup_header::default();
    let end = HEADER + size_of::<setup_header>() as u64;
    if input.file.read_exact_at(header.as_mut_slice(), HEADER).is_err() {
        return Err(Defect::Truncated { what: "the setup header", end, size: input.size });
    }
    if header.boot_flag != BOOT_FLAG {
        return Err(Defect::SetupHeader("no boot flag at 0x1fe"));
    }
    if header.version < VERSION {
        return Err(Defect::Protocol(header.version));
    }
    if header.loadflags & LOADED_HIGH == 0 {
        return Err(Defect::SetupHeader("it is a zImage, to be loaded below 1 MiB"));
    }
    if header.xloadflags & XLF_KERNEL_64 == 0 {
        return Err(Defect::No64BitEntry);
    }
    if header.init_size == 0 {
        return Err(Defect::SetupHeader("init_size is 0"));
    }
    if header.version < VERSION_KERNEL_INFO {
        header.kernel_info_offset = 0;
    }
    Ok(header)
}

#[cfg(test)]
mod tests;
