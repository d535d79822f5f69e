//! Checks the kernel's ELF and loads its segments: of a kernel with our 64-bit entry, or with the PVH entry.
//!
//! The checks come before the loader of the `linux-loader` crate runs, because its errors do not say which of the many
//! ways a file can be wrong it was, and because it takes machines and file types that we do not.

use super::defect::{Defect, KernelError};
use super::file::Input;
use super::note;
use super::tables::{HIGH_BASE, MAPPED};
use crate::memory::{self, GuestMemory};
use linux_loader::elf::{
    EI_CLASS, EI_DATA, ELFDATA2LSB, ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, Elf64_Ehdr, Elf64_Phdr, PT_LOAD,
};
use linux_loader::loader::{Elf, KernelLoader};
use std::os::unix::fs::FileExt;
use std::path::Path;
use vm_memory::ByteValued;

const ELFCLASS64: u8 = 2;
const ET_EXEC: u16 = 2;
const EM_X86_64: u16 = 62;
/// More program headers than any kernel has.
const SEGMENTS_MAX: u16 = 64;
/// Below are our tables.
const LOWEST: u64 = 0x10_0000;

/// A kernel whose ELF has been checked.
#[derive(Debug)]
pub struct Kernel {
    input: Input,
    entry: u64,
    end: u64,
}

/// What has to be true of an entry point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entrance {
    /// The ELF header names it, and the boot page tables map it to a segment.
    Long,
    /// A note names it: a physical address in a segment.
    Pvh,
}

impl Kernel {
    /// Checks `input` for a machine with `ram` bytes of RAM below the hole.
    pub fn check(input: Input, entrance: Entrance, ram: u64) -> Result<Self, KernelError> {
        match check(&input, entrance, ram) {
            Ok((entry, end)) => Ok(Self { input, entry, end }),
            Err(what) => Err(KernelError { path: input.path, what }),
        }
    }

    pub fn path(&self) -> &Path {
        &self.input.path
    }
    /// Address of the entry point: virtual, or physical if it is the PVH entry.
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
fn check(input: &Input, entrance: Entrance, ram: u64) -> Result<(u64, u64), Defect> {
    let header = file_header(input)?;
    let (entry, ram) = match entrance {
        Entrance::Long => (header.e_entry, ram.min(MAPPED)),
        Entrance::Pvh => (note::pvh_entry(input)?.ok_or(Defect::NoEntry)?.into(), ram),
    };
    let mut end = 0;
    let mut entry_seen = false;
    for segment in segments(input, &header) {
        let segment = segment?;
        if segment.p_type == PT_LOAD {
            end = end.max(check_segment(input, &segment, ram)?);
            entry_seen |= match entrance {
                Entrance::Long => enters(&segment, entry),
                Entrance::Pvh => entry.checked_sub(segment.p_paddr).is_some_and(|at| at < segment.p_filesz),
            };
        }
    }
    match (end, entry) {
        (0, _) => Err(Defect::NoSegment),
        (_, 0) => Err(Defect::NoEntry),
        (_, entry) if !entry_seen => Err(Defect::BadEntry(entry)),
        (_, entry) => Ok((entry, end)),
    }
}

/// Where the segments of a kernel are: virtual and physical address, and length in memory. Nothing if it is no ELF file.
pub fn image(input: &Input) -> impl Iterator<Item = (u64, u64, u64)> {
    let header = file_header(input).ok();
    let all = header.into_iter().flat_map(|header| segments(input, &header)).filter_map(Result::ok);
    all.filter(|segment| segment.p_type == PT_LOAD)
        .map(|segment| (segment.p_vaddr, segment.p_paddr, segment.p_memsz))
}

/// The program headers, as far as they can be read.
pub(super) fn segments<'a>(
    input: &'a Input,
    header: &Elf64_Ehdr,
) -> impl Iterator<Item = Result<Elf64_Phdr, Defect>> + use<'a> {
    let first = header.e_phoff;
    (0..header.e_phnum).map(move |index| {
        let offset = u64::from(index) * size_of::<Elf64_Phdr>() as u64;
        read(input, "a program header", first.checked_add(offset).ok_or(Defect::Headers)?)
    })
}

/// The ELF header of an executable for x86-64.
pub(super) fn file_header(input: &Input) -> Result<Elf64_Ehdr, Defect> {
    let mut magic = [0; 4];
    if input.file.read_exact_at(&mut magic, 0).is_err() || magic[..] != *ELF_MAGIC {
        return Err(Defect::NoKernel("it begins with nothing that is known"));
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
