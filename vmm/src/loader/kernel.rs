//! Checks the kernel's ELF and loads its segments.
//!
//! The checks come before the loader of the `linux-loader` crate runs, because its errors do not say which of the many
//! ways a file can be wrong it was, and because it takes machines and file types that we do not.

use super::file::Input;
use super::tables::{HIGH_BASE, MAPPED};
use crate::memory::{self, GuestMemory};
use linux_loader::elf::{
    EI_CLASS, EI_DATA, ELFDATA2LSB, ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, Elf64_Ehdr, Elf64_Phdr, PT_LOAD,
};
use linux_loader::loader::{Elf, KernelLoader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use vm_memory::ByteValued;

const ELFCLASS64: u8 = 2;
const ET_EXEC: u16 = 2;
const EM_X86_64: u16 = 62;
/// More program headers than any kernel has.
const SEGMENTS_MAX: u16 = 64;
/// Below are our tables.
const LOWEST: u64 = 0x10_0000;

#[derive(Debug, thiserror::Error)]
#[error("kernel {}: {what}", .path.display())]
pub struct KernelError {
    pub path: PathBuf,
    pub what: Defect,
}

/// What is wrong with a kernel.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    #[error("is not an ELF file")]
    NotElf,
    #[error("is truncated: {what} would end at byte {end}, but the file has {size}")]
    Truncated { what: &'static str, end: u64, size: u64 },
    #[error("is a 32-bit ELF file; a 64-bit one is needed (x86_64-unknown-none)")]
    Not64,
    #[error("is for another machine (ELF machine {0}); one for x86-64 (62) is needed")]
    Machine(u16),
    #[error("is not an executable with fixed addresses (ELF type {0}, not 2); link it with -no-pie")]
    Type(u16),
    #[error("has a malformed program header table")]
    Headers,
    #[error("has no segment to load")]
    NoSegment,
    #[error("has a segment at {start:#x}–{end:#x}, below 1 MiB, where the boot tables are")]
    TooLow { start: u64, end: u64 },
    #[error(
        "has a segment at {start:#x}–{end:#x}, outside the guest's RAM (which ends at {ram:#x}); \
         choose a larger --memory, or link it lower"
    )]
    OutsideRam { start: u64, end: u64, ram: u64 },
    #[error("has no entry point")]
    NoEntry,
    #[error("has its entry point {0:#x} outside its segments, or where the boot page tables do not map it")]
    BadEntry(u64),
    #[error("cannot be loaded: {0}")]
    Load(String),
}

/// A kernel whose ELF has been checked.
#[derive(Debug)]
pub struct Kernel {
    input: Input,
    entry: u64,
    end: u64,
}

impl Kernel {
    /// Checks `input` for a machine with `ram` bytes of RAM below the hole.
    pub fn check(input: Input, ram: u64) -> Result<Self, KernelError> {
        match check(&input, ram.min(MAPPED)) {
            Ok((entry, end)) => Ok(Self { input, entry, end }),
            Err(what) => Err(KernelError { path: input.path, what }),
        }
    }

    pub fn path(&self) -> &Path {
        &self.input.path
    }
    /// Virtual address of the entry point.
    pub fn entry(&self) -> u64 {
        self.entry
    }
    /// End of its last segment in guest-physical memory.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Reads the segments into memory. What the file does not fill stays zero.
    pub fn load(&mut self, memory: &GuestMemory) -> Result<(), KernelError> {
        debug_assert!(self.end <= memory::low_end(memory));
        match Elf::load(memory, None, &mut self.input.file, None) {
            Ok(_) => Ok(()),
            Err(e) => Err(KernelError { path: self.input.path.clone(), what: Defect::Load(e.to_string()) }),
        }
    }
}

/// Entry point and end of the last segment.
fn check(input: &Input, ram: u64) -> Result<(u64, u64), Defect> {
    let header = file_header(input)?;
    let mut end = 0;
    let mut entry_seen = false;
    for index in 0..header.e_phnum {
        let offset = u64::from(index) * size_of::<Elf64_Phdr>() as u64;
        let offset = header.e_phoff.checked_add(offset).ok_or(Defect::Headers)?;
        let segment: Elf64_Phdr = read(input, "a program header", offset)?;
        if segment.p_type == PT_LOAD {
            end = end.max(check_segment(input, &segment, ram)?);
            entry_seen |= enters(&segment, header.e_entry);
        }
    }
    match (end, header.e_entry) {
        (0, _) => Err(Defect::NoSegment),
        (_, 0) => Err(Defect::NoEntry),
        (_, entry) if !entry_seen => Err(Defect::BadEntry(entry)),
        (_, entry) => Ok((entry, end)),
    }
}

fn file_header(input: &Input) -> Result<Elf64_Ehdr, Defect> {
    let mut magic = [0; 4];
    if input.file.read_exact_at(&mut magic, 0).is_err() || magic[..] != *ELF_MAGIC {
        return Err(Defect::NotElf);
    }
    // The class is in the part of the header that both classes have, the machine too.
    let mut ident = [0; 20];
    if input.file.read_exact_at(&mut ident, 0).is_err() {
        return Err(Defect::Truncated { what: "the ELF header", end: 64, size: input.size });
    }
    if ident[EI_CLASS] != ELFCLASS64 {
        return Err(Defect::Not64);
    }
    let header: Elf64_Ehdr = read(input, "the ELF header", 0)?;
    if header.e_machine != EM_X86_64 || header.e_ident[EI_DATA] != ELFDATA2LSB {
        return Err(Defect::Machine(header.e_machine));
    }
    if header.e_type != ET_EXEC {
        return Err(Defect::Type(header.e_type));
    }
    let entry_size = size_of::<Elf64_Phdr>();
    let bad_size = header.e_phnum > 0 && usize::from(header.e_phentsize) != entry_size;
    if bad_size || header.e_phnum > SEGMENTS_MAX {
        return Err(Defect::Headers);
    }
    Ok(header)
}

const ELF_MAGIC: &[u8; 4] = &[ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3];

fn read<T: ByteValued + Default>(input: &Input, what: &'static str, offset: u64) -> Result<T, Defect> {
    let mut value = T::default();
    let end = offset.saturating_add(size_of::<T>() as u64);
    match input.file.read_exact_at(value.as_mut_slice(), offset) {
        Ok(()) => Ok(value),
        Err(_) => Err(Defect::Truncated { what, end, size: input.size }),
    }
}

/// End of the segment in memory.
fn check_segment(input: &Input, segment: &Elf64_Phdr, ram: u64) -> Result<u64, Defect> {
    let file_end = segment.p_offset.checked_add(segment.p_filesz).ok_or(Defect::Headers)?;
    if file_end > input.size {
        return Err(Defect::Truncated { what: "a segment", end: file_end, size: input.size });
    }
    if segment.p_filesz > segment.p_memsz {
        return Err(Defect::Headers);
    }
    let start = segment.p_paddr;
    let end = start.saturating_add(segment.p_memsz);
    if start < LOWEST && segment.p_memsz > 0 {
        return Err(Defect::TooLow { start, end });
    }
    if end > ram {
        return Err(Defect::OutsideRam { start, end, ram });
    }
    Ok(end)
}

/// Whether `entry` is in the segment and the boot page tables map it there.
fn enters(segment: &Elf64_Phdr, entry: u64) -> bool {
    let inside = entry.checked_sub(segment.p_vaddr).filter(|&offset| offset < segment.p_memsz);
    inside.is_some_and(|offset| {
        let phys = segment.p_paddr + offset;
        entry == phys || entry == HIGH_BASE.wrapping_add(phys)
    })
}

#[cfg(test)]
mod tests;
